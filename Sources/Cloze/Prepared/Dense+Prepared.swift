internal import CClozeKernels

/// The one place where a matrix product's weights are written to a prepared model, and read from it.
///
///     NAME.panels       the weights, as `PanelLayout` has them
///     NAME.scales       [n16] int8 only
///     NAME.sums         [n16] int8 only: of each column's quantized weights
///     NAME.biases       [n16]
///     NAME.smoothing    [k] where activations are smoothed
///
/// with n16 the outputs rounded up to 16, and zeros in what is beyond n.
extension PanelLayout {
  func add(_ dense: Weights.Dense, _ name: String, to image: inout PreparedImage) throws(ClozeError) {
    try add(dense.columns, dense.outputs, dense.inputs, name, to: &image)
    try addBiases(dense, name, to: &image)
    if let smoothing = dense.inverseSmoothing {
      image.add(name + ".smoothing", smoothing, dense.inputs)
    }
  }

  func addBiases(
    _ dense: Weights.Dense, _ name: String, to image: inout PreparedImage
  ) throws(ClozeError) {
    try image.add(name + ".biases", padded(dense.bias, dense.outputs))
  }

  func dense(
    _ name: String, _ inputs: Int, _ outputs: Int, from file: inout PreparedFile,
    memory: WeightMemory
  ) throws(ClozeError) -> Weights.Dense {
    Weights.Dense(
      inputs: inputs, outputs: outputs,
      columns: try columns(name, outputs, inputs, from: &file, memory: memory),
      bias: try biases(name, outputs, from: &file, memory: memory),
      inverseSmoothing: file.contains(name + ".smoothing")
        ? try file.floats(name + ".smoothing", inputs) : nil)
  }

  func biases(
    _ name: String, _ outputs: Int, from file: inout PreparedFile, memory: WeightMemory
  ) throws(ClozeError) -> UnsafePointer<Float> {
    try native(file.floats(name + ".biases", outputs.roundedUp(to: Self.columns)), outputs, memory)
  }

  /// The columns alone: a word table that is also a decoder.
  func add(
    _ columns: cloze_packed_columns, _ outputs: Int, _ inputs: Int, _ name: String,
    to image: inout PreparedImage
  ) throws(ClozeError) {
    if isNative {
      image.add(
        name + ".panels",
        UnsafeRawBufferPointer(
          start: columns.panels, count: try Self.size(precision, outputs, inputs)))
    } else {
      image.add(name + ".panels", try stored(columns.panels, outputs, inputs))
    }
    if let scale = columns.scale { image.add(name + ".scales", try padded(scale, outputs)) }
    if let sum = columns.sum { image.add(name + ".sums", try padded(sum, outputs)) }
  }

  func columns(
    _ name: String, _ outputs: Int, _ inputs: Int, from file: inout PreparedFile,
    memory: WeightMemory
  ) throws(ClozeError) -> cloze_packed_columns {
    let whole = outputs.roundedUp(to: Self.columns)
    let size = try Self.size(precision, outputs, inputs)
    guard precision == .int8 else {
      let panels = UnsafeRawPointer(try file.floats(name + ".panels", size / 4))
      return cloze_packed_columns(
        panels: isNative
          ? panels : try packed(panels, outputs, inputs, sum: nil, memory: memory),
        scale: nil, sum: nil)
    }
    let panels = try file.bytes(name + ".panels", size: size)
    let scale = try file.floats(name + ".scales", whole)
    let sum = try file.numbers(name + ".sums", whole, as: Int32.self)
    if isNative { return cloze_packed_columns(panels: panels, scale: scale, sum: sum) }
    let own = try memory.allocate(
      outputs.roundedUp(to: Int(matrix.nr)) * MemoryLayout<Int32>.stride
    ).assumingMemoryBound(to: Int32.self)
    return cloze_packed_columns(
      panels: try packed(panels, outputs, inputs, sum: own, memory: memory),
      scale: try native(scale, outputs, memory), sum: own)
  }

  /// The first n values, and zeros up to n16.
  private func padded<T: BitwiseCopyable>(
    _ values: UnsafePointer<T>, _ count: Int
  ) throws(ClozeError) -> AlignedMemory {
    let memory = try AlignedMemory(bytes: count.roundedUp(to: Self.columns) * MemoryLayout<T>.stride)
    memory.base.initializeMemory(as: UInt8.self, repeating: 0, count: memory.size)
    memory.base.copyMemory(from: values, byteCount: count * MemoryLayout<T>.stride)
    return memory
  }

  /// Values in as many places as the kernels want.
  private func native(
    _ values: UnsafePointer<Float>, _ count: Int, _ memory: WeightMemory
  ) throws(ClozeError) -> UnsafePointer<Float> {
    if isNative { return values }
    let whole = count.roundedUp(to: Int(matrix.nr))
    let own = try memory.floats(whole)
    own.update(repeating: 0, count: whole)
    own.update(from: values, count: count)
    return UnsafePointer(own)
  }
}
