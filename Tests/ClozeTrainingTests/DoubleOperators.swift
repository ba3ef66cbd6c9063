public import CClozeKernels
public import Cloze
public import ClozeIO
import Glibc

@testable import ClozeTraining

/// The operators of training in Double, in plain loops: what gradients are checked with, and what the kernels are
/// compared to.
extension Double: TrainingScalar {
  public static func exp(_ x: Double) -> Double { Glibc.exp(x) }
  public static func log(_ x: Double) -> Double { Glibc.log(x) }

  public static func product(
    _ form: ProductForm, _ m: Int, _ n: Int, _ k: Int, _ a: Values, _ b: Values, _ c: Results, bias: Values?,
    adds: Bool, _ arithmetic: Arithmetic
  ) throws(ClozeError) {
    for i in 0..<m {
      for j in 0..<n {
        var sum = adds ? c[i * n + j] : bias?[j] ?? 0
        for p in 0..<k {
          sum += (form == .tn ? a[p * m + i] : a[i * k + p]) * (form == .nt ? b[j * k + p] : b[p * n + j])
        }
        c[i * n + j] = sum
      }
    }
  }

  public static func activate(
    _ activation: Activation, _ z: Values, _ count: Int, _ y: Results, _ arithmetic: Arithmetic
  ) {
    for i in 0..<count {
      let x = z[i]
      y[i] =
        switch activation {
        case .identity: x
        case .relu: max(x, 0)
        case .tanh: Glibc.tanh(x)
        case .gelu: x / 2 * (1 + erf(x / 2.0.squareRoot()))
        case .geluTanh: x / 2 * (1 + Glibc.tanh(0.797_884_560_802_865_4 * (x + 0.044715 * x * x * x)))
        case .silu: x / (1 + exp(-x))
        case .quickGelu: x / (1 + exp(-1.702 * x))
        }
    }
  }

  public static func activateBackward(
    _ activation: Activation, _ z: Values, _ count: Int, _ d: Results, _ arithmetic: Arithmetic
  ) {
    for i in 0..<count {
      let x = z[i]
      switch activation {
      case .identity: break
      case .relu: d[i] *= x > 0 ? 1 : 0
      case .tanh: d[i] *= 1 - Glibc.tanh(x) * Glibc.tanh(x)
      case .gelu: d[i] *= (1 + erf(x / 2.0.squareRoot())) / 2 + x * exp(-x * x / 2) / (2 * Double.pi).squareRoot()
      case .geluTanh:
        let (a, b) = (0.797_884_560_802_865_4, 0.044715)
        let t = Glibc.tanh(a * (x + b * x * x * x))
        d[i] *= (1 + t) / 2 + x / 2 * (1 - t * t) * a * (1 + 3 * b * x * x)
      case .silu, .quickGelu:
        let a = activation == .silu ? 1 : 1.702
        let s = 1 / (1 + exp(-a * x))
        d[i] *= s * (1 + a * x * (1 - s))
      }
    }
  }

  public static func layernorm(
    _ x: Values, plus residual: Values?, _ rows: Int, _ d: Int, _ p: NormParameters<Results>, _ epsilon: Double,
    _ kept: NormActivations<Double>, _ y: Results, _ arithmetic: Arithmetic
  ) {
    for row in 0..<rows {
      let v = (0..<d).map { x[row * d + $0] + (residual?[row * d + $0] ?? 0) }
      let mean = v.reduce(0, +) / Double(d)
      let variance = v.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(d)
      let factor = 1 / (variance + epsilon).squareRoot()
      kept.inverseDeviation[row] = factor
      for i in 0..<d {
        kept.normalized[row * d + i] = (v[i] - mean) * factor
        y[row * d + i] = (v[i] - mean) * factor * p.gamma[i] + p.beta[i]
      }
    }
  }

  public static func layernormBackward(
    _ dy: Values, _ kept: NormActivations<Double>, _ rows: Int, _ d: Int, _ p: NormParameters<Results>,
    _ gradients: NormParameters<Results>, _ dx: Results, _ arithmetic: Arithmetic
  ) {
    for row in 0..<rows {
      let normalized = kept.normalized + row * d
      let slopes = (0..<d).map { dy[row * d + $0] }
      var (mean, product) = (0.0, 0.0)
      for i in 0..<d {
        gradients.gamma[i] += slopes[i] * normalized[i]
        gradients.beta[i] += slopes[i]
        mean += slopes[i] * p.gamma[i] / Double(d)
        product += slopes[i] * p.gamma[i] * normalized[i] / Double(d)
      }
      for i in 0..<d {
        dx[row * d + i] = kept.inverseDeviation[row] * (slopes[i] * p.gamma[i] - mean - normalized[i] * product)
      }
    }
  }

  /// The kernels' choice, of ones.
  private static func factors(_ d: Int, _ dropout: cloze_dropout, _ row: Int, _ arithmetic: Arithmetic) -> [Double] {
    var ones = [Float](repeating: 1, count: d)
    if dropout.threshold > 0 {
      ones.withUnsafeMutableBufferPointer { ones in
        guard let base = ones.baseAddress else { return }
        arithmetic.kernels.training.dropout(base, 1, d, dropout, UInt64(row), base)
      }
    }
    return ones.map { $0 == 0 ? 0 : 1 / (1 - Double(dropout.threshold) * 0x1p-32) }
  }

  public static func dropout(
    _ x: Values, _ rows: Int, _ d: Int, _ dropout: cloze_dropout, row: Int, _ y: Results, _ arithmetic: Arithmetic
  ) {
    for i in 0..<rows {
      for (j, factor) in factors(d, dropout, row + i, arithmetic).enumerated() { y[i * d + j] = x[i * d + j] * factor }
    }
  }

  public static func add(_ x: Values, _ count: Int, _ y: Results, _ arithmetic: Arithmetic) {
    for i in 0..<count { y[i] += x[i] }
  }

  public static func addColumnSums(_ x: Values, _ rows: Int, _ d: Int, _ y: Results, _ arithmetic: Arithmetic) {
    for row in 0..<rows { for i in 0..<d { y[i] += x[row * d + i] } }
  }

  /// A query's probabilities, and what dropout multiplies them by.
  private static func probabilities(_ head: AttentionHead<Double>, _ i: Int, _ arithmetic: Arithmetic)
    -> (p: [Double], factors: [Double])
  {
    let scores = (0..<head.length).map { j in
      (0..<head.size).reduce(0.0) { $0 + head.query[i * head.stride + $1] * head.key[j * head.stride + $1] }
        * head.scale + (head.bias?[j - i] ?? 0)
    }
    let highest = scores.max() ?? 0
    let powers = scores.map { exp($0 - highest) }
    let sum = powers.reduce(0, +)
    return (powers.map { $0 / sum }, factors(head.length, head.dropout, head.row + i * head.rowStep, arithmetic))
  }

  public static func attention(
    _ head: AttentionHead<Double>, _ context: Results, _ scratch: UnsafeMutableRawPointer, _ arithmetic: Arithmetic
  ) {
    for i in 0..<head.length {
      let (p, factors) = probabilities(head, i, arithmetic)
      for c in 0..<head.size {
        context[i * head.contextStride + c] =
          (0..<head.length).reduce(0) { $0 + p[$1] * factors[$1] * head.value[$1 * head.stride + c] }
      }
    }
  }

  public static func attentionBackward(
    _ head: AttentionHead<Double>, _ dContext: Values, _ gradients: AttentionGradients<Double>,
    _ scratch: UnsafeMutableRawPointer, _ arithmetic: Arithmetic
  ) {
    let (stride, size) = (head.stride, head.size)
    for i in 0..<head.length {
      for c in 0..<size {
        gradients.query[i * stride + c] = 0
        gradients.key[i * stride + c] = 0
        gradients.value[i * stride + c] = 0
      }
    }
    for i in 0..<head.length {
      let (p, factors) = probabilities(head, i, arithmetic)
      let dp = (0..<head.length).map { j in
        factors[j] * (0..<size).reduce(0) { $0 + dContext[i * head.contextStride + $1] * head.value[j * stride + $1] }
      }
      let sum = zip(p, dp).reduce(0) { $0 + $1.0 * $1.1 }
      for j in 0..<head.length {
        let dScore = p[j] * (dp[j] - sum)
        gradients.bias?[j - i] += dScore
        for c in 0..<size {
          gradients.query[i * stride + c] += dScore * head.scale * head.key[j * stride + c]
          gradients.key[j * stride + c] += dScore * head.scale * head.query[i * stride + c]
          gradients.value[j * stride + c] += p[j] * factors[j] * dContext[i * head.contextStride + c]
        }
      }
    }
  }

  public static func attentionScratch(_ length: Int, _ size: Int, _ arithmetic: Arithmetic) -> Int { 1 }

  public static func expSum(_ x: Values, _ count: Int, _ arithmetic: Arithmetic) -> (sum: Double, highest: Double) {
    let highest = (0..<count).reduce(-Double.infinity) { max($0, x[$1]) }
    return ((0..<count).reduce(0) { $0 + exp(x[$1] - highest) }, highest)
  }

  public static func scaledExp(_ x: Results, _ count: Int, logSum: Double, share: Double, _ arithmetic: Arithmetic) {
    for i in 0..<count { x[i] = share * exp(x[i] - logSum) }
  }

  public static func adamw(
    _ w: Results, _ m: Results, _ v: Results, _ dw: Values, _ count: Int, _ step: AdamWStep<Double>,
    _ arithmetic: Arithmetic
  ) {
    for i in 0..<count {
      let g = dw[i] * step.gradientScale
      m[i] += step.beta1Rest * (g - m[i])
      v[i] = step.beta2 * v[i] + step.beta2Rest * g * g
      w[i] = w[i] * step.keep - step.stepSize * (m[i] / (v[i].squareRoot() / step.root + step.epsilon))
    }
  }

  public static func sumOfSquares(_ x: Values, _ count: Int, _ arithmetic: Arithmetic) -> Double {
    (0..<count).reduce(0) { $0 + x[$1] * x[$1] }
  }
}
