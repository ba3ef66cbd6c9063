internal import Cloze

// Functions of rows, forward and backward. Gradients carry the prefix d.

/// y = activation(z), element by element.
func activate<S: TrainingScalar>(
  _ activation: Activation, _ z: UnsafePointer<S>, _ y: UnsafeMutablePointer<S>, _ count: Int
) {
  switch activation {
  case .identity: y.update(from: z, count: count)
  case .relu: for i in 0..<count { y[i] = max(z[i], 0) }
  case .tanh: for i in 0..<count { y[i] = S.tanh(z[i]) }
  case .gelu: for i in 0..<count { y[i] = z[i] / 2 * (1 + S.erf(z[i] * S(0.5).squareRoot())) }
  case .geluTanh:
    let (a, b) = (S(0.797_884_560_802_865_4), S(0.044715))
    for i in 0..<count {
      let x = z[i]
      y[i] = x / 2 * (1 + S.tanh(a * (x + b * x * x * x)))
    }
  case .silu: for i in 0..<count { y[i] = z[i] / (1 + S.exp(-z[i])) }
  case .quickGelu: for i in 0..<count { y[i] = z[i] / (1 + S.exp(S(-1.702) * z[i])) }
  }
}

/// d = d activation'(z), element by element.
func activateBackward<S: TrainingScalar>(
  _ activation: Activation, _ z: UnsafePointer<S>, _ d: UnsafeMutablePointer<S>, _ count: Int
) {
  switch activation {
  case .identity: return
  case .relu: for i in 0..<count where z[i] <= 0 { d[i] = 0 }
  case .tanh:
    for i in 0..<count {
      let y = S.tanh(z[i])
      d[i] *= 1 - y * y
    }
  case .gelu:
    let (a, b) = (S(0.5).squareRoot(), S(0.398_942_280_401_432_7))
    for i in 0..<count {
      let x = z[i]
      d[i] *= (1 + S.erf(x * a)) / 2 + x * b * S.exp(-x * x / 2)
    }
  case .geluTanh:
    let (a, b) = (S(0.797_884_560_802_865_4), S(0.044715))
    for i in 0..<count {
      let x = z[i]
      let t = S.tanh(a * (x + b * x * x * x))
      d[i] *= (1 + t) / 2 + x / 2 * (1 - t * t) * a * (1 + 3 * b * x * x)
    }
  case .silu, .quickGelu:
    let a = S(activation == .silu ? 1 : 1.702)
    for i in 0..<count {
      let s = 1 / (1 + S.exp(-a * z[i]))
      d[i] *= s * (1 + a * z[i] * (1 - s))
    }
  }
}

/// y = (x - mean) / sqrt(variance + epsilon) gamma + beta for rows of d; y may be x.
///
/// - Parameters:
///   - normed: [rows, d] what gamma is multiplied with, for the backward pass.
///   - inverse: [rows] 1 / sqrt(variance + epsilon), for the backward pass.
func layernormForward<S: TrainingScalar>(
  _ x: UnsafePointer<S>, _ rows: Int, _ d: Int, _ gamma: UnsafePointer<S>,
  _ beta: UnsafePointer<S>, _ epsilon: S, _ normed: UnsafeMutablePointer<S>,
  _ inverse: UnsafeMutablePointer<S>, _ y: UnsafeMutablePointer<S>
) {
  for row in 0..<rows {
    let (x, y, normed) = (x + row &* d, y + row &* d, normed + row &* d)
    var mean: S = 0
    for i in 0..<d { mean += x[i] }
    mean /= S(d)
    var variance: S = 0
    for i in 0..<d { variance += (x[i] - mean) * (x[i] - mean) }
    let factor = 1 / (variance / S(d) + epsilon).squareRoot()
    inverse[row] = factor
    for i in 0..<d {
      let value = (x[i] - mean) * factor
      normed[i] = value
      y[i] = value * gamma[i] + beta[i]
    }
  }
}

/// dx of `layernormForward`, and dgamma and dbeta added up; dx may be dy.
///
///     dx = inverse (g - mean(g) - normed mean(g normed)),   g = dy gamma
func layernormBackward<S: TrainingScalar>(
  _ dy: UnsafePointer<S>, _ normed: UnsafePointer<S>, _ inverse: UnsafePointer<S>, _ rows: Int,
  _ d: Int, _ gamma: UnsafePointer<S>, _ dGamma: UnsafeMutablePointer<S>,
  _ dBeta: UnsafeMutablePointer<S>, _ dx: UnsafeMutablePointer<S>
) {
  for row in 0..<rows {
    let (dy, dx, normed) = (dy + row &* d, dx + row &* d, normed + row &* d)
    var (mean, product): (S, S) = (0, 0)
    for i in 0..<d {
      dGamma[i] += dy[i] * normed[i]
      dBeta[i] += dy[i]
      let g = dy[i] * gamma[i]
      mean += g
      product += g * normed[i]
    }
    mean /= S(d)
    product /= S(d)
    let factor = inverse[row]
    for i in 0..<d { dx[i] = factor * (dy[i] * gamma[i] - mean - normed[i] * product) }
  }
}
