internal import CClozeSupport
internal import Cloze
internal import ClozeIO

/// A block of numbers, aligned to 64 bytes and zero at first, that lives as long as this object.
final class Block<Element: BitwiseCopyable>: @unchecked Sendable {
  let base: UnsafeMutablePointer<Element>
  let count: Int

  init(_ count: Int) throws(ClozeError) {
    let (size, overflow) = max(count, 1).multipliedReportingOverflow(
      by: MemoryLayout<Element>.stride)
    guard count >= 0, !overflow, let raw = cloze_memory_allocate(size) else {
      throw ClozeError(.outOfMemory, "no memory for \(count) numbers")
    }
    raw.initializeMemory(as: UInt8.self, repeating: 0, count: size)
    base = raw.bindMemory(to: Element.self, capacity: max(count, 1))
    self.count = count
  }

  deinit { cloze_memory_free(base, max(count, 1) * MemoryLayout<Element>.stride) }

  /// The elements as an array of their own.
  var array: [Element] { Array(UnsafeBufferPointer(start: base, count: count)) }

  /// Copies as many elements as both have.
  func fill(from values: [Element]) {
    for (i, value) in values.prefix(count).enumerated() { base[i] = value }
  }
}

/// A block that is made anew, larger, where more is asked for than ever before.
struct Room<Element: BitwiseCopyable> {
  private var block: Block<Element>?

  mutating func reserve(_ count: Int) throws(ClozeError) -> UnsafeMutablePointer<Element> {
    if let block, block.count >= count { return block.base }
    block = nil
    let made = try Block<Element>(count)
    block = made
    return made.base
  }
}
