// float16 as bits. `Float16` would do, but where the CPU converts, it rounds by the host's mode; these round the same
// under every mode, and loops over them become vector code on CPUs without float16.

/// The bits of the IEEE 754 binary16 value nearest to `value`, halfway cases to even.
///
/// Finite values of 65,520 and above round to infinity, as IEEE 754 has it; a NaN stays a quiet NaN.
@inlinable @inline(__always)
package func float16Bits(_ value: Float) -> UInt16 {
  let bits = value.bitPattern
  let sign = UInt16(truncatingIfNeeded: bits &>> 16) & 0x8000
  let magnitude = bits & 0x7FFF_FFFF
  // 65520 is halfway between the largest half, 65504, and the next, which would be 2^16.
  if magnitude >= 0x477F_F000 { return sign | (magnitude > 0x7F80_0000 ? 0x7E00 : 0x7C00) }
  if magnitude >= 0x3880_0000 {
    // 2^-14 and above: 13 bits of the significand go, the exponent's bias falls from 127 to 15. A carry out of the
    // significand raises the exponent, as it should.
    let rounded = (magnitude &+ 0xFFF &+ (magnitude &>> 13 & 1)) &>> 13
    return sign | UInt16(truncatingIfNeeded: rounded &- (112 &<< 10))
  }
  // A subnormal half, a multiple of 2^-24: the significand's last place is that of the shift. Below 2^-25 the shift is
  // one more than the significand has bits, which leaves 0.
  let shift = Swift.min(126 &- magnitude &>> 23, 25)
  let significand = magnitude & 0x007F_FFFF | 0x0080_0000
  let rounded = (significand &+ (1 &<< (shift &- 1)) &- 1 &+ (significand &>> shift & 1)) &>> shift
  return sign | UInt16(truncatingIfNeeded: rounded)
}

extension Float {
  /// The float32 value of a binary16 value's bits; exact for all 65,536.
  ///
  /// A normal number gets its exponent's bias raised from 15 to 127; infinity and NaN get it raised twice, to float32's
  /// all ones; a subnormal is its fraction times 2^-24. No operand is a float32 subnormal, so that a host that flushes
  /// them to zero changes nothing.
  @inlinable @inline(__always)
  package init(float16Bits bits: UInt16) {
    let wide = UInt32(truncatingIfNeeded: bits)
    let magnitude = (wide & 0x7FFF) &<< 13
    let bias: UInt32 = (127 - 15) << 23
    let normal = magnitude &+ bias &+ (magnitude >= 0x0F80_0000 ? bias : 0)
    let subnormal = Float(Int32(truncatingIfNeeded: wide & 0x3FF)) * 0x1p-24
    let unsigned = (wide & 0x7C00) == 0 ? subnormal.bitPattern : normal
    self.init(bitPattern: unsigned | ((wide & 0x8000) &<< 16))
  }
}
