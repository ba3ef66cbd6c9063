import CClozeKernels
import ClozeKernelsTestSupport
import Testing

/// A sum of n floats over 16 lanes rounds n / 16 times in a lane and 4 times in the tree.
private func roundings(_ n: Int) -> Double { Double(n / 16 + 6) }

@Suite struct LayernormTests {
  struct Case {
    var m: Int, d: Int
    var x: [Float], r: [Float]?, gamma: [Float], beta: [Float]
    var epsilon: Float = 1e-12

    init(m: Int, d: Int, residual: Bool, random: inout Random) {
      (self.m, self.d) = (m, d)
      x = random.floats(m * d)
      r = residual ? random.floats(m * d) : nil
      gamma = random.floats(d)
      beta = random.floats(d)
    }

    enum Output: CaseIterable { case separate, overX, overResidual }

    func run(_ variant: Variant, to output: Output = .separate, gap: Int = 0) -> [Float] {
      let stride = d + gap
      let input = GuardedBuffer(x, width: d, stride: stride)
      let residual = r.map { GuardedBuffer($0, width: d, stride: stride) }
      let (scale, shift) = (GuardedBuffer(gamma), GuardedBuffer(beta))
      let y: GuardedBuffer<Float>
      switch output {
      case .separate: y = GuardedBuffer(count: (m - 1) * stride + d)
      case .overX: y = input
      case .overResidual: y = residual ?? input
      }
      variant.rows.layernorm(
        input.pointer, stride, residual?.pointer, stride, scale.pointer, shift.pointer, epsilon, m, d, y.pointer, stride
      )
      let (result, untouched) = y.rows(m, width: d, stride: stride)
      #expect(untouched)
      return result
    }
  }

  /// With v = x + r, A = max |v| and t = (v - mean) / sigma: v is off by u A, the mean by that and
  /// (roundings(d) + 1) u A, v - mean <= 2 A once more by its own rounding, e = (roundings(d) + 5)
  /// u A in all; sigma relatively by e / sigma and half of roundings(d) u; so t by e / sigma (1 +
  /// |t|) + |t| (roundings(d) + 6) u.
  @Test(arguments: Variant.supported) func layernormIsNearTheExactResult(variant: Variant) {
    var random = Random(31)
    for d in Sizes.spread(upTo: 800) where d > 1 {
      let one = Case(m: 2, d: d, residual: d % 2 == 0, random: &random)
      let result = one.run(variant, gap: d % 3)
      for row in 0..<one.m {
        let v = (0..<d).map { Double(one.x[row * d + $0]) + Double(one.r?[row * d + $0] ?? 0) }
        let mean = v.reduce(0, +) / Double(d)
        let variance = v.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(d)
        let sigma = (variance + Double(one.epsilon)).squareRoot()
        let largest = v.reduce(0) { max($0, abs($1)) }
        let e = (roundings(d) + 5) * unit * largest
        let off = (0..<d).first {
          let t = (v[$0] - mean) / sigma
          let (gamma, beta) = (Double(one.gamma[$0]), Double(one.beta[$0]))
          let tolerance =
            abs(gamma) * (e / sigma * (1 + abs(t)) + abs(t) * (roundings(d) + 6) * unit) + 2 * unit
            * (abs(gamma * t) + abs(beta)) + Double(Float.leastNonzeroMagnitude)
          return abs(Double(result[row * d + $0]) - (gamma * t + beta)) > tolerance
        }
        #expect(off == nil, "d \(d), A \(largest), sigma \(sigma)")
      }
    }
  }

  @Test(arguments: Variant.supported) func resultIsTheSameInPlaceInBlocksAndOnEveryVariant(variant: Variant) {
    var random = Random(32)
    for d in [1, 2, 15, 16, 17, 31, 32, 33, 60, 112, 384, 385] {
      for residual in [false, true] {
        let block = Case(m: 5, d: d, residual: residual, random: &random)
        let expected = block.run(.scalar)
        for output in Case.Output.allCases {
          #expect(sameBits(block.run(variant, to: output, gap: d % 3), expected), "d \(d), \(output)")
        }
        for row in 0..<block.m {
          var alone = block
          alone.m = 1
          alone.x = Array(block.x[row * d..<(row + 1) * d])
          alone.r = block.r.map { Array($0[row * d..<(row + 1) * d]) }
          #expect(sameBits(alone.run(variant), Array(expected[row * d..<(row + 1) * d])))
        }
      }
    }
  }

  /// A row of equal values has no variance: y is beta, not NaN.
  @Test(arguments: Variant.supported) func constantRowsGiveBeta(variant: Variant) {
    var random = Random(33)
    for d in [1, 16, 20, 64] {
      for value: Float in [0, 1, -3, 0x1p-133, 0x1p60] {
        var one = Case(m: 1, d: d, residual: false, random: &random)
        one.x = [Float](repeating: value, count: d)
        // Powers of two times d are summed exactly only where d is one; else the mean's error
        // counts.
        if d == 20 && value != 0 { continue }
        #expect(one.run(variant) == one.beta, "\(value)")
      }
    }
  }
}

@Suite struct RowTests {
  @Test(arguments: Variant.supported) func embeddingSum(variant: Variant) {
    var random = Random(41)
    for d in Sizes.spread(upTo: 140) {
      let q = (0..<d).map { _ in Int8(random.int(-128...127)) }
      let (word, position, type) = (random.floats(d), random.floats(d), random.floats(d))
      let scale = random.float(0.001...0.1)
      let (a, b) = (GuardedBuffer(position), GuardedBuffer(type))
      let (bytes, floats) = (GuardedBuffer(q), GuardedBuffer(word))
      for quantized in [false, true] {
        let y = GuardedBuffer<Float>(count: d)
        if quantized {
          variant.rows.embedding_sum(bytes.pointer, scale, nil, a.pointer, b.pointer, d, y.pointer)
        } else {
          variant.rows.embedding_sum(nil, 0, floats.pointer, a.pointer, b.pointer, d, y.pointer)
        }
        let off = (0..<d).first {
          let w = quantized ? Float(q[$0]) * scale : word[$0]
          return y.pointer[$0].bitPattern != (w + position[$0] + type[$0]).bitPattern
        }
        #expect(off == nil, "d \(d)")
      }
    }
  }

  /// Probabilities are within the error of exp, 2e-7, and rounding: of the difference to the largest (up
  /// to 88), of the sum, its inverse and the product. Below exp(-87), 0.
  @Test(arguments: Variant.supported) func softmaxIsNearTheExactResult(variant: Variant) {
    var random = Random(42)
    for count in Sizes.spread(upTo: 400) {
      for width: Float in [1, 10, 100] {
        let x = (0..<count).map { _ in random.float(-width...width) }
        let y = GuardedBuffer(x)
        variant.rows.softmax(y.pointer, count)
        let maximum = x.map(Double.init).max() ?? 0
        let exponentials = x.map { exponential(Double($0) - maximum) }
        let total = exponentials.reduce(0, +)
        let off = (0..<count).first {
          let probability = exponentials[$0] / total
          let distance = min(maximum - Double(x[$0]), 88)
          let tolerance = probability * (4e-7 + (roundings(count) + 4 + distance) * unit) + 1e-37
          return abs(Double(y.pointer[$0]) - probability) > tolerance
        }
        #expect(off == nil, "\(count) in +-\(width)")
        let expected = GuardedBuffer(x)
        Variant.scalar.rows.softmax(expected.pointer, count)
        #expect(sameBits(y.array, expected.array))
      }
    }
  }

  /// exp over its whole range, by steps that reach every remainder: the first element is the
  /// largest.
  @Test(arguments: Variant.supported) func exponentialOverItsWholeRange(variant: Variant) {
    for start in stride(from: 0.0, to: 100, by: 0.5) {
      let x = [0] + (0..<40).map { -Float(start + Double($0) * 0.0137) }
      let y = GuardedBuffer(x)
      variant.rows.softmax(y.pointer, x.count)
      for i in 1..<x.count {
        // Relative to the first probability, all that is common cancels but for the rounding of each
        // product.
        let (found, expected) = (Double(y.pointer[i]) / Double(y.pointer[0]), exponential(Double(x[i])))
        let tolerance = x[i] < -86.9 ? 2e-38 : expected * (2e-7 + 2 * unit)
        #expect(abs(found - expected) <= tolerance, "exp(\(x[i]))")
      }
    }
  }

  @Test(arguments: Variant.supported) func softmaxOfExtremes(variant: Variant) {
    func softmax(_ x: [Float]) -> [Float] {
      let y = GuardedBuffer(x)
      variant.rows.softmax(y.pointer, x.count)
      return y.array
    }
    #expect(softmax([]) == [])
    #expect(softmax([-7]) == [1])
    #expect(softmax([1e38, -1e38, 0]) == [1, 0, 0])
    #expect(softmax([.greatestFiniteMagnitude, -.greatestFiniteMagnitude]) == [1, 0])
    #expect(softmax([-.infinity, 3, -.infinity]) == [0, 1, 0])
    #expect(softmax([Float](repeating: -1e30, count: 32)) == [Float](repeating: 1 / 32, count: 32))
    _ = softmax([.nan, 1, .infinity])
    _ = softmax([Float](repeating: -.infinity, count: 17))
  }

  @Test(arguments: Variant.supported) func columnSumsAndLargest(variant: Variant) {
    var random = Random(43)
    for d in [1, 2, 15, 16, 17, 31, 32, 33, 60, 100] {
      for m in [1, 2, 3, 17] {
        let (x, gap) = (random.floats(m * d), d % 3)
        let input = GuardedBuffer(x, width: d, stride: d + gap)
        let (sum, maximum) = (GuardedBuffer<Float>(count: d), GuardedBuffer<Float>(count: d))
        let weighted = GuardedBuffer<Float>(count: d)
        variant.rows.column_sum(input.pointer, d + gap, m, d, sum.pointer)
        variant.rows.column_max(input.pointer, d + gap, m, d, maximum.pointer)
        variant.rows.column_weighted_sum(input.pointer, d + gap, m, d, weighted.pointer)
        for c in 0..<d {
          let column = (0..<m).map { x[$0 * d + c] }
          // One row after another, from 0: a float exactly.
          #expect(sum.pointer[c].bitPattern == column.reduce(0, +).bitPattern)
          #expect(maximum.pointer[c] == column.max())
          // A chain of fused multiply-adds, one row after another.
          let chain = column.enumerated().reduce(Float(0)) { $0.addingProduct(Float($1.offset + 1), $1.element) }
          #expect(weighted.pointer[c].bitPattern == chain.bitPattern)
        }
      }
    }
  }

  @Test(arguments: Variant.supported) func scaleAndSumOfSquares(variant: Variant) {
    var random = Random(44)
    for count in [0] + Sizes.spread(upTo: 400) {
      let x = random.floats(count)
      let y = GuardedBuffer(x)
      let squares = variant.rows.sum_of_squares(y.pointer, count)
      let exact = x.reduce(0.0) { $0 + Double($1) * Double($1) }
      #expect(abs(Double(squares) - exact) <= exact * roundings(count) * unit)
      #expect(squares.bitPattern == Variant.scalar.rows.sum_of_squares(y.pointer, count).bitPattern)
      variant.rows.scale(y.pointer, count, 0.3)
      #expect(sameBits(y.array, x.map { $0 * 0.3 }))
    }
  }
}
