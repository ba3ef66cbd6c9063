internal import CClozeSupport
internal import ClozeIO
internal import ClozeONNX

/// The float32 numbers of a matrix: in memory, or rows of outputs that are still in the file.
struct WeightSource {
  /// What the numbers come from, for messages and for rows in the file; nil for those of a head.
  let tensor: Tensor?
  let layout: Matrix.Layout
  let inputs: Int
  let outputs: Int
  /// All numbers, not necessarily aligned; nil where `withRows` reads them.
  let base: UnsafePointer<Float>?
  private let copy: AlignedMemory?

  /// For messages.
  var name: String { tensor?.name ?? "a layer of a head" }

  /// Elements between rows.
  var stride: Int { layout == .inOut ? outputs : inputs }

  /// Rows of outputs that the caller keeps.
  init(rows: UnsafePointer<Float>, inputs: Int, outputs: Int) {
    tensor = nil
    layout = .outIn
    self.inputs = inputs
    self.outputs = outputs
    base = rows
    copy = nil
  }

  /// - Parameter staged: the numbers of a matrix that `isFloat32`, in memory that outlives this;
  ///   needed where the layout is `.inOut`.
  init(_ matrix: Matrix, staged: UnsafePointer<Float>?) throws(ClozeError) {
    let tensor = matrix.tensor
    self.tensor = tensor
    layout = matrix.layout
    inputs = matrix.inputSize
    outputs = matrix.outputSize
    guard try tensor.count == bytes(inputs, outputs) else {
      throw ClozeError(
        .invalidModel,
        "\"\(tensor.name)\" has \(tensor.count) elements, expected \(inputs) x \(outputs)")
    }
    if matrix.isFloat32, staged != nil || layout == .outIn {
      base = staged
      copy = nil
      return
    }
    let memory = try AlignedMemory(bytes: bytes(tensor.count, MemoryLayout<Float>.size))
    try tensor.copyFinite(
      to: UnsafeMutableBufferPointer(start: memory.floats(), count: tensor.count))
    base = UnsafePointer(memory.floats())
    copy = memory
  }

  /// Copies matrices side by side, as rows of their inputs.
  init(joining parts: [WeightSource], inputs: Int, outputs: Int) throws(ClozeError) {
    guard let first = parts.first else { throw ClozeError(.internal, "no matrices to be joined") }
    let memory = try AlignedMemory(bytes: bytes(outputs, inputs, MemoryLayout<Float>.size))
    var row = memory.base
    for part in parts {
      try part.tensor?.checkFinite()
      guard let base = part.base else { throw ClozeError(.internal, "\(part.name) is not in memory") }
      let source = UnsafeRawPointer(base)
      for output in 0..<part.outputs {
        for input in 0..<inputs {
          let place = part.layout == .inOut ? input &* part.outputs &+ output : output &* inputs &+ input
          row.storeBytes(
            of: source.loadUnaligned(fromByteOffset: place &* 4, as: UInt32.self), as: UInt32.self)
          row += 4
        }
      }
    }
    tensor = first.tensor
    layout = .outIn
    self.inputs = inputs
    self.outputs = outputs
    base = UnsafePointer(memory.floats())
    copy = memory
  }

  /// Calls `body` with rows `first` and following of a matrix that holds rows of outputs, read from
  /// the file where they are not in memory. May be called by several threads at once.
  func withRows(
    _ first: Int, _ count: Int, _ body: (UnsafePointer<Float>) throws(ClozeError) -> Void
  ) throws(ClozeError) {
    if let base { return try body(base + first &* stride) }
    guard let tensor else { throw ClozeError(.internal, "\(name) is not in memory") }
    try withUnsafeTemporaryAllocation(of: Float.self, capacity: count &* inputs) {
      rows throws(ClozeError) in
      guard let start = rows.baseAddress else { return }
      try tensor.read((first &* inputs)..<((first &+ count) &* inputs), to: start)
      try body(start)
    }
  }

  /// The error of weights that are NaN, infinite or too large to be quantized, naming the first.
  func notFinite() throws(ClozeError) -> ClozeError {
    try tensor?.checkFinite()
    return ClozeError(.notFinite, "\"\(name)\" holds a weight that is NaN, infinite or too large for int8")
  }
}

extension Tensor {
  /// Copies a tensor as float32 and makes sure that it holds numbers only.
  func copyFinite(to target: UnsafeMutableBufferPointer<Float>) throws(ClozeError) {
    try copyFloat32(to: target)
    // The copy is checked, the tensor only for the message: it would be read once more.
    if let start = target.baseAddress, cloze_floats_finite(start, count) == 0 {
      try checkFinite()
      throw ClozeError(.notFinite, "\(label) holds a number too large for float32")
    }
  }
}

extension Matrix {
  /// Whether the file holds its numbers as they are computed with.
  var isFloat32: Bool { tensor.elementType == .float32 && tensor.quantization == nil }
}
