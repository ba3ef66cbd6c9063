internal import Cloze
internal import ClozeIO

/// A learned weighted sum of the states after the embeddings and each layer (Peters et al. 2018), forward and backward.
/// The pooling is linear, so that the sum of pooled states is the pooled sum.
///
///     y = factor sum of p[l] x[l],   p = softmax(s)
final class LayerMixture<S: TrainingScalar> {
  let states: Int
  let width: Int
  /// s [states], factor
  let parameters: ParameterBlock<S>
  private var input = GrowingBuffer<S>()
  private var output = GrowingBuffer<S>()
  private var rows = 0

  /// Equal shares and a factor of 1.
  init(states: Int, width: Int) throws(ClozeError) {
    self.states = states
    self.width = width
    parameters = try ParameterBlock([(states + 1, true, false)])
    parameters.values.base[states] = 1
  }

  private var shares: [S] {
    let scores = parameters.array(0).prefix(states)
    let highest = scores.reduce(-S.infinity) { max($0, $1) }
    let powers = scores.map { S.exp($0 - highest) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
  }

  private var factor: S { parameters.values.base[states] }

  /// y [rows, width] of x [rows, states, width]; valid until the next call.
  func forward(_ x: UnsafePointer<S>, rows: Int) throws(ClozeError) -> UnsafeMutablePointer<S> {
    self.rows = rows
    let kept = try input.reserve(rows * states * width)
    kept.update(from: x, count: rows * states * width)
    let y = try output.reserve(rows * width)
    let weights = shares.map { $0 * factor }
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
  ///     g[l] = sum of d x[l],   dfactor = sum of p[l] g[l],   ds[l] = factor p[l] (g[l] - dfactor)
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
    let gradients = parameters.gradients.base
    for l in 0..<states { gradients[l] += factor * shares[l] * (slopes[l] - mean) }
    gradients[states] += mean
  }
}

/// The mix of a head.
extension LayerMixture where S == Float { var mix: LayerMix { LayerMix(shares: shares, factor: factor) } }
