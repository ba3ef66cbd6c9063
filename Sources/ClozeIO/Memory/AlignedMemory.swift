internal import CClozeSupport

/// A block of memory, aligned to 64 bytes, that lives as long as this object. Not initialized.
package final class AlignedMemory: @unchecked Sendable {
  package let base: UnsafeMutableRawPointer
  /// In bytes.
  package let size: Int

  package init(bytes: Int) throws(ClozeError) {
    guard bytes >= 0, let base = cloze_memory_allocate(bytes) else {
      throw ClozeError(.outOfMemory, "no memory for \(bytes) bytes")
    }
    self.base = base
    size = bytes
  }

  deinit { cloze_memory_free(base, size) }

  package func floats(at offset: Int = 0) -> UnsafeMutablePointer<Float> {
    (base + offset).assumingMemoryBound(to: Float.self)
  }
}

/// The product of sizes that come from outside; an error where it does not fit an `Int`. Not of a
/// list of sizes, which would be an array in memory of its own.
package func bytes(_ first: Int, _ second: Int, _ third: Int = 1) throws(ClozeError) -> Int {
  let (two, overflow) = first.multipliedReportingOverflow(by: second)
  let (three, again) = two.multipliedReportingOverflow(by: third)
  guard first >= 0, second >= 0, third >= 0, !overflow, !again else {
    throw ClozeError(.outOfMemory, "a size beyond the address space was asked for")
  }
  return three
}

extension Int {
  /// The next multiple of `step`, which is positive.
  package func roundedUp(to step: Int) -> Int { (self &+ step &- 1) / step &* step }
}
