import CClozeKernels
import ClozeKernelsTestSupport
import Testing

extension Variant { var training: cloze_training_kernels { kernels.training.pointee } }

/// The operators of training touch nothing outside their operands, and give the scalar variant's bits. That these are
/// right is tested against Double, with the layers that they make up (ClozeTrainingTests).
@Suite struct TrainingTests {
  /// c [m, n] = x^T w + bias, or += x^T w; x [k, m], w [k, n]; and of bfloat16 both where it is wanted.
  private func product(
    _ variant: Variant, m: Int, n: Int, k: Int, adds: Bool, isRounded: Bool = false, of values: [Float]? = nil
  ) -> [Float] {
    var random = Random(m + 100 * n + 10000 * k)
    let values = values ?? random.floats(k * (m + n))
    let (left, right) = (GuardedBuffer(Array(values.prefix(k * m))), GuardedBuffer(Array(values.suffix(k * n))))
    let c = GuardedBuffer(random.floats(m * n))
    let matrix = variant[.float32]
    let nr = Int(matrix.nr)
    let bias = GuardedBuffer(random.floats(roundedUp(n, to: nr)))
    let rows = GuardedBuffer<UInt8>(count: matrix.packed_rows_size(m, k), alignment: 4)
    let a = cloze_packed_rows(panels: rows.pointer, scale: nil, zero: nil)
    variant.training.pack_transposed_rows(left.pointer, m, m, k, a)
    var columns = GuardedBuffer<Float>(count: roundedUp(n, to: nr) * k)
    _ = variant.rows.pack_float_columns(right.pointer, n, n, k, columns.pointer)
    var multiply = variant.training.multiply
    if isRounded {
      let bfloat16 = variant.kernels.bfloat16().pointee
      let steps = (k + Int(bfloat16.kr) - 1) / Int(bfloat16.kr)
      let rounded = GuardedBuffer<Float>(count: roundedUp(n, to: nr) * steps)
      for panel in 0..<roundedUp(n, to: nr) / nr {
        bfloat16.round_columns(columns.pointer + panel * nr * k, k, rounded.pointer + panel * nr * steps)
      }
      bfloat16.round_rows(a, m, k)
      (columns, multiply) = (rounded, bfloat16.multiply)
    }
    multiply(
      m, n, k, a, cloze_packed_columns(panels: columns.pointer, scale: nil, sum: nil), bias.pointer, adds ? 1 : 0,
      c.pointer, n)
    return c.array
  }

  @Test(arguments: Variant.all) func productsAreTheSameOnEveryVariant(_ variant: Variant) {
    for m in [1, 5, 6, 7, 12, 13, 25] {
      for n in [1, 15, 16, 17, 33, 48, 64] {
        for (k, adds) in [(1, true), (2, false), (7, true), (7, false), (64, true)] {
          let found = product(variant, m: m, n: n, k: k, adds: adds)
          #expect(sameBits(found, product(.scalar, m: m, n: n, k: k, adds: adds)), "\(m) \(n) \(k)")
        }
      }
    }
  }

  /// A product in bfloat16 is that of float32 on operands rounded beforehand, to the last bit, with an instruction for
  /// it or without: also of values whose products or sums would be denormal, and where sums cancel.
  @Test(arguments: Variant.all) func bfloat16ProductsAreThoseOfRoundedOperands(_ variant: Variant) {
    for m in [1, 5, 12, 13, 15, 25] {
      for n in [1, 16, 17, 33, 64] {
        for (k, adds) in [(1, true), (2, false), (3, true), (65, false)] {
          for exponent in [0, -62, 50] {
            var random = Random(m + 100 * n + 10000 * k)
            let scale = Float(sign: .plus, exponent: exponent, significand: 1)
            let values = random.floats(k * (m + n)).map { $0 * scale }
            let found = product(variant, m: m, n: n, k: k, adds: adds, isRounded: true, of: values)
            let expected = product(.scalar, m: m, n: n, k: k, adds: adds, of: values.map(bfloat16))
            #expect(sameBits(found, expected), "\(m) \(n) \(k) 2^\(exponent)")
          }
        }
      }
    }
  }

  /// Rounded as by IEEE 754, but for values below 2^-56; infinity and NaN stay.
  @Test(arguments: Variant.all) func roundingIsToTheNearestBfloat16(_ variant: Variant) {
    let values: [Float] = [
      0, -0.0, 1, 1 + 0x1p-8, 1 + 0x1.8p-7, 1 + 0x1.02p-8, -1 - 0x1p-8, 0x1p-56, 0x1.fffffep-57, -0x1p-57, 0x1p-149,
      .greatestFiniteMagnitude, .infinity, -.infinity, 3.0e38,
    ]
    let panel = GuardedBuffer(values + [Float(bitPattern: 0xffff_ffff)])
    let kernels = variant.kernels.bfloat16().pointee
    kernels.round_columns(panel.pointer, 1, panel.pointer)
    let expected: [Float] = [
      0, 0, 1, 1, 1 + 0x1p-6, 1 + 0x1p-7, -1, 0x1p-56, 0, 0, 0, .infinity, .infinity, -.infinity, 0x1.c4p127,
    ]
    #expect(sameBits(Array(panel.array.prefix(expected.count)), expected))
    #expect(panel.array[15].isNaN)
  }

  /// To nearest, ties to even; 0 below 2^-56.
  private func bfloat16(_ x: Float) -> Float {
    if x.magnitude < 0x1p-56 { return 0 }
    // Its last place has 2^-7 of its power of two.
    let place = Float(sign: .plus, exponent: x.exponent - 7, significand: 1)
    return (x / place).rounded(.toNearestOrEven) * place
  }

  /// What attention gives and its gradients, of one head among three.
  private func attention(_ variant: Variant, s: Int, d: Int, isBiased: Bool, drops: Bool) -> [[Float]] {
    var random = Random(s + 1000 * d)
    let stride = 3 * d
    let count = (s - 1) * stride + d
    let inputs = (0..<4).map { _ in GuardedBuffer(random.floats(s * d), width: d, stride: stride) }
    let outputs = (0..<4).map { _ in GuardedBuffer<Float>(count: count) }
    let bias = GuardedBuffer(random.floats(2 * s - 1))
    let dBias = GuardedBuffer([Float](repeating: 0, count: 2 * s - 1))
    let scratch = GuardedBuffer<UInt8>(count: variant.training.attention_scratch(s, d), alignment: 64)
    let dropout = cloze_dropout(key: 5, threshold: drops ? 1 << 30 : 0, scale: drops ? 4 / 3 : 1)
    let center = isBiased ? bias.pointer + (s - 1) : nil
    variant.training.attention_forward(
      inputs[0].pointer, inputs[1].pointer, inputs[2].pointer, stride, s, d, 0.3, center, dropout, 1, 3,
      outputs[0].pointer, stride, scratch.pointer)
    variant.training.attention_backward(
      inputs[0].pointer, inputs[1].pointer, inputs[2].pointer, stride, s, d, 0.3, center, dropout, 1, 3,
      inputs[3].pointer, stride, outputs[1].pointer, outputs[2].pointer, outputs[3].pointer, dBias.pointer + (s - 1),
      scratch.pointer)
    return outputs.map { output in
      let (values, untouched) = output.rows(s, width: d, stride: stride)
      #expect(untouched, "\(variant.name) wrote between rows")
      return values
    } + [dBias.array]
  }

  @Test(arguments: Variant.all) func attentionIsTheSameOnEveryVariant(_ variant: Variant) {
    for s in [1, 2, 15, 17, 48, 49, 100] {
      for d in [1, 8, 16, 33, 64] {
        for (isBiased, drops) in [(false, false), (true, true)] {
          let found = attention(variant, s: s, d: d, isBiased: isBiased, drops: drops)
          let expected = attention(.scalar, s: s, d: d, isBiased: isBiased, drops: drops)
          for (a, b) in zip(found, expected) { #expect(sameBits(a, b), "\(s) \(d)") }
        }
      }
    }
  }

  @Test(arguments: Variant.all) func rowsAreTheSameOnEveryVariant(_ variant: Variant) {
    for d in [1, 2, 15, 16, 17, 31, 33, 384] {
      #expect(zip(rows(variant, d), rows(.scalar, d)).allSatisfy { sameBits($0, $1) }, "\(d)")
    }
  }

  /// The results of the operators on rows.
  private func rows(_ variant: Variant, _ d: Int) -> [[Float]] {
    let (kernels, m) = (variant.training, 3)
    var random = Random(d)
    func inputs(_ count: Int) -> GuardedBuffer<Float> { GuardedBuffer(random.floats(count)) }
    let (x, r, gamma, beta) = (inputs(m * d), inputs(m * d), inputs(d), inputs(d))
    let (normalized, deviation, y) = (
      GuardedBuffer<Float>(count: m * d), GuardedBuffer<Float>(count: m), GuardedBuffer<Float>(count: m * d)
    )
    var results: [[Float]] = []
    kernels.layernorm_forward(
      x.pointer, r.pointer, gamma.pointer, beta.pointer, 1e-5, m, d, normalized.pointer, deviation.pointer, y.pointer)
    results += [normalized.array, deviation.array, y.array]
    let (dGamma, dBeta) = (inputs(d), inputs(d))
    kernels.layernorm_backward(
      r.pointer, normalized.pointer, deviation.pointer, gamma.pointer, m, d, dGamma.pointer, dBeta.pointer, y.pointer)
    results += [dGamma.array, dBeta.array, y.array]
    for activation in cloze_activation.every {
      kernels.activate_backward(x.pointer, m * d, Int32(activation.rawValue), y.pointer)
      results.append(y.array)
    }
    kernels.dropout(x.pointer, m, d, cloze_dropout(key: 1, threshold: 1 << 31, scale: 2), 9, y.pointer)
    results.append(y.array)
    kernels.add(r.pointer, m * d, y.pointer)
    kernels.add_column_sums(r.pointer, m, d, beta.pointer)
    results += [y.array, beta.array]
    let squares = GuardedBuffer(r.array.map { $0 * $0 })
    var step = cloze_adamw(
      gradient_scale: 0.5, beta1_rest: 0.1, beta2: 0.999, beta2_rest: 0.001, keep: 0.99, step_size: 0.1, root: 0.3,
      epsilon: 1e-8)
    kernels.adamw(y.pointer, normalized.pointer, squares.pointer, x.pointer, m * d, &step)
    results += [y.array, normalized.array, squares.array]
    var highest: Float = 0
    results.append([kernels.exp_sum(x.pointer, m * d, &highest), highest])
    kernels.scaled_exp(x.pointer, m * d, highest, 0.5)
    return results + [x.array]
  }

  /// The slope of an activation is near a difference of the reference in Double.
  @Test(arguments: cloze_activation.every) func slopesAreThoseOfTheReference(_ activation: cloze_activation) {
    let x = (-800...800).map { Float($0) / 80 + 1 / 512 }
    let d = GuardedBuffer([Float](repeating: 1, count: x.count))
    Variant.scalar.training.activate_backward(x, x.count, Int32(activation.rawValue), d.pointer)
    for (i, value) in x.enumerated() {
      let step = 1e-5
      let expected =
        (activation.reference(Double(value) + step) - activation.reference(Double(value) - step)) / (2 * step)
      #expect(abs(Double(d.array[i]) - expected) <= 3e-6, "\(activation.rawValue) at \(value)")
    }
  }
}
