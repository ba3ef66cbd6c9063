/// Reading UTF-8 by hand: validation, decoding, encoding.
package enum UTF8Scan {
  package static func firstInvalid(_ bytes: [UInt8]) -> Int? { firstInvalid(bytes[...]) }
  package static func firstInvalid(_ bytes: ArraySlice<UInt8>) -> Int? {
    bytes.withUnsafeBufferPointer { firstInvalid($0) }
  }

  /// Position of the first byte that does not belong to a well-formed sequence, nil if all do.
  ///
  /// Source: Unicode 15, table 3-7 (well-formed UTF-8 byte sequences).
  package static func firstInvalid(_ bytes: UnsafeBufferPointer<UInt8>) -> Int? {
    guard let base = bytes.baseAddress else { return nil }
    let count = bytes.count
    let raw = UnsafeRawPointer(base)
    var p = 0
    while p < count {
      if count &- p >= 8, raw.loadUnaligned(fromByteOffset: p, as: UInt64.self) & 0x8080_8080_8080_8080 == 0 {
        p &+= 8
        continue
      }
      let lead = base[p]
      if lead < 0x80 {
        p &+= 1
        continue
      }
      let length: Int
      // The range of the second byte excludes overlong forms, surrogates and what is past U+10FFFF.
      var low: UInt8 = 0x80
      var high: UInt8 = 0xBF
      switch lead {
      case 0xC2...0xDF: length = 2
      case 0xE0...0xEF:
        length = 3
        if lead == 0xE0 { low = 0xA0 }
        if lead == 0xED { high = 0x9F }
      case 0xF0...0xF4:
        length = 4
        if lead == 0xF0 { low = 0x90 }
        if lead == 0xF4 { high = 0x8F }
      default: return p
      }
      guard count &- p >= length, base[p &+ 1] >= low, base[p &+ 1] <= high else { return p }
      if length > 2 && base[p &+ 2] & 0xC0 != 0x80 { return p }
      if length > 3 && base[p &+ 3] & 0xC0 != 0x80 { return p }
      p &+= length
    }
    return nil
  }

  /// The length of the scalar with this first byte; the text must be valid.
  @inlinable @inline(__always) package static func length(_ lead: UInt8) -> Int {
    lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
  }

  /// The scalar at `p` and its length; the text must be valid.
  @inlinable @inline(__always) package static func decode(_ base: UnsafePointer<UInt8>, _ p: Int) -> (
    scalar: UInt32, length: Int
  ) {
    let lead = UInt32(base[p])
    if lead < 0x80 { return (lead, 1) }
    let second = UInt32(base[p &+ 1]) & 0x3F
    if lead < 0xE0 { return ((lead & 0x1F) << 6 | second, 2) }
    let third = UInt32(base[p &+ 2]) & 0x3F
    if lead < 0xF0 { return ((lead & 0x0F) << 12 | second << 6 | third, 3) }
    let fourth = UInt32(base[p &+ 3]) & 0x3F
    return ((lead & 0x07) << 18 | second << 12 | third << 6 | fourth, 4)
  }

  /// Where the scalar that ends before `p` begins; `lower < p`.
  @inlinable @inline(__always) package static func start(before p: Int, _ base: UnsafePointer<UInt8>, _ lower: Int)
    -> Int
  {
    var q = p &- 1
    while q > lower && base[q] & 0xC0 == 0x80 { q &-= 1 }
    return q
  }

  /// Writes a scalar to `out`, which has room for four bytes, and returns its length.
  @inlinable @inline(__always) package static func encode(_ scalar: UInt32, _ out: UnsafeMutablePointer<UInt8>) -> Int {
    if scalar < 0x80 {
      out[0] = UInt8(truncatingIfNeeded: scalar)
      return 1
    }
    if scalar < 0x800 {
      out[0] = UInt8(truncatingIfNeeded: 0xC0 | scalar >> 6)
      out[1] = UInt8(truncatingIfNeeded: 0x80 | scalar & 0x3F)
      return 2
    }
    if scalar < 0x10000 {
      out[0] = UInt8(truncatingIfNeeded: 0xE0 | scalar >> 12)
      out[1] = UInt8(truncatingIfNeeded: 0x80 | scalar >> 6 & 0x3F)
      out[2] = UInt8(truncatingIfNeeded: 0x80 | scalar & 0x3F)
      return 3
    }
    out[0] = UInt8(truncatingIfNeeded: 0xF0 | scalar >> 18)
    out[1] = UInt8(truncatingIfNeeded: 0x80 | scalar >> 12 & 0x3F)
    out[2] = UInt8(truncatingIfNeeded: 0x80 | scalar >> 6 & 0x3F)
    out[3] = UInt8(truncatingIfNeeded: 0x80 | scalar & 0x3F)
    return 4
  }
}
