internal import Cloze
internal import ClozeIO

/// A learned mix of the states after the embeddings and each layer (Peters et al. 2018), forward and
/// backward. Pooling is linear, so that a mix of pooled states is the pooled mix.
///
///     y = factor sum of p[l] x[l],   p = softmax(s)
final class LayerMixture<S: TrainingScalar> {
  let states: Int
  let width: Int
  /// s [states], factor
  let parameters: Block<S>
  let gradients: Block<S>
  private var input = Room<S>()
  private var output = Room<S>()
  private var rows = 0

  /// All states have the same share at first, and the factor is 1.
  init(states: Int, width: Int) throws(ClozeError) {
    self.states = states
    self.width = width
    parameters = try Block(states + 1)
    gradients = try Block(states + 1)
    parameters.base[states] = 1
  }

  var segments: [NetworkShape.Segment] {
    [NetworkShape.Segment(range: 0..<(states + 1), isTrained: true, decays: false)]
  }

  private var shares: [S] {
    let most = (0..<states).reduce(-S.infinity) { max($0, parameters.base[$1]) }
    let powers = (0..<states).map { S.exp(parameters.base[$0] - most) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
  }

  /// y [rows, width] of x [rows, states, width]; it stays until the next call.
  func forward(_ x: UnsafePointer<S>, rows: Int) throws(ClozeError) -> UnsafeMutablePointer<S> {
    self.rows = rows
    let kept = try input.reserve(rows * states * width)
    kept.update(from: x, count: rows * states * width)
    let y = try output.reserve(rows * width)
    let weights = shares.map { $0 * parameters.base[states] }
    for row in 0..<rows {
      let target = y + row &* width
      target.update(repeating: 0, count: width)
      for (l, weight) in weights.enumerated() {
        let source = kept + (row &* states &+ l) &* width
        for i in 0..<width { target[i] += weight * source[i] }
      }
    }
    return y
  }

  /// Adds the gradients of the last `forward`, with `d` [rows, width] of its result:
  ///
  ///     g[l] = sum of d x[l],   dfactor = sum of p[l] g[l],
  ///     ds[l] = factor p[l] (g[l] - dfactor)
  func backward(_ d: UnsafePointer<S>) throws(ClozeError) {
    let kept = try input.reserve(rows * states * width)
    let shares = shares
    var slopes = [S](repeating: 0, count: states)
    for row in 0..<rows {
      let slope = d + row &* width
      for l in 0..<states {
        let source = kept + (row &* states &+ l) &* width
        var sum: S = 0
        for i in 0..<width { sum += slope[i] * source[i] }
        slopes[l] += sum
      }
    }
    var mean: S = 0
    for l in 0..<states { mean += shares[l] * slopes[l] }
    let factor = parameters.base[states]
    for l in 0..<states { gradients.base[l] += factor * shares[l] * (slopes[l] - mean) }
    gradients.base[states] += mean
  }
}

extension LayerMixture where S == Float {
  /// As a head holds it.
  var mix: LayerMix { LayerMix(shares: shares, factor: parameters.base[states]) }
}
