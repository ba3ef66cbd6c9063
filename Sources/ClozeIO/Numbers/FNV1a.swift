/// The hash FNV-1a in 64 bits (Fowler, Noll and Vo), over 64-bit words in place of bytes. Not cryptographic.
package struct FNV1a {
  /// The hash of the words so far.
  package private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

  package init() {}

  package mutating func add(_ word: UInt64) { value = (value ^ word) &* 0x0000_0100_0000_01B3 }

  /// Adds integers, sign-extended to 64 bits.
  package mutating func add(_ values: some Sequence<some FixedWidthInteger>) {
    for value in values { add(UInt64(truncatingIfNeeded: value)) }
  }

  /// Adds the bits of numbers.
  package mutating func add(_ values: some Sequence<Float>) { for value in values { add(UInt64(value.bitPattern)) } }
}
