public import ClozeIO

extension Matrix {
  /// Whether the weights are stored as 8-bit integers that serve as they are: one scale for each
  /// output, or one for all, and zero points after which signed bytes are left.
  public var isStoredInt8: Bool {
    guard let quantization = tensor.quantization, tensor.shape.count == 2,
      tensor.elementType == .int8 || tensor.elementType == .uint8,
      quantization.isUniform || quantization.axis == (layout == .inOut ? 1 : 0),
      quantization.factors == nil || inputFactors != nil
    else { return false }
    // A zero point in the middle: of int8 0, of uint8 128.
    let middle: Int32 = tensor.elementType == .int8 ? 0 : 128
    return quantization.zeroPoints.allSatisfy { $0 == middle }
  }

  /// What activations are multiplied by before they meet the stored integers [inputSize]; nil: 1.
  package var inputFactors: [Float]? {
    guard let quantization = tensor.quantization, quantization.factorAxis == (layout == .inOut ? 0 : 1)
    else { return nil }
    return quantization.factors
  }

  /// Writes the stored integers as rows of [outputSize, inputSize] signed bytes, and the scale of
  /// each row; only where `isStoredInt8`.
  ///
  /// Kernels take -127 to 127; a -128, which only a few quantizers write, becomes -127.
  public func copyInt8(
    to rows: UnsafeMutablePointer<Int8>, scales: UnsafeMutablePointer<Float>
  ) throws(ClozeError) {
    guard isStoredInt8, let quantization = tensor.quantization, let base = try tensor.bytes().baseAddress,
      tensor.count == inputSize &* outputSize
    else {
      throw ClozeError(.shape, "\(tensor.label) holds no \(inputSize) x \(outputSize) signed bytes")
    }
    for output in 0..<outputSize {
      scales[output] = quantization.scales[quantization.isUniform ? 0 : output]
    }
    let source = base.assumingMemoryBound(to: UInt8.self)
    // Of uint8, 128 is 0 and flipping the highest bit subtracts it.
    let flip: UInt8 = tensor.elementType == .int8 ? 0 : 0x80
    if layout == .outIn {
      for i in 0..<tensor.count {
        rows[i] = Swift.max(Int8(bitPattern: source[i] ^ flip), -127)
      }
      return
    }
    // In squares, so that both sides stay within a few cache lines.
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
