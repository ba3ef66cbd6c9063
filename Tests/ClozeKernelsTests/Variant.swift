import CClozeKernels
import ClozeKernelsTestSupport
import Testing

/// One line of variants.inc that this CPU runs, or one that is emulated.
struct Variant: @unchecked Sendable, CustomTestStringConvertible {
  let kernels: cloze_kernels

  var name: String { String(cString: kernels.isa) }
  var rows: cloze_row_kernels { kernels.rows.pointee }
  var testDescription: String { name }

  subscript(precision: Precision) -> cloze_matrix_kernels {
    switch precision {
    case .int8: kernels.int8.pointee
    case .float32: kernels.float32.pointee
    }
  }

  /// Every line of variants.inc, supported or not; best first.
  static let compiled: [Variant] = {
    var count = 0
    let all = cloze_kernels_all(&count)
    return (0..<count).map { Variant(kernels: all[$0].pointee) }
  }()

  /// AVX-512 VNNI and AMX in portable C, unless SIMDe was missing when the tests were built, and AVX-VNNI in AVX2.
  static let emulated = [emulated_avx512amx(), emulated_avx512vnni(), emulated_avxvnni()].compactMap {
    $0.map { Variant(kernels: $0.pointee) }
  }

  static let supported = compiled.filter { $0.kernels.supported() != 0 }
  static let all = supported + emulated
  static let scalar = compiled[compiled.count - 1]
}

enum Precision: CaseIterable, Sendable { case int8, float32 }

/// The distance from 1 to the next float, and half of it: the largest relative error of a rounding.
let epsilon = Double(Float.ulpOfOne)
let unit = epsilon / 2

func roundedUp(_ x: Int, to multiple: Int) -> Int { (x + multiple - 1) / multiple * multiple }

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers in every run.
struct Random: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: Int) { state = UInt64(bitPattern: Int64(seed)) &* 0x9e37_79b9_7f4a_7c15 }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  mutating func float(_ range: ClosedRange<Float> = -1...1) -> Float {
    range.lowerBound + Float(next() >> 40) * 0x1p-24 * (range.upperBound - range.lowerBound)
  }

  /// Mostly of magnitude 1, with zeros, outliers, tiny and denormal values among them.
  mutating func floats(_ count: Int) -> [Float] {
    (0..<count).map { _ in
      let value = float()
      switch next() % 40 {
      case 0: return 0
      case 1: return value * 50
      case 2: return value * 0x1p-24
      case 3: return value * 0x1p-130
      case 4: return -0.0
      default: return value
      }
    }
  }

  mutating func int(_ range: ClosedRange<Int>) -> Int { range.lowerBound + Int(next() % UInt64(range.count)) }
}

enum Sizes {
  /// 2^i {1, 2, 3} - 1 ... + 1 up to `limit`, and primes.
  static func spread(upTo limit: Int) -> [Int] {
    var sizes = Set([5, 7, 11, 13, 19, 23, 29, 37, 43, 53, 61, 71, 89, 101, 131, 197, 251, 401, 509])
    var power = 1
    while power <= limit {
      for factor in [1, 2, 3] { sizes.formUnion([power * factor - 1, power * factor, power * factor + 1]) }
      power *= 2
    }
    return sizes.filter { $0 >= 1 && $0 <= limit }.sorted()
  }
}

func sameBits(_ a: [Float], _ b: [Float]) -> Bool {
  a.count == b.count && zip(a, b).allSatisfy { $0.bitPattern == $1.bitPattern }
}
