internal import Cloze

// Functions of rows, forward and backward. Names of gradients begin with d.

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
///   - normalized: [rows, d] (x - mean) / sqrt(variance + epsilon), for the backward pass.
///   - inverseDeviation: [rows] 1 / sqrt(variance + epsilon), for the backward pass.
func layernormForward<S: TrainingScalar>(
  _ x: UnsafePointer<S>, _ rows: Int, _ d: Int, _ p: NormParameters<UnsafeMutablePointer<S>>, _ epsilon: S,
  _ normalized: UnsafeMutablePointer<S>, _ inverseDeviation: UnsafeMutablePointer<S>, _ y: UnsafeMutablePointer<S>
) {
  for row in 0..<rows {
    let (x, y, normalized) = (x + row &* d, y + row &* d, normalized + row &* d)
    var mean: S = 0
    for i in 0..<d { mean += x[i] }
    mean /= S(d)
    var variance: S = 0
    for i in 0..<d { variance += (x[i] - mean) * (x[i] - mean) }
    let factor = 1 / (variance / S(d) + epsilon).squareRoot()
    inverseDeviation[row] = factor
    for i in 0..<d {
      let value = (x[i] - mean) * factor
      normalized[i] = value
      y[i] = value * p.gamma[i] + p.beta[i]
    }
  }
}

/// dx of `layernormForward`; dgamma and dbeta are added to `gradients`; dx may be dy.
///
///     dx = inverseDeviation (g - mean(g) - normalized mean(g normalized)),   g = dy gamma
func layernormBackward<S: TrainingScalar>(
  _ dy: UnsafePointer<S>, _ normalized: UnsafePointer<S>, _ inverseDeviation: UnsafePointer<S>, _ rows: Int, _ d: Int,
  _ p: NormParameters<UnsafeMutablePointer<S>>, _ gradients: NormParameters<UnsafeMutablePointer<S>>,
  _ dx: UnsafeMutablePointer<S>
) {
  for row in 0..<rows {
    let (dy, dx, normalized) = (dy + row &* d, dx + row &* d, normalized + row &* d)
    var (mean, product): (S, S) = (0, 0)
    for i in 0..<d {
      gradients.gamma[i] += dy[i] * normalized[i]
      gradients.beta[i] += dy[i]
      let g = dy[i] * p.gamma[i]
      mean += g
      product += g * normalized[i]
    }
    mean /= S(d)
    product /= S(d)
    let factor = inverseDeviation[row]
    for i in 0..<d { dx[i] = factor * (dy[i] * p.gamma[i] - mean - normalized[i] * product) }
  }
}

/// y [d], the pooled vector of the states x [length, d] of one text, length >= 1, with a linear pooling:
///
///     y = scale sum of w[t] x[t],   w[t] = 1; t for `.weightedMean`, for tokens t from 1
func poolForward(
  _ pooling: Pooling, _ x: UnsafePointer<Float>, _ length: Int, _ d: Int, _ y: UnsafeMutablePointer<Float>
) {
  let tokens = pooledTokens(pooling, length)
  y.update(from: x + tokens.lowerBound &* d, count: d)
  for token in tokens.dropFirst() {
    let state = x + token &* d
    let weight = tokenWeight(pooling, token)
    for i in 0..<d { y[i] += weight * state[i] }
  }
  let scale = poolingScale(pooling, length)
  for i in 0..<d { y[i] *= scale }
}

/// dx [length, d] of dy [d]; states that are not read keep what they have.
func poolBackward(
  _ pooling: Pooling, _ dy: UnsafePointer<Float>, _ length: Int, _ d: Int, _ dx: UnsafeMutablePointer<Float>
) {
  let scale = poolingScale(pooling, length)
  for token in pooledTokens(pooling, length) {
    let target = dx + token &* d
    let weight = tokenWeight(pooling, token)
    for i in 0..<d { target[i] = dy[i] * weight * scale }
  }
}

/// The tokens of a text that a pooling reads.
private func pooledTokens(_ pooling: Pooling, _ length: Int) -> Range<Int> {
  switch pooling {
  case .cls: 0..<1
  case .lastToken: (length &- 1)..<length
  case .mean, .meanSqrtLen, .weightedMean, .max, .pooler: 0..<length
  }
}

private func tokenWeight(_ pooling: Pooling, _ token: Int) -> Float {
  pooling == .weightedMean ? Float(token &+ 1) : 1
}

private func poolingScale(_ pooling: Pooling, _ length: Int) -> Float {
  switch pooling {
  case .mean: 1 / Float(length)
  case .meanSqrtLen: 1 / Float(length).squareRoot()
  case .weightedMean: 1 / Float(length &* (length &+ 1) / 2)
  case .cls, .lastToken, .max, .pooler: 1
  }
}
