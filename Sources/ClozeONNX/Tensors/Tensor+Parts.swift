package import ClozeIO
internal import Glibc

/// The memory of a tensor that does not come from a file.
final class TensorMemory: @unchecked Sendable {
  let bytes: UnsafeMutableRawBufferPointer

  init(_ count: Int) throws(ClozeError) {
    // malloc, because Swift's allocator ends the process where memory is short.
    guard count >= 0, let base = malloc(Swift.max(count, 1)) else {
      throw ClozeError(.outOfMemory, "no memory for \(count) bytes of a model")
    }
    bytes = UnsafeMutableRawBufferPointer(start: base, count: count)
  }

  deinit { free(bytes.baseAddress) }
}

/// Tensors made in memory, and parts of tensors.
extension Tensor {
  init(
    name: String, _ elementType: ElementType, _ shape: [Int], _ memory: TensorMemory, quantization: Quantization? = nil
  ) {
    self.init(
      name: name, elementType: elementType, shape: shape, place: UnsafeRawBufferPointer(memory.bytes),
      quantization: quantization, owner: memory)
  }

  static func integers(_ numbers: [Int]) throws(ClozeError) -> Tensor {
    let memory = try TensorMemory(8 * numbers.count)
    for (i, number) in numbers.enumerated() {
      memory.bytes.storeBytes(of: Int64(number), toByteOffset: 8 * i, as: Int64.self)
    }
    return Tensor(name: "", .int64, [numbers.count], memory)
  }

  package static func floats(_ numbers: [Float], shape: [Int], name: String) throws(ClozeError) -> Tensor {
    let memory = try TensorMemory(4 * numbers.count)
    for (i, number) in numbers.enumerated() { memory.bytes.storeBytes(of: number, toByteOffset: 4 * i, as: Float.self) }
    return Tensor(name: name, .float32, shape, memory)
  }

  /// A copy of ranges of columns of a matrix, side by side; nil where a range is out of bounds.
  func columns(_ ranges: [Range<Int>]) throws(ClozeError) -> Tensor? {
    guard shape.count == 2, let base = try bytes().baseAddress,
      ranges.allSatisfy({ $0.lowerBound >= 0 && $0.upperBound <= shape[1] })
    else { return nil }
    let width = ranges.reduce(0) { $0 + $1.count }
    let size = elementType.size
    let memory = try TensorMemory(shape[0] * width * size)
    guard var target = memory.bytes.baseAddress else { return nil }
    for row in 0..<shape[0] {
      for range in ranges {
        target.copyMemory(from: base + (row * shape[1] + range.lowerBound) * size, byteCount: range.count * size)
        target += range.count * size
      }
    }
    return Tensor(
      name: name, elementType, [shape[0], width], memory, quantization: quantization?.joined(ranges, axis: 1))
  }

  /// A copy of ranges of elements of a vector, concatenated; nil where a range is out of bounds.
  func elements(_ ranges: [Range<Int>]) throws(ClozeError) -> Tensor? {
    guard let row = reshaped([1, count]) else { return nil }
    return try row.columns(ranges)?.reshaped([ranges.reduce(0) { $0 + $1.count }])
  }
}

/// Parts of a quantization.
extension Quantization {
  /// The quantization of concatenated ranges of indices of an axis.
  func joined(_ ranges: [Range<Int>], axis: Int) -> Quantization {
    let factors =
      factorAxis == axis
      ? self.factors.map { factors in ranges.flatMap { factors[$0.clamped(to: factors.indices)] } } : self.factors
    let isAlong = self.axis == axis && ranges.allSatisfy { $0.upperBound <= scales.count }
    return Quantization(
      scales: isAlong ? ranges.flatMap { scales[$0] } : scales,
      zeroPoints: isAlong ? ranges.flatMap { zeroPoints[$0] } : zeroPoints, axis: self.axis, factors: factors,
      factorAxis: factorAxis)
  }
}
