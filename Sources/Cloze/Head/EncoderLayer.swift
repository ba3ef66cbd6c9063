/// Weight and bias of a linear layer, y = W x + b.
public struct LinearParameters<Values> {
  /// [outputs, inputs]
  public var weight: Values
  /// [outputs]
  public var bias: Values

  public init(weight: Values, bias: Values) {
    self.weight = weight
    self.bias = bias
  }
}

/// Scale and shift of a LayerNorm.
public struct NormParameters<Values> {
  /// [D]
  public var gamma: Values
  /// [D]
  public var beta: Values

  public init(gamma: Values, beta: Values) {
    self.gamma = gamma
    self.beta = beta
  }
}

/// The parameters of one encoder layer by name: arrays in a head, pointers into a block of memory in training.
///
///     h = attentionNorm(attentionOutput(attention(query(x), key(x), value(x))) + x)
///     y = outputNorm(output(activation(intermediate(h))) + h)
public struct EncoderLayerParameters<Values> {
  /// [D, D]
  public var query: LinearParameters<Values>
  /// [D, D]
  public var key: LinearParameters<Values>
  /// [D, D]
  public var value: LinearParameters<Values>
  /// [D, D]
  public var attentionOutput: LinearParameters<Values>
  /// [D]
  public var attentionNorm: NormParameters<Values>
  /// [F, D]
  public var intermediate: LinearParameters<Values>
  /// [D, F]
  public var output: LinearParameters<Values>
  /// [D]
  public var outputNorm: NormParameters<Values>
}

/// The parameters of an encoder's embeddings by name, as `EncoderLayerParameters`.
///
///     x = norm(word[id] + position[place] + tokenType[type])
public struct EmbeddingParameters<Values> {
  /// [V, D]
  public var word: Values
  /// [P, D]
  public var position: Values
  /// [types, D]; one row where the model has no types.
  public var tokenType: Values
  /// [D]
  public var norm: NormParameters<Values>
}

extension LinearParameters: Sendable where Values: Sendable {}
extension NormParameters: Sendable where Values: Sendable {}
extension EncoderLayerParameters: Sendable where Values: Sendable {}
extension EmbeddingParameters: Sendable where Values: Sendable {}

/// The float32 weights of one encoder layer.
public typealias EncoderLayer = EncoderLayerParameters<[Float]>
/// The float32 weights of an encoder's embeddings.
public typealias EncoderEmbeddings = EmbeddingParameters<[Float]>

/// The parameters of an encoder layer in the order of training's flat gradients, with their names in a head's file.
package enum EncoderLayerParameter: String, CaseIterable {
  case queryWeight = "query.weight"
  case queryBias = "query.bias"
  case keyWeight = "key.weight"
  case keyBias = "key.bias"
  case valueWeight = "value.weight"
  case valueBias = "value.bias"
  case attentionOutputWeight = "attention_output.weight"
  case attentionOutputBias = "attention_output.bias"
  case attentionNormGamma = "attention_norm.gamma"
  case attentionNormBeta = "attention_norm.beta"
  case intermediateWeight = "intermediate.weight"
  case intermediateBias = "intermediate.bias"
  case outputWeight = "output.weight"
  case outputBias = "output.bias"
  case outputNormGamma = "output_norm.gamma"
  case outputNormBeta = "output_norm.beta"

  /// Elements, for hidden size `d` and intermediate size `f`.
  package func count(_ d: Int, _ f: Int) -> Int {
    switch self {
    case .queryWeight, .keyWeight, .valueWeight, .attentionOutputWeight: d * d
    case .intermediateWeight, .outputWeight: f * d
    case .intermediateBias: f
    case .queryBias, .keyBias, .valueBias, .attentionOutputBias, .attentionNormGamma, .attentionNormBeta, .outputBias,
      .outputNormGamma, .outputNormBeta:
      d
    }
  }

  package var isMatrix: Bool { rawValue.hasSuffix(".weight") }

  /// Its place in the order.
  package var index: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

/// The parameters of the embeddings in the order of training's flat gradients, with their names in a head's file.
package enum EmbeddingParameter: String, CaseIterable {
  case word
  case position
  case tokenType = "token_type"
  case normGamma = "norm.gamma"
  case normBeta = "norm.beta"

  /// Rows of D elements.
  package func rows(vocabulary: Int, positions: Int, types: Int) -> Int {
    switch self {
    case .word: vocabulary
    case .position: positions
    case .tokenType: max(types, 1)
    case .normGamma, .normBeta: 1
    }
  }

  package var isTable: Bool { self != .normGamma && self != .normBeta }

  /// Its place in the order.
  package var index: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

extension EncoderLayerParameters {
  /// Asks for each parameter's values in turn.
  package init<Failure>(_ values: (EncoderLayerParameter) throws(Failure) -> Values) throws(Failure) {
    query = .init(weight: try values(.queryWeight), bias: try values(.queryBias))
    key = .init(weight: try values(.keyWeight), bias: try values(.keyBias))
    value = .init(weight: try values(.valueWeight), bias: try values(.valueBias))
    attentionOutput = .init(weight: try values(.attentionOutputWeight), bias: try values(.attentionOutputBias))
    attentionNorm = .init(gamma: try values(.attentionNormGamma), beta: try values(.attentionNormBeta))
    intermediate = .init(weight: try values(.intermediateWeight), bias: try values(.intermediateBias))
    output = .init(weight: try values(.outputWeight), bias: try values(.outputBias))
    outputNorm = .init(gamma: try values(.outputNormGamma), beta: try values(.outputNormBeta))
  }

  package subscript(parameter: EncoderLayerParameter) -> Values {
    switch parameter {
    case .queryWeight: query.weight
    case .queryBias: query.bias
    case .keyWeight: key.weight
    case .keyBias: key.bias
    case .valueWeight: value.weight
    case .valueBias: value.bias
    case .attentionOutputWeight: attentionOutput.weight
    case .attentionOutputBias: attentionOutput.bias
    case .attentionNormGamma: attentionNorm.gamma
    case .attentionNormBeta: attentionNorm.beta
    case .intermediateWeight: intermediate.weight
    case .intermediateBias: intermediate.bias
    case .outputWeight: output.weight
    case .outputBias: output.bias
    case .outputNormGamma: outputNorm.gamma
    case .outputNormBeta: outputNorm.beta
    }
  }
}

extension EmbeddingParameters {
  /// Asks for each parameter's values in turn.
  package init<Failure>(_ values: (EmbeddingParameter) throws(Failure) -> Values) throws(Failure) {
    word = try values(.word)
    position = try values(.position)
    tokenType = try values(.tokenType)
    norm = .init(gamma: try values(.normGamma), beta: try values(.normBeta))
  }

  package subscript(parameter: EmbeddingParameter) -> Values {
    switch parameter {
    case .word: word
    case .position: position
    case .tokenType: tokenType
    case .normGamma: norm.gamma
    case .normBeta: norm.beta
    }
  }
}

extension EncoderLayerParameters<[Float]> {
  /// Whether all parameters have the sizes of a model with hidden size `d` and intermediate size `f`.
  func fits(_ d: Int, _ f: Int) -> Bool {
    EncoderLayerParameter.allCases.allSatisfy { self[$0].count == $0.count(d, f) }
  }

  var isFinite: Bool { EncoderLayerParameter.allCases.allSatisfy { self[$0].allSatisfy(\.isFinite) } }
}

extension EmbeddingParameters<[Float]> {
  /// Whether all tables have the sizes of a model with hidden size `d`.
  func fits(_ d: Int, vocabulary: Int, positions: Int, types: Int) -> Bool {
    EmbeddingParameter.allCases.allSatisfy {
      self[$0].count == $0.rows(vocabulary: vocabulary, positions: positions, types: types) * d
    }
  }

  var isFinite: Bool { EmbeddingParameter.allCases.allSatisfy { self[$0].allSatisfy(\.isFinite) } }
}
