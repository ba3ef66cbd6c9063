public import ClozeIO

/// Conversion to float32.
extension Tensor {
  /// Writes all elements as float32, in order; quantized elements are dequantized.
  ///
  /// float16, bfloat16, float32 and integers up to 2^24 are exact; float64 is rounded to nearest.
  ///
  /// - Parameter destination: at least `count` elements.
  /// - Throws: `.shape` where `destination` is too small; `.io`.
  public func copyFloat32(to destination: UnsafeMutableBufferPointer<Float>) throws(ClozeError) {
    try copyFloat32(0..<count, to: destination)
  }

  /// Writes elements `range` as float32, so that a large tensor can be converted in pieces.
  public func copyFloat32(_ range: Range<Int>, to destination: UnsafeMutableBufferPointer<Float>) throws(ClozeError) {
    guard range.lowerBound >= 0, range.upperBound <= count, destination.count >= range.count else {
      throw ClozeError(
        .shape, "elements \(range) of \(label) do not fit into a buffer of \(destination.count) elements")
    }
    guard let target = destination.baseAddress, !range.isEmpty else { return }
    if elementType == .float32 {
      try read(range, to: target)
    } else {
      // In pieces, so that the tensor is not in memory twice.
      let step = Swift.min(range.count, 1 << 14)
      let room = try TensorMemory(step * elementType.size)
      guard let source = room.bytes.baseAddress else { return }
      for first in stride(from: range.lowerBound, to: range.upperBound, by: step) {
        let n = Swift.min(step, range.upperBound - first)
        try read(first..<(first + n), to: source)
        convert(source, n, target + (first - range.lowerBound))
      }
    }
    quantization?.apply(to: target, range, shape)
  }

  private func convert(_ source: UnsafeRawPointer, _ n: Int, _ target: UnsafeMutablePointer<Float>) {
    switch elementType {
    case .float32: UnsafeMutableRawPointer(target).copyMemory(from: source, byteCount: n * 4)
    case .float16:
      // By integer operations, without Float16 arithmetic, which every CPU vectorizes.
      for i in 0..<n { target[i] = Float(float16Bits: source.loadUnaligned(fromByteOffset: i * 2, as: UInt16.self)) }
    case .bfloat16:
      for i in 0..<n {
        let bits = source.loadUnaligned(fromByteOffset: i * 2, as: UInt16.self)
        target[i] = Float(bitPattern: UInt32(truncatingIfNeeded: bits) &<< 16)
      }
    case .float64: Tensor.widen(source, n, target, as: Double.self) { Float($0) }
    case .uint8, .bool: Tensor.widen(source, n, target, as: UInt8.self) { Float($0) }
    case .int8: Tensor.widen(source, n, target, as: Int8.self) { Float($0) }
    case .uint16: Tensor.widen(source, n, target, as: UInt16.self) { Float($0) }
    case .int16: Tensor.widen(source, n, target, as: Int16.self) { Float($0) }
    case .int32: Tensor.widen(source, n, target, as: Int32.self) { Float($0) }
    case .uint32: Tensor.widen(source, n, target, as: UInt32.self) { Float($0) }
    case .int64: Tensor.widen(source, n, target, as: Int64.self) { Float($0) }
    case .uint64: Tensor.widen(source, n, target, as: UInt64.self) { Float($0) }
    }
  }

  /// The index of the first NaN or infinite element; nil where all are finite, as integers are.
  public func firstNotFinite() throws(ClozeError) -> Int? {
    switch elementType {
    case .float32: return try firstWithExponent(0x7f80_0000, as: UInt32.self)
    case .float16: return try firstWithExponent(0x7c00, as: UInt16.self)
    case .bfloat16: return try firstWithExponent(0x7f80, as: UInt16.self)
    case .float64: return try firstWithExponent(0x7ff0_0000_0000_0000, as: UInt64.self)
    default: return nil
    }
  }

  /// - Throws: `.notFinite`, naming tensor and element, where an element is NaN or infinite.
  public func checkFinite() throws(ClozeError) {
    guard let index = try firstNotFinite() else { return }
    throw ClozeError(.notFinite, "element \(index) of \(label) is NaN or infinite")
  }

  /// The index of the first element with all exponent bits set: infinity or NaN. Blocks are reduced without
  /// branches, which vectorizes; only a block with such an element is searched.
  private func firstWithExponent<Bits: FixedWidthInteger & UnsignedInteger>(_ mask: Bits, as type: Bits.Type)
    throws(ClozeError) -> Int?
  {
    guard let base = try bytes().baseAddress else { return nil }
    let size = MemoryLayout<Bits>.size
    var start = 0
    while start < count {
      let end = Swift.min(start &+ 4096, count)
      var found: Bits = 0
      for i in start..<end {
        let bits = base.loadUnaligned(fromByteOffset: i &* size, as: Bits.self)
        found |= (bits & mask) == mask ? 1 : 0
      }
      if found != 0 {
        for i in start..<end where (base.loadUnaligned(fromByteOffset: i &* size, as: Bits.self) & mask) == mask {
          return i
        }
      }
      start = end
    }
    return nil
  }

  @inline(__always) private static func widen<T: BitwiseCopyable>(
    _ source: UnsafeRawPointer, _ n: Int, _ target: UnsafeMutablePointer<Float>, as type: T.Type,
    _ convert: (T) -> Float
  ) {
    let size = MemoryLayout<T>.size
    for i in 0..<n { target[i] = convert(source.loadUnaligned(fromByteOffset: i &* size, as: T.self)) }
  }
}
