/// SplitMix64 (Steele, Lea and Flood 2014): a fast generator of 64-bit numbers, the same for the same
/// seed on every machine. Not for cryptography.
package struct SplitMix64: RandomNumberGenerator, Sendable {
  /// What the state grows by with each number: 2^64 divided by the golden ratio, odd.
  package static let increment: UInt64 = 0x9E37_79B9_7F4A_7C15
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  package mutating func next() -> UInt64 {
    state &+= Self.increment
    return Self.mix(state)
  }

  /// The generator's output function, a bijection in which each bit of `value` changes about half of the result's.
  package static func mix(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
