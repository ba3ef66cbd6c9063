internal import CClozeSupport
internal import ClozeIO
internal import ClozeONNX

/// The float32 elements of a weight matrix, and where they are.
struct WeightSource {
  /// Where the elements are.
  private enum Storage {
    /// In memory that `owner` keeps, or the caller where that is nil; not necessarily aligned.
    case memory(UnsafePointer<Float>, owner: AlignedMemory?)
    /// In the file of a float32 tensor with layout `.outIn`, whose rows `withRows` reads.
    case file(Tensor)
  }

  /// The tensor that the elements come from, for messages; nil for a layer of a head.
  let tensor: Tensor?
  let layout: Matrix.Layout
  let inputs: Int
  let outputs: Int
  private let storage: Storage

  /// The tensor's name, for messages.
  var name: String { tensor?.name ?? "a layer of a head" }

  /// Elements between rows.
  var stride: Int { layout == .inOut ? outputs : inputs }

  /// All elements; nil where only `withRows` reads them.
  var base: UnsafePointer<Float>? { if case .memory(let base, _) = storage { base } else { nil } }

  /// A matrix [outputs, inputs] in memory that the caller keeps.
  init(rows: UnsafePointer<Float>, inputs: Int, outputs: Int) {
    tensor = nil
    layout = .outIn
    self.inputs = inputs
    self.outputs = outputs
    storage = .memory(rows, owner: nil)
  }

  /// A matrix of the file. One that is not float32 is converted into memory that this source owns.
  ///
  /// - Parameter staged: the elements of a matrix that `isFloat32`, in memory that outlives this; nil: rows of
  ///   a matrix with layout `.outIn` are read from the file.
  /// - Throws: `.notFinite` for a converted element that is NaN or infinite.
  init(_ matrix: Matrix, staged: UnsafePointer<Float>?) throws(ClozeError) {
    let tensor = matrix.tensor
    self.tensor = tensor
    layout = matrix.layout
    inputs = matrix.inputSize
    outputs = matrix.outputSize
    guard try tensor.count == bytes(inputs, outputs) else {
      throw ClozeError(
        .invalidModel, "\"\(tensor.name)\" has \(tensor.count) elements, expected \(inputs) x \(outputs)")
    }
    if matrix.isFloat32, let staged {
      storage = .memory(staged, owner: nil)
      return
    }
    if matrix.isFloat32, layout == .outIn {
      storage = .file(tensor)
      return
    }
    let memory = try AlignedMemory(bytes: bytes(tensor.count, MemoryLayout<Float>.size))
    try tensor.copyFinite(to: UnsafeMutableBufferPointer(start: memory.floats(), count: tensor.count))
    storage = .memory(memory.floats(), owner: memory)
  }

  /// One matrix [outputs, inputs] of matrices whose outputs are joined.
  init(joining parts: [WeightSource], inputs: Int, outputs: Int) throws(ClozeError) {
    guard let first = parts.first else { throw ClozeError(.internal, "no matrices to join") }
    let memory = try AlignedMemory(bytes: bytes(outputs, inputs, MemoryLayout<Float>.size))
    var row = memory.base
    for part in parts {
      try part.tensor?.checkFinite()
      guard let base = part.base else { throw ClozeError(.internal, "\(part.name) is not in memory") }
      let source = UnsafeRawPointer(base)
      for output in 0..<part.outputs {
        for input in 0..<inputs {
          let place = part.layout == .inOut ? input &* part.outputs &+ output : output &* inputs &+ input
          row.storeBytes(of: source.loadUnaligned(fromByteOffset: place &* 4, as: UInt32.self), as: UInt32.self)
          row += 4
        }
      }
    }
    tensor = first.tensor
    layout = .outIn
    self.inputs = inputs
    self.outputs = outputs
    storage = .memory(memory.floats(), owner: memory)
  }

  /// Calls `body` with rows `first ..< first + count` of a matrix with layout `.outIn`. May be called by
  /// several threads at once.
  func withRows(_ first: Int, _ count: Int, _ body: (UnsafePointer<Float>) throws(ClozeError) -> Void)
    throws(ClozeError)
  {
    let tensor: Tensor
    switch storage {
    case .memory(let base, _): return try body(base + first &* stride)
    case .file(let stored): tensor = stored
    }
    try withUnsafeTemporaryAllocation(of: Float.self, capacity: count &* inputs) { rows throws(ClozeError) in
      guard let start = rows.baseAddress else { return }
      try tensor.read((first &* inputs)..<((first &+ count) &* inputs), to: start)
      try body(start)
    }
  }

  /// The error for a weight that is NaN, infinite or too large for int8; names the first.
  ///
  /// - Throws: the same error where the tensor itself holds a NaN or an infinity.
  func notFinite() throws(ClozeError) -> ClozeError {
    try tensor?.checkFinite()
    return ClozeError(.notFinite, "\"\(name)\" has a weight that is NaN, infinite or too large for int8")
  }
}

/// Copying to where weights are packed from.
extension Tensor {
  /// Copies all elements as float32.
  ///
  /// - Throws: `.notFinite` where one is NaN, infinite or too large for float32.
  func copyFinite(to target: UnsafeMutableBufferPointer<Float>) throws(ClozeError) {
    try copyFloat32(to: target)
    // The copy is checked first: checking the tensor would read it once more.
    if let start = target.baseAddress, cloze_floats_finite(start, count) == 0 {
      try checkFinite()
      throw ClozeError(.notFinite, "\(label) has an element too large for float32")
    }
  }
}

/// The element type that decides whether a matrix is converted.
extension Matrix {
  /// Whether the file stores the elements as float32.
  var isFloat32: Bool { tensor.elementType == .float32 && tensor.quantization == nil }
}
