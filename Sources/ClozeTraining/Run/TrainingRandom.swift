internal import ClozeIO
internal import Glibc

/// What random numbers are drawn for. Streams of one seed are independent of each other.
enum RandomStream {
  case weights(layer: Int)
  case holdout(stratum: Int)
  case order(epoch: Int)
  case dropout(epoch: Int, batch: Int)
  case sentencePairs
  case masking(epoch: Int)
  case pairWindow
  case segmentPairs(epoch: Int, document: Int)
  case batchMasking(step: Int)

  /// The stream's own number, then its indices.
  var path: [UInt64] {
    switch self {
    case .weights(let layer): [1, UInt64(layer)]
    case .holdout(let stratum): [2, UInt64(stratum)]
    case .order(let epoch): [3, UInt64(epoch)]
    case .dropout(let epoch, let batch): [4, UInt64(epoch), UInt64(batch)]
    case .sentencePairs: [5]
    case .masking(let epoch): [6, UInt64(epoch)]
    case .pairWindow: [7]
    case .segmentPairs(let epoch, let document): [8, UInt64(epoch), UInt64(document)]
    case .batchMasking(let step): [9, UInt64(step)]
    }
  }
}

/// Random numbers that are a function of a seed and a stream, so that training resumes from a checkpoint without any
/// generator's state in it.
struct TrainingRandom: RandomNumberGenerator {
  private var generator: SplitMix64

  init(_ seed: UInt64, _ stream: RandomStream) { self.init(seed, path: stream.path) }

  init(_ seed: UInt64, path: [UInt64] = []) { generator = SplitMix64(seed: Self.key(seed, path: path)) }

  /// A number that stands for a stream.
  static func key(_ seed: UInt64, path: [UInt64]) -> UInt64 {
    path.reduce(SplitMix64.mix(seed &+ SplitMix64.increment)) { state, step in
      SplitMix64.mix(state ^ SplitMix64.mix(step &+ 0xD1B5_4A32_D192_ED03))
    }
  }

  static func key(_ seed: UInt64, _ stream: RandomStream) -> UInt64 { key(seed, path: stream.path) }

  mutating func next() -> UInt64 { generator.next() }

  /// Uniform in [0, 1).
  mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// Uniform in 0..<count.
  mutating func below(_ count: Int) -> Int {
    Int(truncatingIfNeeded: next().multipliedFullWidth(by: UInt64(max(count, 1))).high)
  }

  /// Of the standard normal distribution (Box and Muller 1958).
  mutating func normal() -> Double {
    let radius = (-2 * Glibc.log(max(unit(), 0x1p-60))).squareRoot()
    return radius * cosine(2 * Double.pi * unit())
  }

  /// A random permutation of 0..<count (Fisher and Yates).
  mutating func permutation(_ count: Int) -> [Int] {
    var order = Array(0..<count)
    for i in stride(from: count - 1, to: 0, by: -1) { order.swapAt(i, below(i + 1)) }
    return order
  }
}

private func cosine(_ x: Double) -> Double { cos(x) }
