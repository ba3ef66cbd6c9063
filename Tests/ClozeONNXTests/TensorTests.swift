import ClozeIO
import Testing

@testable import ClozeONNX

/// Conversion of tensors to float32.
struct TensorTests {
  func withTensor<Element: BitwiseCopyable, Result>(
    _ elements: [Element], _ type: Tensor.ElementType, _ body: (Tensor) throws -> Result
  ) rethrows -> Result {
    // At an odd address, as tensors in a file are not aligned.
    var bytes: [UInt8] = [0]
    elements.withUnsafeBytes { bytes += Array($0) }
    return try bytes.withUnsafeBytes { raw in
      let part = UnsafeRawBufferPointer(rebasing: raw[1...])
      return try body(Tensor(name: "t", elementType: type, shape: [elements.count], place: part, owner: nil))
    }
  }

  func floats(_ tensor: Tensor) throws -> [Float] {
    var result = [Float](repeating: 99, count: tensor.count)
    try result.withUnsafeMutableBufferPointer { try tensor.copyFloat32(to: $0) }
    return result
  }

  /// All 65,536 patterns against the value that IEEE 754 gives them.
  @Test func everyFloat16() throws {
    let all = (0...UInt16.max).map { $0 }
    let result = try withTensor(all, .float16) { try floats($0) }
    for (bits, value) in zip(all, result) {
      let sign: Double = bits & 0x8000 == 0 ? 1 : -1
      let exponent = Int(bits >> 10 & 31)
      let fraction = Double(bits & 1023)
      if exponent == 31 {
        #expect(fraction == 0 ? Double(value) == sign * .infinity : value.isNaN)
        continue
      }
      var wanted = exponent == 0 ? fraction / 1024 : 1 + fraction / 1024
      for _ in 0..<abs(max(exponent, 1) - 15) { wanted *= exponent < 15 ? 0.5 : 2 }
      #expect(Double(value) == sign * wanted)
      #expect(value.sign == (sign < 0 ? .minus : .plus))
    }
  }

  @Test func bfloat16AndOthers() throws {
    #expect(try withTensor([0x3f80, 0xc000, 0x7f80] as [UInt16], .bfloat16) { try floats($0) } == [1, -2, .infinity])
    #expect(try withTensor([1.5, -2] as [Float], .float32) { try floats($0) } == [1.5, -2])
    #expect(try withTensor([1.5, -2] as [Double], .float64) { try floats($0) } == [1.5, -2])
    #expect(try withTensor([-1, 127] as [Int8], .int8) { try floats($0) } == [-1, 127])
    #expect(try withTensor([-3, 1 << 20] as [Int64], .int64) { try floats($0) } == [-3, 1_048_576])
  }

  @Test func parts() throws {
    try withTensor((0..<10).map { Float($0) }, .float32) { tensor in
      var part = [Float](repeating: 0, count: 3)
      try part.withUnsafeMutableBufferPointer { try tensor.copyFloat32(4..<7, to: $0) }
      #expect(part == [4, 5, 6])
      part.withUnsafeMutableBufferPointer { buffer in
        #expect(throws: ClozeError.self) { try tensor.copyFloat32(to: buffer) }
        #expect(throws: ClozeError.self) { try tensor.copyFloat32(8..<11, to: buffer) }
      }
    }
  }

  @Test func findsWhatIsNotFinite() throws {
    for position in [0, 1, 4095, 4096, 9999] {
      for bad in [Float.nan, .infinity, -.infinity] {
        var elements = [Float](repeating: 1, count: 10_000)
        elements[position] = bad
        try withTensor(elements, .float32) { tensor throws in
          #expect(try tensor.firstNotFinite() == position)
          #expect(throws: ClozeError.self) { try tensor.checkFinite() }
        }
      }
    }
    var half = [UInt16](repeating: 0x7bff, count: 5000)
    #expect(try withTensor(half, .float16) { try $0.firstNotFinite() } == nil)
    half[4999] = 0xfc00
    #expect(try withTensor(half, .float16) { try $0.firstNotFinite() } == 4999)
    #expect(try withTensor([0x7f7f, 0x7fc0] as [UInt16], .bfloat16) { try $0.firstNotFinite() } == 1)
    #expect(try withTensor([1, .nan] as [Double], .float64) { try $0.firstNotFinite() } == 1)
    #expect(try withTensor([-1, -1] as [Int64], .int64) { try $0.firstNotFinite() } == nil)
  }
}
