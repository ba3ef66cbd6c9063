internal import Cloze

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
