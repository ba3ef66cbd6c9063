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
