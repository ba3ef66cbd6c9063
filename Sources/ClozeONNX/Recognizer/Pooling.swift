/// How the vectors of a text's tokens are combined to one. Raw values are those of `cloze_pooling`.
public enum Pooling: Int32, Sendable, CaseIterable {
  /// The mean of all tokens' vectors, `[CLS]` and `[SEP]` included.
  case mean = 1
  /// The first token's vector.
  case cls
  /// The largest value of each dimension.
  case max
  /// The sum divided by the square root of the number of tokens.
  case meanSqrtLen
  /// The pooler's output; the model must have one.
  case pooler
  /// The last token's vector, `[SEP]` in a BERT.
  case lastToken
  /// The mean with the numbers of the tokens as weights: sum of i h[i] / sum of i, for tokens i from 1.
  case weightedMean

  /// The name in options and files.
  public var name: String {
    switch self {
    case .mean: "mean"
    case .cls: "cls"
    case .max: "max"
    case .meanSqrtLen: "mean_sqrt_len"
    case .pooler: "pooler"
    case .lastToken: "last_token"
    case .weightedMean: "weighted_mean"
    }
  }

  /// Whether the vector is a sum of the tokens' vectors with weights that depend on their number alone.
  package var isLinear: Bool {
    switch self {
    case .mean, .cls, .meanSqrtLen, .lastToken, .weightedMean: true
    case .max, .pooler: false
    }
  }

  /// nil for an unknown name.
  public init?(name: String) {
    guard let found = Self.allCases.first(where: { $0.name == name }) else { return nil }
    self = found
  }
}
