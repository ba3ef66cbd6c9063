internal import CClozeKernels
internal import ClozeONNX

/// The float32 numbers of a matrix: where they lie in the file, aligned or not, or a copy.
struct WeightSource {
  /// What keeps the file's bytes; nil for numbers of another origin.
  let tensor: Tensor?
  let layout: Matrix.Layout
  let inputs: Int
  let outputs: Int
  let base: UnsafePointer<Float>
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

  init(_ matrix: Matrix) throws(ClozeError) {
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
    if tensor.elementType == .float32, tensor.quantization == nil, let start = tensor.bytes.baseAddress {
      base = start.assumingMemoryBound(to: Float.self)
      copy = nil
      return
    }
    let memory = try AlignedMemory(bytes: bytes(tensor.count, MemoryLayout<Float>.size))
    do throws(ONNXError) {
      try tensor.checkFinite()
      try tensor.copyFloat32(
        to: UnsafeMutableBufferPointer(start: memory.floats(), count: tensor.count))
    } catch { throw ClozeError(error) }
    base = UnsafePointer(memory.floats())
    copy = memory
  }

  /// Copies matrices side by side, as rows of their inputs.
  init(joining parts: [WeightSource], inputs: Int, outputs: Int) throws(ClozeError) {
    guard let first = parts.first else { throw ClozeError(.internal, "no matrices to be joined") }
    let memory = try AlignedMemory(bytes: bytes(outputs, inputs, MemoryLayout<Float>.size))
    var row = memory.base
    for part in parts {
      do throws(ONNXError) { try part.tensor?.checkFinite() } catch { throw ClozeError(error) }
      let source = UnsafeRawPointer(part.base)
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
}
