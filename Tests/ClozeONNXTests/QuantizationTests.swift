import ClozeIO
import ClozeTestSupport
import Testing

@testable import ClozeONNX

/// Invalid scales and zero points are errors that name the tensor.
struct QuantizationTests {
  private func tensor(_ name: String, _ type: Tensor.ElementType, _ shape: [Int], _ bytes: [UInt8]) throws -> Tensor {
    let memory = try TensorMemory(bytes.count)
    memory.bytes.copyBytes(from: bytes)
    return Tensor(name: name, type, shape, memory)
  }

  private func weight() throws -> Tensor { try tensor("w", .int8, [2, 3], [1, 2, 3, 0x80, 0xff, 127]) }

  private func failure(_ body: () throws -> Void) -> ClozeError? {
    do { try body() } catch { return error as? ClozeError }
    return nil
  }

  @Test func perTensorAndPerChannel() throws {
    let one = try weight().quantized(
      scale: .floats([0.5], shape: [], name: "s"), zeroPoint: tensor("z", .int8, [], [2]), axis: 1)
    #expect(try ReferenceEncoder.elements(one) == [-0.5, 0, 0.5, -65, -1.5, 62.5])
    let scales = try Tensor.floats([1, 2, 4], shape: [3], name: "s")
    let columns = try weight().quantized(scale: scales, zeroPoint: nil, axis: 1)
    #expect(try ReferenceEncoder.elements(columns) == [1, 4, 12, -128, -2, 508])
    // Parts and other shapes keep their scales.
    let part = try #require(try columns.columns([1..<2, 2..<3]))
    #expect(try ReferenceEncoder.elements(part) == [4, 12, -2, 508])
    #expect(columns.reshaped([1, 2, 3]) != nil)
    #expect(columns.reshaped([3, 2]) == nil)
    let row = try #require(columns.rows(1..<2))
    #expect(try ReferenceEncoder.elements(row) == [-128, -2, 508])
  }

  @Test(arguments: [Float.nan, .infinity, 0, -1]) func scalesThatCanNotBe(_ scale: Float) throws {
    let error = failure {
      _ = try weight().quantized(scale: .floats([1, scale, 1], shape: [3], name: "s"), zeroPoint: nil, axis: 1)
    }
    #expect(error?.cause == .damaged)
    #expect(error?.message.contains("\"w\"") == true)
    #expect(error?.message.contains("element 1 of its scale \"s\"") == true)
  }

  @Test func partsThatDoNotFit() throws {
    let two = try Tensor.floats([1, 1], shape: [2], name: "s")
    #expect(failure { _ = try weight().quantized(scale: two, zeroPoint: nil, axis: 1) } != nil)
    #expect(failure { _ = try weight().quantized(scale: two, zeroPoint: nil, axis: 7) } != nil)
    let one = try Tensor.floats([1], shape: [], name: "s")
    // A zero point of another type could be out of the weight's range.
    let wide = try tensor("z", .int32, [], [0x2c, 1, 0, 0])
    let error = failure { _ = try weight().quantized(scale: one, zeroPoint: wide, axis: 1) }
    #expect(error?.message.contains("zero point \"z\"") == true)
    let none = try Tensor.floats([], shape: [0], name: "s")
    #expect(failure { _ = try weight().quantized(scale: none, zeroPoint: nil, axis: 1) } != nil)
  }

  /// A graph that splits one weight many times must not take gigabytes.
  @Test func budgetOfNewTensors() throws {
    var lowering = Graph()
    lowering.tensorBytes = 1000
    #expect(throws: ClozeError.self) {
      var tiny = Lowering(lowering)
      for _ in 0..<2000 { try tiny.charge(1000) }
    }
  }
}
