internal import CClozeSupport
internal import Cloze
internal import ClozeIO

/// An array of fixed size, aligned to 64 bytes and zeroed, that lives as long as this object. 64 bytes after its end may
/// be read, as kernels do with the last part of a vector.
final class Block<Element: BitwiseCopyable>: @unchecked Sendable {
  let base: UnsafeMutablePointer<Element>
  let count: Int

  init(_ count: Int) throws(ClozeError) {
    guard count >= 0, let size = Self.size(count), let raw = cloze_memory_allocate(size) else {
      throw ClozeError(.outOfMemory, "no memory for \(count) numbers")
    }
    raw.initializeMemory(as: UInt8.self, repeating: 0, count: size)
    base = raw.bindMemory(to: Element.self, capacity: max(count, 1))
    self.count = count
  }

  deinit { if let size = Self.size(count) { cloze_memory_free(base, size) } }

  /// In bytes; nil: more than there can be.
  private static func size(_ count: Int) -> Int? {
    let (size, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
    return overflow || size > 1 << 60 ? nil : size + 64
  }

  /// The elements as an array of their own.
  var array: [Element] { Array(UnsafeBufferPointer(start: base, count: count)) }

  /// Copies as many elements as both have.
  func fill(from values: [Element]) { for (i, value) in values.prefix(count).enumerated() { base[i] = value } }
}

/// Scratch memory that is allocated anew, larger, when more is asked for than ever before.
struct GrowingBuffer<Element: BitwiseCopyable> {
  private var block: Block<Element>?

  /// At least `count` elements; those written before are there if no more are asked for than then.
  mutating func reserve(_ count: Int) throws(ClozeError) -> UnsafeMutablePointer<Element> {
    if let block, block.count >= count { return block.base }
    block = nil
    let larger = try Block<Element>(count)
    block = larger
    return larger.base
  }
}
