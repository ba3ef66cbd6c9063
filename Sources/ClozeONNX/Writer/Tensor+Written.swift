package import ClozeIO

/// Tensors converted to the formats of a written file.
extension Tensor {
  /// The tensor as float32; itself where it is float32 already.
  func asFloat32() throws(ClozeError) -> Tensor {
    if elementType == .float32, quantization == nil { return self }
    let memory = try TensorMemory(4 * count)
    try copyFloat32(to: memory.bytes.bindMemory(to: Float.self))
    return Tensor(name: name, .float32, shape, memory)
  }

  /// Float32 numbers in float16, to nearest, halfway cases to even.
  func asFloat16() throws(ClozeError) -> Tensor {
    let memory = try TensorMemory(2 * count)
    let target = memory.bytes.bindMemory(to: UInt16.self)
    let bytes = try bytes()
    for i in 0..<Swift.min(count, target.count) {
      target[i] = float16Bits(bytes.loadUnaligned(fromByteOffset: 4 &* i, as: Float.self))
    }
    return Tensor(name: name, .float16, shape, memory)
  }

  /// Whether every element of a float32 tensor is finite in float16.
  func fitsFloat16() throws(ClozeError) -> Bool {
    let bytes = try bytes()
    for i in 0..<count where !(abs(bytes.loadUnaligned(fromByteOffset: 4 &* i, as: Float.self)) < 65520) {
      return false
    }
    return true
  }

  /// A tensor whose elements `fill` writes.
  package static func made(
    _ name: String, _ type: ElementType, _ shape: [Int], quantization: Quantization? = nil,
    _ fill: (UnsafeMutableRawBufferPointer) -> Void
  ) throws(ClozeError) -> Tensor {
    var bytes = type.size
    for dimension in shape {
      let (product, overflow) = bytes.multipliedReportingOverflow(by: dimension)
      guard !overflow else { throw ClozeError(.shape, "a tensor of shape \(shape) is too large") }
      bytes = product
    }
    let memory = try TensorMemory(bytes)
    fill(memory.bytes)
    return Tensor(name: name, type, shape, memory, quantization: quantization)
  }

  package static func made(_ name: String, _ shape: [Int], _ values: UnsafeBufferPointer<Float>) throws(ClozeError)
    -> Tensor
  { try made(name, .float32, shape) { $0.copyMemory(from: UnsafeRawBufferPointer(values)) } }
}

/// Matrices converted to the layout of MatMul.
extension Matrix {
  /// The matrix [inputSize, outputSize] in float32.
  func asFloat32() throws(ClozeError) -> Tensor {
    guard layout == .outIn else { return try tensor.asFloat32() }
    let memory = try TensorMemory(4 * tensor.count)
    let target = memory.bytes.bindMemory(to: Float.self)
    // 32 rows at a time, so that the matrix is not in memory twice.
    let step = 32
    let rows = try TensorMemory(4 * step * inputSize)
    let source = rows.bytes.bindMemory(to: Float.self)
    guard tensor.count == inputSize &* outputSize, target.count == tensor.count else {
      throw ClozeError(.shape, "\(tensor.label) is not a \(outputSize) x \(inputSize) matrix")
    }
    for first in stride(from: 0, to: outputSize, by: step) {
      let count = Swift.min(step, outputSize &- first)
      try tensor.copyFloat32((first &* inputSize)..<((first &+ count) &* inputSize), to: source)
      for input in 0..<inputSize {
        for row in 0..<count { target[input &* outputSize &+ first &+ row] = source[row &* inputSize &+ input] }
      }
    }
    return Tensor(name: tensor.name, .float32, [inputSize, outputSize], memory)
  }

  /// The stored integers [outputSize, inputSize] plus 128, the scale of each output, and the sum of each output's
  /// integers without the 128; requires `isStoredInt8`.
  func asRows() throws(ClozeError) -> (integers: Tensor, scales: Tensor, sums: Tensor) {
    let rows = try TensorMemory(tensor.count)
    let scales = try TensorMemory(4 * outputSize)
    let sums = try TensorMemory(4 * outputSize)
    let signed = rows.bytes.bindMemory(to: Int8.self)
    if let rows = signed.baseAddress, let scales = scales.bytes.bindMemory(to: Float.self).baseAddress {
      try copyInt8(to: rows, scales: scales)
    }
    let totals = sums.bytes.bindMemory(to: Int32.self)
    for output in 0..<outputSize {
      var sum: Int32 = 0
      for i in (output &* inputSize)..<((output &+ 1) &* inputSize) {
        sum &+= Int32(signed[i])
        signed[i] ^= -128
      }
      totals[output] = sum
    }
    return (
      Tensor(name: tensor.name, .uint8, [outputSize, inputSize], rows),
      Tensor(name: tensor.name, .float32, [outputSize], scales), Tensor(name: tensor.name, .int32, [outputSize], sums)
    )
  }
}

/// Transposing.
extension Tensor {
  /// The transpose of a matrix of bytes.
  func transposed() throws(ClozeError) -> Tensor {
    guard shape.count == 2, elementType.size == 1 else { throw ClozeError(.shape, "\(label) is not a matrix of bytes") }
    let (rows, columns) = (shape[0], shape[1])
    let memory = try TensorMemory(count)
    let bytes = try bytes()
    for row in 0..<rows {
      for column in 0..<columns { memory.bytes[column &* rows &+ row] = bytes[row &* columns &+ column] }
    }
    return Tensor(name: name, elementType, [columns, rows], memory)
  }
}
