public import ClozeIO

/// Weights stored as 8-bit integers.
extension Matrix {
  /// Whether the stored integers are signed bytes after subtracting the zero point, with one scale per output or
  /// one for all, and so need no requantizing.
  public var isStoredInt8: Bool {
    guard let quantization = tensor.quantization, tensor.shape.count == 2,
      tensor.elementType == .int8 || tensor.elementType == .uint8,
      quantization.isUniform || quantization.axis == (layout == .inOut ? 1 : 0),
      quantization.factors == nil || inputFactors != nil
    else { return false }
    // The zero point in the middle of the range: 0 of int8, 128 of uint8.
    let middle: Int32 = tensor.elementType == .int8 ? 0 : 128
    return quantization.zeroPoints.allSatisfy { $0 == middle }
  }

  /// [inputSize] the factors of activations before they are multiplied by the stored integers; nil: 1.
  package var inputFactors: [Float]? {
    guard let quantization = tensor.quantization, quantization.factorAxis == (layout == .inOut ? 0 : 1) else {
      return nil
    }
    return quantization.factors
  }

  /// Writes the stored integers as signed bytes [outputSize, inputSize], and the scale of each row; requires
  /// `isStoredInt8`.
  ///
  /// Kernels take -127 to 127; -128, which few quantizers write, becomes -127.
  public func copyInt8(to rows: UnsafeMutablePointer<Int8>, scales: UnsafeMutablePointer<Float>) throws(ClozeError) {
    guard isStoredInt8, let quantization = tensor.quantization, let base = try tensor.bytes().baseAddress,
      tensor.count == inputSize &* outputSize
    else { throw ClozeError(.shape, "\(tensor.label) is not \(inputSize) x \(outputSize) signed bytes") }
    for output in 0..<outputSize { scales[output] = quantization.scales[quantization.isUniform ? 0 : output] }
    let source = base.assumingMemoryBound(to: UInt8.self)
    // For uint8, flipping the highest bit subtracts the zero point 128.
    let flip: UInt8 = tensor.elementType == .int8 ? 0 : 0x80
    if layout == .outIn {
      for i in 0..<tensor.count { rows[i] = Swift.max(Int8(bitPattern: source[i] ^ flip), -127) }
      return
    }
    // Transposed in squares, so that both sides stay in a few cache lines.
    for i in stride(from: 0, to: inputSize, by: 32) {
      for o in stride(from: 0, to: outputSize, by: 32) {
        for output in o..<Swift.min(o &+ 32, outputSize) {
          for input in i..<Swift.min(i &+ 32, inputSize) {
            let byte = source[input &* outputSize &+ output] ^ flip
            rows[output &* inputSize &+ input] = Swift.max(Int8(bitPattern: byte), -127)
          }
        }
      }
    }
  }
}
