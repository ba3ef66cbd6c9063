/// A weighted sum of the states after the embeddings and after every layer (Peters et al. 2018):
///
///     x = factor (shares[0] x[0] + ... + shares[L] x[L])
public struct LayerMix: Sendable {
  /// [L + 1]
  public var shares: [Float]
  /// The scale of the sum.
  public var factor: Float

  public init(shares: [Float], factor: Float) {
    self.shares = shares
    self.factor = factor
  }

  /// The factor of each state, [L + 1].
  package var weights: [Float] { shares.map { $0 * factor } }
}
