internal import ClozeIO
internal import ClozeONNX

/// Memory through which whole matrices come out of the file, one after the other: fresh pages for
/// each would take as long as reading them.
final class Staging {
  private var memory: AlignedMemory?

  /// Reads float32 tensors on all threads. What was read before is overwritten.
  func read(_ tensors: [Tensor], team: Team) throws(ClozeError) -> [UnsafePointer<Float>] {
    let total = tensors.reduce(0) { $0 &+ $1.count }
    guard total > 0 else { return [] }
    let size = try bytes(total, MemoryLayout<Float>.size)
    if memory.map({ $0.size < size }) ?? true {
      memory = nil
      memory = try AlignedMemory(bytes: size)
    }
    guard let memory else { throw ClozeError(.internal, "no memory to read through") }
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
    let results = Flags(strips.count)
    team.each(strips.count) { i in
      let (tensor, range, target) = strips[i]
      do throws(ClozeError) {
        try tensor.read(range, to: target)
        results[i] = true
      } catch {}
    }
    for i in strips.indices where !results[i] {
      // Once more, for the reason.
      try strips[i].tensor.read(strips[i].range, to: strips[i].target)
    }
    return starts
  }
}
