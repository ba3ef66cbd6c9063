internal import ClozeIO

/// Arrays that a call writes in place.
extension [Float] {
  /// An array of `count` elements, all of which `body` writes.
  init(count: Int, filling body: (UnsafeMutablePointer<Float>) throws(ClozeError) -> Void) throws(ClozeError) {
    try self.init(unsafeUninitializedCapacity: count) { buffer, initialized throws(ClozeError) in
      initialized = 0
      guard let base = buffer.baseAddress else { return }
      try body(base)
      initialized = count
    }
  }
}
