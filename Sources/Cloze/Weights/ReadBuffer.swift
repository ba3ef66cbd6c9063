internal import ClozeIO
internal import ClozeONNX

/// A buffer for reading whole matrices, reused from matrix to matrix: mapping fresh pages for each would
/// take as long as reading it.
final class ReadBuffer {
  private var memory: AlignedMemory?

  /// Reads float32 tensors on all threads, over those of the last call, and returns where each begins.
  func read(_ tensors: [Tensor], team: Team) throws(ClozeError) -> [UnsafePointer<Float>] {
    let total = tensors.reduce(0) { $0 &+ $1.count }
    guard total > 0 else { return [] }
    let size = try bytes(total, MemoryLayout<Float>.size)
    if memory.map({ $0.size < size }) ?? true {
      memory = nil
      memory = try AlignedMemory(bytes: size)
    }
    guard let memory else { throw ClozeError(.internal, "the read buffer was not allocated") }
    let strip = 1 << 16
    var starts: [UnsafePointer<Float>] = []
    var strips: [(tensor: Tensor, range: Range<Int>, target: UnsafeMutablePointer<Float>)] = []
    var target = memory.floats()
    for tensor in tensors {
      starts.append(UnsafePointer(target))
      for first in stride(from: 0, to: tensor.count, by: strip) {
        strips.append((tensor, first..<min(first + strip, tensor.count), target + first))
      }
      target += tensor.count
    }
    try team.forEach(strips.count) { i, _ throws(ClozeError) in
      let (tensor, range, target) = strips[i]
      try tensor.read(range, to: target)
    }
    return starts
  }
}
