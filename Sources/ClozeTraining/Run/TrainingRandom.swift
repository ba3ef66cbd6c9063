internal import Glibc

/// Random numbers that are a function of a seed and a few names (an epoch, a step, a layer), so
/// that training goes on after a checkpoint as if it had never stopped.
///
/// SplitMix64 (Steele, Lea, Flood 2014).
struct TrainingRandom: RandomNumberGenerator {
  private var state: UInt64

  init(_ seed: UInt64, _ names: UInt64...) {
    var state = Self.mixed(seed &+ 0x9E37_79B9_7F4A_7C15)
    for name in names { state = Self.mixed(state ^ Self.mixed(name &+ 0xD1B5_4A32_D192_ED03)) }
    self.state = state
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    return Self.mixed(state)
  }

  private static func mixed(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// Uniform from 0 to 1, 1 not included.
  mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// Uniform below `count`, which is positive.
  mutating func below(_ count: Int) -> Int {
    Int(truncatingIfNeeded: next().multipliedFullWidth(by: UInt64(max(count, 1))).high)
  }

  /// Of the normal distribution (Box and Muller 1958).
  mutating func normal() -> Double {
    let radius = (-2 * Double.log(max(unit(), 0x1p-60))).squareRoot()
    return radius * cosine(2 * Double.pi * unit())
  }

  /// The numbers below `count` in random order (Fisher and Yates).
  mutating func order(_ count: Int) -> [Int] {
    var order = Array(0..<count)
    for i in stride(from: count - 1, to: 0, by: -1) { order.swapAt(i, below(i + 1)) }
    return order
  }
}

private func cosine(_ x: Double) -> Double { cos(x) }
