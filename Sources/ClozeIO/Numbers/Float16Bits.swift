// Conversions of IEEE 754 binary16 in integers. `Float16` rounds in the host's rounding mode where the CPU has the
// instruction, and calls a function for each value elsewhere; these always round to nearest, and are vectorized.

/// The bits of the IEEE 754 binary16 value nearest to `value`, halfway cases to even.
///
/// Finite values of 65,520 and above round to infinity, as IEEE 754 has it; a NaN stays a quiet NaN.
@inlinable @inline(__always) package func float16Bits(_ value: Float) -> UInt16 {
  let bits = value.bitPattern
  let sign = UInt16(truncatingIfNeeded: bits &>> 16) & 0x8000
  let magnitude = bits & 0x7FFF_FFFF
  // 65520 is halfway between the largest half, 65504, and the next, which would be 2^16.
  if magnitude >= 0x477F_F000 { return sign | (magnitude > 0x7F80_0000 ? 0x7E00 : 0x7C00) }
  if magnitude >= 0x3880_0000 {
    // 2^-14 and above: the significand loses 13 bits, the exponent's bias changes from 127 to 15. A carry out of the
    // significand correctly increments the exponent.
    let rounded = (magnitude &+ 0xFFF &+ (magnitude &>> 13 & 1)) &>> 13
    return sign | UInt16(truncatingIfNeeded: rounded &- (112 &<< 10))
  }
  // A subnormal half, a multiple of 2^-24. Values below 2^-25 are shifted by 25, one more than the significand has
  // bits, which gives 0.
  let shift = Swift.min(126 &- magnitude &>> 23, 25)
  let significand = magnitude & 0x007F_FFFF | 0x0080_0000
  let rounded = (significand &+ (1 &<< (shift &- 1)) &- 1 &+ (significand &>> shift & 1)) &>> shift
  return sign | UInt16(truncatingIfNeeded: rounded)
}

extension Float {
  /// The value of binary16 bits; exact for all 65,536 patterns.
  ///
  /// A normal number gets its exponent's bias raised from 15 to 127; infinity and NaN get it raised twice, to float32's
  /// all ones; a subnormal is its fraction times 2^-24. No operand is a float32 subnormal, so that a host that flushes
  /// them to zero changes nothing.
  @inlinable @inline(__always) package init(float16Bits bits: UInt16) {
    let wide = UInt32(truncatingIfNeeded: bits)
    let magnitude = (wide & 0x7FFF) &<< 13
    let bias: UInt32 = (127 - 15) << 23
    let normal = magnitude &+ bias &+ (magnitude >= 0x0F80_0000 ? bias : 0)
    let subnormal = Float(Int32(truncatingIfNeeded: wide & 0x3FF)) * 0x1p-24
    let unsigned = (wide & 0x7C00) == 0 ? subnormal.bitPattern : normal
    self.init(bitPattern: unsigned | ((wide & 0x8000) &<< 16))
  }
}
