internal import CClozeKernels
internal import ClozeIO

/// The one place where the weights of matrix products are written to a prepared model, and read from it:
/// arrays called NAME.panels and so on, lying as kernels take them (layout 1; docs/FORMAT.md).
extension Weights.Dense {
  func add(
    _ name: String, _ precision: Precision, to image: inout PreparedImage
  ) throws(ClozeError) {
    try columns.add(name, precision, outputs, inputs, to: &image)
    addBiases(name, to: &image)
    if let inverseSmoothing { image.add(name + ".smoothing", inverseSmoothing, inputs) }
  }

  init(
    _ name: String, _ precision: Precision, _ inputs: Int, _ outputs: Int,
    from file: inout PreparedFile
  ) throws(ClozeError) {
    self.init(
      inputs: inputs, outputs: outputs,
      columns: try cloze_packed_columns(name, precision, outputs, inputs, from: &file),
      bias: try Self.biases(name, outputs, from: &file),
      inverseSmoothing: file.contains(name + ".smoothing")
        ? try file.floats(name + ".smoothing", inputs) : nil)
  }

  // Of a decoder whose columns are the word table's, only these are its own.

  func addBiases(_ name: String, to image: inout PreparedImage) {
    image.add(name + ".biases", bias, outputs.roundedUp(to: panelColumns))
  }

  static func biases(
    _ name: String, _ outputs: Int, from file: inout PreparedFile
  ) throws(ClozeError) -> UnsafePointer<Float> {
    try file.floats(name + ".biases", outputs.roundedUp(to: panelColumns))
  }
}

extension cloze_packed_columns {
  func add(
    _ name: String, _ precision: Precision, _ outputs: Int, _ inputs: Int,
    to image: inout PreparedImage
  ) throws(ClozeError) {
    let size = try panelBytes(precision, outputs, inputs)
    let whole = outputs.roundedUp(to: panelColumns)
    image.add(name + ".panels", UnsafeRawBufferPointer(start: panels, count: size))
    if let scale { image.add(name + ".scales", scale, whole) }
    if let sum { image.add(name + ".sums", sum, whole) }
  }

  init(
    _ name: String, _ precision: Precision, _ outputs: Int, _ inputs: Int,
    from file: inout PreparedFile
  ) throws(ClozeError) {
    let size = try panelBytes(precision, outputs, inputs)
    guard precision == .int8 else {
      self.init(panels: try file.floats(name + ".panels", size / 4), scale: nil, sum: nil)
      return
    }
    let whole = outputs.roundedUp(to: panelColumns)
    self.init(
      panels: try file.bytes(name + ".panels", size: size),
      scale: try file.floats(name + ".scales", whole),
      sum: try file.numbers(name + ".sums", whole, as: Int32.self))
  }
}

/// Columns of a panel.
private let panelColumns = 16

/// Bytes of the panels of an n x k matrix.
private func panelBytes(
  _ precision: Precision, _ outputs: Int, _ inputs: Int
) throws(ClozeError) -> Int {
  let columns = outputs.roundedUp(to: panelColumns)
  return switch precision {
  case .int8: try bytes(columns, inputs.roundedUp(to: 4))
  case .float32: try bytes(columns, inputs, MemoryLayout<Float>.size)
  }
}
