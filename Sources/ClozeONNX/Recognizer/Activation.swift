/// The activation function after a dense layer.
///
/// Raw values are the names in head files and of the option `activation`; `configKey` is the name in a Hugging
/// Face `config.json`, which differs for `geluTanh`.
public enum Activation: String, Sendable, CaseIterable {
  /// x
  case identity = "none"
  /// x/2 (1 + erf(x / sqrt 2))
  case gelu
  /// x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
  case geluTanh = "gelu_tanh"
  /// x sigmoid(1.702 x)
  case quickGelu = "quick_gelu"
  /// max(x, 0)
  case relu
  /// x sigmoid(x)
  case silu
  /// The hyperbolic tangent.
  case tanh

  /// The value of `hidden_act` in a `config.json`.
  package var configKey: String { self == .geluTanh ? "gelu_new" : rawValue }

  /// nil for an unknown name, and for `identity`, which is not a name in `config.json`.
  package init?(configKey: String) {
    guard let found = Self.allCases.first(where: { $0.configKey == configKey }), found != .identity else { return nil }
    self = found
  }
}
