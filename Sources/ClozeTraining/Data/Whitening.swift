internal import Cloze

internal import ClozeIO
internal import Glibc

/// Other variables for a linear layer, in which its loss is about as curved one way as another. An
/// encoder's features are far from that: some have a mean many times their spread, and many follow
/// from others, so that L-BFGS would need thousands of iterations and stop before its end.
///
///     C = covariance of x + ridge = L L^T,   W = V L^-1,   b = d - W mean(x)
///
/// It changes the way to the minimum, not the minimum.
struct Whitening {
  let inputs: Int
  let outputs: Int
  private let means: [Double]
  /// L [D, D], below its diagonal and on it.
  private let factor: [Double]

  /// Of features [rows, inputs].
  init(
    _ features: UnsafePointer<Float>, rows: Int, inputs: Int, outputs: Int, ridge: Double,
    _ arithmetic: Arithmetic
  ) throws(ClozeError) {
    self.inputs = inputs
    self.outputs = outputs
    var means = [Double](repeating: 0, count: inputs)
    for row in 0..<rows {
      for i in 0..<inputs { means[i] += Double(features[row &* inputs &+ i]) }
    }
    for i in 0..<inputs { means[i] /= Double(max(rows, 1)) }
    var sums = [Double](repeating: 0, count: inputs * inputs)
    let block = 4096
    let centred = try Block<Float>(min(rows, block) * inputs)
    let product = try Block<Float>(inputs * inputs)
    var first = 0
    while first < rows {
      let count = min(block, rows - first)
      for row in 0..<count {
        for i in 0..<inputs {
          let x = Double(features[(first &+ row) &* inputs &+ i])
          centred.base[row &* inputs &+ i] = Float(x - means[i])
        }
      }
      try arithmetic.product(
        .turnedLeft, inputs, inputs, count, centred.base, centred.base, product.base)
      for i in sums.indices { sums[i] += Double(product.base[i]) }
      first += count
    }
    self.means = means
    factor = Self.factor(sums.map { $0 / Double(max(rows, 1)) }, inputs, ridge)
  }

  /// Cholesky's. A feature that follows from others to float32's last bits counts as small noise.
  private static func factor(_ matrix: [Double], _ n: Int, _ ridge: Double) -> [Double] {
    var l = matrix
    var largest = 0.0
    for i in 0..<n { largest = max(largest, matrix[i &* n &+ i]) }
    let least = max(largest * 1e-7, 1e-30)
    for i in 0..<n {
      for j in 0...i {
        var sum = l[i &* n &+ j]
        if i == j { sum += ridge }
        for k in 0..<j { sum -= l[i &* n &+ k] * l[j &* n &+ k] }
        l[i &* n &+ j] = i == j ? max(sum, least).squareRoot() : sum / l[j &* n &+ j]
      }
    }
    return l
  }

  /// Weights [outputs, inputs] and biases for variables: W^T = L^-T V^T.
  func parameters(_ variables: [Double]) -> [Double] {
    var result = variables
    for output in 0..<outputs {
      let row = output &* inputs
      var shift = 0.0
      for i in (0..<inputs).reversed() {
        let value = result[row &+ i] / factor[i &* inputs &+ i]
        result[row &+ i] = value
        for k in 0..<i { result[row &+ k] -= factor[i &* inputs &+ k] * value }
        shift += value * means[i]
      }
      result[outputs &* inputs &+ output] -= shift
    }
    return result
  }

  /// The gradient by variables, of that by weights and biases.
  func gradient(_ parameters: [Double]) -> [Double] {
    var result = parameters
    for output in 0..<outputs {
      let row = output &* inputs
      let bias = parameters[outputs &* inputs &+ output]
      for i in 0..<inputs {
        var sum = parameters[row &+ i] - means[i] * bias
        for k in 0..<i { sum -= factor[i &* inputs &+ k] * result[row &+ k] }
        result[row &+ i] = sum / factor[i &* inputs &+ i]
      }
    }
    return result
  }
}
