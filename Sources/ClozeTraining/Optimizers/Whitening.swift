internal import ClozeIO

/// A preconditioner for a linear layer: a change of variables V, d for its weights W, b in which the inputs are white.
///
///     C = covariance of x + ridge = L L^T,   W = V L^-1,   b = d - W mean(x)
///
/// An encoder's features are ill-conditioned (means of many standard deviations, collinear columns), so that L-BFGS on
/// W, b would need thousands of iterations. The minimum is the same.
struct Whitening {
  let inputs: Int
  let outputs: Int
  private let means: [Double]
  /// L [D, D], lower triangle.
  private let factor: [Double]

  /// - Parameter features: [rows, inputs]
  init(_ features: UnsafePointer<Float>, rows: Int, inputs: Int, outputs: Int, ridge: Double, _ arithmetic: Arithmetic)
    throws(ClozeError)
  {
    self.inputs = inputs
    self.outputs = outputs
    var means = [Double](repeating: 0, count: inputs)
    for row in 0..<rows { for i in 0..<inputs { means[i] += Double(features[row &* inputs &+ i]) } }
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
      try arithmetic.product(.tn, inputs, inputs, count, centred.base, centred.base, product.base)
      for i in sums.indices { sums[i] += Double(product.base[i]) }
      first += count
    }
    self.means = means
    factor = Self.factor(sums.map { $0 / Double(max(rows, 1)) }, inputs, ridge)
  }

  /// Cholesky decomposition of matrix + ridge; pivots are bounded below, as features may be collinear in float32.
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

  /// W [outputs, inputs] and b of V and d: W^T = L^-T V^T.
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

  /// The gradient with respect to V and d, of that with respect to W and b.
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
