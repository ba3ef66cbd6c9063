internal import CClozeKernels
internal import ClozeIO

/// A dense layer in a prepared model: sections NAME.panels, NAME.scales, NAME.sums, NAME.biases and
/// NAME.smoothing, in the layout of the kernels (layout 1; docs/FORMAT.md).
extension Weights.Dense {
  /// Appends the sections of this layer.
  func add(_ name: String, to image: inout PreparedImage) throws(ClozeError) {
    try columns.add(name, outputs, inputs, to: &image)
    addBiases(name, to: &image)
    if let inverseSmoothing { image.add(name + ".smoothing", inverseSmoothing, inputs) }
  }

  /// Reads the sections of the layer `name`, inputs -> outputs, and uses them in place.
  init(_ name: String, _ precision: Precision, _ inputs: Int, _ outputs: Int, from file: inout PreparedFile)
    throws(ClozeError)
  {
    self.init(
      inputs: inputs, outputs: outputs,
      columns: try cloze_packed_columns(name, precision, outputs, inputs, from: &file),
      bias: try Self.biases(name, outputs, from: &file),
      inverseSmoothing: file.contains(name + ".smoothing") ? try file.floats(name + ".smoothing", inputs) : nil)
  }

  /// Appends the biases alone: a tied decoder shares its panels with the word table.
  func addBiases(_ name: String, to image: inout PreparedImage) {
    image.add(name + ".biases", bias, outputs.roundedUp(to: panelColumns))
  }

  /// The biases [outputs] of a layer, padded to whole panels.
  static func biases(_ name: String, _ outputs: Int, from file: inout PreparedFile) throws(ClozeError) -> UnsafePointer<
    Float
  > { try file.floats(name + ".biases", outputs.roundedUp(to: panelColumns)) }
}

/// The packed columns of a matrix in a prepared model: panels, and in int8 scales and sums.
extension cloze_packed_columns {
  /// Appends the sections of these columns.
  func add(_ name: String, _ outputs: Int, _ inputs: Int, to image: inout PreparedImage) throws(ClozeError) {
    let size = try panelBytes(scale == nil ? .float32 : .int8, outputs, inputs)
    let padded = outputs.roundedUp(to: panelColumns)
    image.add(name + ".panels", UnsafeRawBufferPointer(start: panels, count: size))
    if let scale { image.add(name + ".scales", scale, padded) }
    if let sum { image.add(name + ".sums", sum, padded) }
  }

  /// Reads the columns of the matrix `name` [inputs, outputs] and uses them in place.
  init(_ name: String, _ precision: Precision, _ outputs: Int, _ inputs: Int, from file: inout PreparedFile)
    throws(ClozeError)
  {
    let size = try panelBytes(precision, outputs, inputs)
    guard precision == .int8 else {
      self.init(panels: try file.floats(name + ".panels", size / 4), scale: nil, sum: nil)
      return
    }
    let padded = outputs.roundedUp(to: panelColumns)
    self.init(
      panels: try file.bytes(name + ".panels", size: size), scale: try file.floats(name + ".scales", padded),
      sum: try file.numbers(name + ".sums", padded, as: Int32.self))
  }
}

/// Columns of a panel in layout 1.
private let panelColumns = 16

/// Bytes of the panels of a matrix [inputs, outputs].
private func panelBytes(_ precision: Precision, _ outputs: Int, _ inputs: Int) throws(ClozeError) -> Int {
  let columns = outputs.roundedUp(to: panelColumns)
  return switch precision {
  case .int8: try bytes(columns, inputs.roundedUp(to: 4))
  case .float32: try bytes(columns, inputs, MemoryLayout<Float>.size)
  }
}
