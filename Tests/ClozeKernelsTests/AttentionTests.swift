import CClozeKernels
import ClozeKernelsTestSupport
import Testing

/// Queries, keys and values of one head over one sequence.
private struct Attention {
  var s: Int, d: Int
  var q: [Float], k: [Float], v: [Float]
  var scale: Float
  /// Of the scores, from relative position 1 - s on; nil: none.
  var bias: [Float]?
  var gap = 0

  init(s: Int, d: Int, isBiased: Bool = false, random: inout Random) {
    (self.s, self.d) = (s, d)
    q = random.floats(s * d)
    k = random.floats(s * d)
    v = random.floats(s * d)
    scale = 1 / Float(d).squareRoot()
    if isBiased { bias = random.floats(s - 1 + roundedUp(s, to: 16)) }
  }

  /// out [rows, d], with rows computed by one call for each range of `pieces`.
  func run(_ variant: Variant, _ precision: Precision, pieces: [Range<Int>]? = nil) -> [Float] {
    let kernels = variant[precision]
    let stride = d + gap
    let inputs = [q, k, v].map { GuardedBuffer($0, width: d, stride: stride) }
    let out = GuardedBuffer<Float>(count: (s - 1) * stride + d)
    let biases = bias.map { GuardedBuffer($0) }
    let pieces = pieces ?? [0..<s]
    for rows in pieces {
      let scratch = GuardedBuffer<UInt8>(count: kernels.attention_scratch(s, d), alignment: 64)
      kernels.attention(
        inputs[0].pointer, inputs[1].pointer, inputs[2].pointer, stride, s, d, scale,
        biases.map { $0.pointer + (s - 1) }, rows.lowerBound, rows.upperBound, out.pointer, stride, scratch.pointer)
    }
    for row in 0..<s where !pieces.contains(where: { $0.contains(row) }) {
      #expect(out.isPoison(row * stride..<row * stride + d), "row \(row) was written")
    }
    let (result, untouched) = out.rows(s, width: d, stride: stride)
    #expect(untouched, "\(variant.name) wrote between rows")
    return result
  }

  /// The exact result, and the sums of exponentials relative to a row's largest.
  var reference: (out: [Double], denominators: [Double]) {
    var out = [Double](repeating: 0, count: s * d)
    var denominators = [Double](repeating: 0, count: s)
    (bias ?? []).withUnsafeBufferPointer {
      let zero = bias == nil ? nil : $0.baseAddress.map { $0 + (s - 1) }
      reference_attention(q, k, v, d, s, d, Double(scale), zero, &out, &denominators)
    }
    return (out, denominators)
  }

  /// Of each row of x: the largest magnitude, the sum of magnitudes, the Euclidean norm.
  func norms(_ x: [Float]) -> [(largest: Double, sum: Double, euclidean: Double)] {
    (0..<s).map { row in
      var (largest, sum, square) = (0.0, 0.0, 0.0)
      for value in x[row * d..<(row + 1) * d] {
        let magnitude = abs(Double(value))
        largest = max(largest, magnitude)
        sum += magnitude
        square += magnitude * magnitude
      }
      return (largest, sum, square.squareRoot())
    }
  }

  /// How far scores may be off, per row.
  ///
  /// float32: (d + 4) roundings of a sum bounded by |q| |k|, among them the difference to the
  /// row's largest. int8: half a step in each factor of each product, sum_p (|k_p| s_q + |q_p| s_k)
  /// / 2 + s_q s_k / 4, and less rounding than that of float32. A bias adds the roundings of its
  /// factor, of log2(e) and of the sum.
  func scoreErrors(_ precision: Precision) -> [Double] {
    let (queries, keys) = (norms(q), norms(k))
    let largestBias = Double((bias ?? []).map(abs).max() ?? 0)
    return queries.map { a in
      var (error, largest) = (0.0, 0.0)
      for b in keys {
        var one = Double(d + 4) * unit * a.euclidean * b.euclidean
        if precision == .int8 {
          let (sq, sk) = (a.largest / 127, b.largest / 127)
          one += (b.sum * sq + a.sum * sk) / 2 + Double(d) * sq * sk / 4
        }
        error = max(error, one)
        largest = max(largest, a.euclidean * b.euclidean)
      }
      return error * Double(scale) + (bias == nil ? 0 : 4 * unit * (largest * Double(scale) + largestBias))
    }
  }

  /// How far out may be off. With e the exponentials, E their sum and a what is used for them,
  /// probabilities a / A differ from e / E by 2 |a - e| / E in sum of magnitudes. A score error of t
  /// changes e by a factor of up to exp(2 t), as the largest may move too; exp16 adds 2e-7. float32
  /// then rounds s + s / 16 + 8 times in the sums; int8 rounds a to 1 / 255, of the largest, and v
  /// to half a step, or to 0 where a column has nothing above 1e-30.
  func tolerances(_ precision: Precision, _ denominators: [Double]) -> [Double] {
    let largest = (0..<d).map { c in (0..<s).reduce(0.0) { max($0, abs(Double(v[$1 * d + c]))) } }
    return zip(scoreErrors(precision), denominators).flatMap { error, denominator in
      let exponential = (2 * error).exponentialMinusOne + 2e-7
      return largest.map { v in
        switch precision {
        case .float32: 2 * v * exponential + v * Double(2 * s + 8) * unit
        case .int8: 1e-30 + v / 254 + 2 * v * (Double(s) / 510 / denominator + exponential) + v * 8 * unit
        }
      }
    }
  }
}

extension Double {
  /// exp(x) - 1 for x >= 0, from above.
  fileprivate var exponentialMinusOne: Double {
    var (term, sum) = (1.0, 0.0)
    for i in 1...60 {
      term *= self / Double(i)
      sum += term
    }
    return sum * (1 + 1e-9)
  }
}

private let lengths = [1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 15, 16, 17, 23, 31, 32, 33, 47, 49, 64, 65, 97, 129]
private let widths = [1, 2, 3, 4, 5, 12, 15, 16, 17, 31, 32, 33, 64, 65]

private func cases(_ seed: Int) -> [Attention] {
  var random = Random(seed)
  var cases = lengths.map { Attention(s: $0, d: 16, random: &random) }
  cases += widths.map { Attention(s: 21, d: $0, random: &random) }
  cases += lengths.map { Attention(s: $0, d: 16, isBiased: true, random: &random) }
  for at in cases.indices { cases[at].gap = at % 4 }
  return cases
}

@Suite struct AttentionTests {
  @Test(arguments: Variant.all, Precision.allCases) func attentionIsNearTheExactResult(
    variant: Variant, precision: Precision
  ) {
    for attention in cases(21) {
      let (expected, denominators) = attention.reference
      let tolerances = attention.tolerances(precision, denominators)
      let result = attention.run(variant, precision)
      let off = result.indices.first { abs(Double(result[$0]) - expected[$0]) > tolerances[$0] }
      #expect(off == nil, "s \(attention.s), d \(attention.d), element \(off ?? 0)")
    }
  }

  @Test(arguments: Variant.all, Precision.allCases) func variantAgreesWithScalar(variant: Variant, precision: Precision)
  {
    for attention in cases(22) {
      #expect(
        sameBits(attention.run(variant, precision), attention.run(.scalar, precision)),
        "s \(attention.s), d \(attention.d)")
    }
  }

  @Test(arguments: Variant.all, Precision.allCases) func rowsCanBeComputedInPieces(
    variant: Variant, precision: Precision
  ) {
    var random = Random(23)
    let attention = Attention(s: 41, d: 24, isBiased: true, random: &random)
    let whole = attention.run(variant, precision)
    for pieces in [[0..<1, 1..<41], [0..<20, 20..<41], [0..<13, 13..<26, 26..<41], (0..<41).map { $0..<$0 + 1 }] {
      #expect(sameBits(attention.run(variant, precision, pieces: pieces), whole), "\(pieces)")
    }
    let some = attention.run(variant, precision, pieces: [7..<19])
    #expect(sameBits(Array(some[7 * 24..<19 * 24]), Array(whole[7 * 24..<19 * 24])))
  }

  /// With one score far above the rest, out is that token's value; with equal scores, the mean.
  @Test(arguments: Variant.all, Precision.allCases) func sharpAndFlatScores(variant: Variant, precision: Precision) {
    var random = Random(24)
    var attention = Attention(s: 19, d: 16, random: &random)
    attention.k = (0..<19 * 16).map { $0 / 16 == 5 ? 100 : -100 }
    attention.q = [Float](repeating: 100, count: 19 * 16)
    let sharp = attention.run(variant, precision)
    let largest = attention.v.map(abs).max() ?? 0
    let step = precision == .int8 ? Double(largest) / 254 : 0
    for (at, value) in sharp.enumerated() {
      #expect(abs(Double(value) - Double(attention.v[5 * 16 + at % 16])) <= step + 4 * unit * Double(largest))
    }
    attention.q = [Float](repeating: 0, count: 19 * 16)
    let flat = attention.run(variant, precision)
    for (at, value) in flat.enumerated() {
      let mean = (0..<19).reduce(0.0) { $0 + Double(attention.v[$1 * 16 + at % 16]) } / 19
      #expect(abs(Double(value) - mean) <= step + 25 * unit * Double(largest))
    }
  }

  @Test(arguments: Variant.all, Precision.allCases) func extremeValuesStayFinite(variant: Variant, precision: Precision)
  {
    var random = Random(25)
    var attention = Attention(s: 17, d: 8, random: &random)
    // Zeros and denormals, of which int8 makes zeros.
    attention.q = (0..<17 * 8).map { $0 % 3 == 0 ? 0 : 0x1p-140 }
    attention.k = attention.q
    attention.v[0..<8] = [Float](repeating: 0, count: 8)[...]
    #expect(attention.run(variant, precision).allSatisfy { $0.isFinite })
    // Scores up to 8e36, values up to the largest float.
    attention.q = random.floats(17 * 8).map { $0 * 2e16 }
    attention.k = random.floats(17 * 8).map { $0 * 2e16 }
    attention.v = random.floats(17 * 8).map { $0.sign == .minus ? -1e38 : 1e38 }
    let result = attention.run(variant, precision)
    #expect(result.allSatisfy { $0.isFinite && abs($0) <= 1.01e38 })
    // NaN has no meaning here, but may not reach other memory.
    attention.q[3] = .nan
    attention.k[40] = .infinity
    attention.v[77] = -.infinity
    _ = attention.run(variant, precision)
  }
}
