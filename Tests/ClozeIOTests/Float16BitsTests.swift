import Testing

@testable import ClozeIO

@Suite struct Float16BitsTests {
  /// Every half value, the floats around the boundary to the next one, and both signs.
  @Test func agreesWithSwiftOnEveryBoundary() {
    for bits in UInt16(0)...0x7C00 {
      let half = Float(Float16(bitPattern: bits))
      let next = Float(Float16(bitPattern: bits + 1))
      let middle = bits >= 0x7BFF ? 65520 : (half + next) / 2
      for value in [half, half.nextUp, half.nextDown, middle, middle.nextUp, middle.nextDown] {
        for signed in [value, -value] where !signed.isNaN {
          if float16Bits(signed) != Float16(signed).bitPattern { Issue.record("\(signed)") }
        }
      }
    }
  }

  @Test func agreesWithSwiftOnRandomFloats() {
    var random = SplitMix64(seed: 1)
    for _ in 0..<300_000 {
      let value = Float(bitPattern: UInt32.random(in: .min ... .max, using: &random))
      if value.isNaN {
        #expect(Float16(bitPattern: float16Bits(value)).isNaN)
      } else if float16Bits(value) != Float16(value).bitPattern {
        Issue.record("\(value)")
      }
    }
  }

  @Test func readsEveryPattern() {
    for bits in UInt16.min...UInt16.max {
      let (value, expected) = (Float(float16Bits: bits), Float(Float16(bitPattern: bits)))
      if expected.isNaN { #expect(value.isNaN) } else { #expect(value.bitPattern == expected.bitPattern) }
    }
  }
}
