/// The bits of the IEEE 754 binary16 value next to `value`, halfway cases to even.
///
/// Finite values of 65,520 and above round to infinity, as IEEE 754 has it. A NaN stays a quiet
/// NaN.
func halfBits(_ value: Float) -> UInt16 {
  let bits = value.bitPattern
  let sign = UInt16(truncatingIfNeeded: bits >> 16) & 0x8000
  let magnitude = bits & 0x7FFF_FFFF
  if magnitude >= 0x7F80_0000 {
    return sign | 0x7C00 | (magnitude > 0x7F80_0000 ? 0x0200 : 0)
  }
  let exponent = Int(magnitude >> 23) - 127
  if exponent > 15 { return sign | 0x7C00 }
  // The 24-bit significand is shifted to the 11 bits of a normal half (13 bits out), further where
  // the result is subnormal: its unit is 2^-24.
  let significand = exponent == -127 ? magnitude : magnitude & 0x007F_FFFF | 0x0080_0000
  let shift = exponent >= -14 ? 13 : 13 + (-14 - exponent)
  if shift > 25 { return sign }
  let kept = significand >> UInt32(shift)
  let lost = significand & (1 << UInt32(shift) - 1)
  let half: UInt32 = 1 << UInt32(shift - 1)
  let roundsUp = lost > half || (lost == half && kept & 1 == 1)
  // The hidden bit carries into the exponent, a rounding overflow too: 0x7BFF + 1 is infinity.
  let biased: UInt32 = exponent >= -14 ? UInt32(exponent + 14) << 10 : 0
  return sign | UInt16(truncatingIfNeeded: biased + kept + (roundsUp ? 1 : 0))
}
