internal import Cloze
internal import ClozeIO

/// The embeddings of an encoder, forward and backward, over a ragged batch:
///
///     x = norm(word[id] + position[place] + tokenType[type])
final class EncoderInput<S: TrainingScalar> {
  struct Settings {
    var width: Int
    var vocabulary: Int
    var positions: Int
    /// 0: the model has none; the one row that is added for them is not trained.
    var types: Int
    var epsilon: S
  }

  /// Tokens of a batch, end to end.
  struct Tokens {
    var ids: [Int32] = []
    var types: [Int32] = []
    /// [B + 1]
    var offsets: [Int] = [0]
  }

  let settings: Settings
  let arithmetic: Arithmetic
  let parameters: ParameterBlock<S>
  let values: EmbeddingParameters<UnsafeMutablePointer<S>>
  let gradients: EmbeddingParameters<UnsafeMutablePointer<S>>
  /// Rows of the word table with a gradient.
  let touched: TouchedRows
  private var tokens = Tokens()
  private var sum = GrowingBuffer<S>()
  private var normalized = GrowingBuffer<S>()
  private var inverseDeviation = GrowingBuffer<S>()
  private var output = GrowingBuffer<S>()
  private var dropout = Dropout.none[.embeddings]

  init(_ settings: Settings, _ arithmetic: Arithmetic) throws(ClozeError) {
    self.settings = settings
    self.arithmetic = arithmetic
    let block = try ParameterBlock<S>(
      EmbeddingParameter.allCases.map { parameter in
        let rows = parameter.rows(vocabulary: settings.vocabulary, positions: settings.positions, types: settings.types)
        return (rows * settings.width, parameter != .tokenType || settings.types > 0, parameter.isTable)
      })
    touched = TouchedRows(count: settings.vocabulary, width: settings.width)
    block.touched = touched
    parameters = block
    values = EmbeddingParameters { block.value($0.index) }
    gradients = EmbeddingParameters { block.gradient($0.index) }
  }

  /// x [T, D], valid until the next call.
  func forward(_ tokens: Tokens, dropout: Dropout = .none) throws(ClozeError) -> UnsafeMutablePointer<S> {
    self.tokens = tokens
    self.dropout = dropout[.embeddings]
    let (rows, d) = (tokens.ids.count, settings.width)
    let sum = try sum.reserve(rows * d)
    try forEachToken { row, word, place, type in
      let target = sum + row &* d
      target.update(from: values.word + word &* d, count: d)
      S.add(values.position + place &* d, d, target, arithmetic)
      S.add(values.tokenType + type &* d, d, target, arithmetic)
    }
    let result = try output.reserve(rows * d)
    try arithmetic.layernorm(sum, rows, d, values.norm, settings.epsilon, try kept(rows), result)
    if self.dropout.threshold > 0 { try arithmetic.dropout(result, rows, d, self.dropout, result) }
    return result
  }

  private func kept(_ rows: Int) throws(ClozeError) -> NormActivations<S> {
    NormActivations(
      normalized: try normalized.reserve(rows * settings.width), inverseDeviation: try inverseDeviation.reserve(rows))
  }

  /// Adds the gradients of the last `forward`; `d` [T, D], the gradient of its result, is overwritten.
  func backward(_ d: UnsafeMutablePointer<S>) throws(ClozeError) {
    let (rows, width) = (tokens.ids.count, settings.width)
    if dropout.threshold > 0 { try arithmetic.dropout(d, rows, width, dropout, d) }
    try arithmetic.layernormBackward(d, try kept(rows), rows, width, values.norm, gradients.norm, d)
    try forEachToken { row, word, place, type in
      let source = d + row &* width
      S.add(source, width, gradients.word + word &* width, arithmetic)
      S.add(source, width, gradients.position + place &* width, arithmetic)
      S.add(source, width, gradients.tokenType + type &* width, arithmetic)
      touched.add(word)
    }
  }

  /// Calls `body` with each token's row in the batch and its rows of the three tables.
  private func forEachToken(_ body: (_ row: Int, _ word: Int, _ place: Int, _ type: Int) -> Void) throws(ClozeError) {
    var sequence = 0
    for row in tokens.ids.indices {
      while sequence + 1 < tokens.offsets.count, row >= tokens.offsets[sequence + 1] { sequence += 1 }
      let place = row - tokens.offsets[sequence]
      let word = Int(tokens.ids[row])
      // With one type or none, all tokens are of type 0.
      let type = settings.types > 1 ? Int(tokens.types[row]) : 0
      guard word >= 0, word < settings.vocabulary, place < settings.positions, type >= 0, type < max(settings.types, 1)
      else { throw ClozeError(.invalidText, "token \(word) of type \(type) is outside the model's tables") }
      body(row, word, place, type)
    }
  }
}

/// The embeddings of a model and of a head.
extension EncoderInput where S == Float {
  convenience init(_ model: Model, _ arithmetic: Arithmetic) throws(ClozeError) {
    let info = model.info
    guard let (embeddings, epsilon) = model.encoderEmbeddings else {
      throw ClozeError(
        .unsupportedModel,
        "embeddings that are narrower than the layers cannot be trained; leave them frozen with unfreeze = "
          + "\(info.numHiddenLayers - 1) or less")
    }
    try self.init(
      Settings(
        width: info.hiddenSize, vocabulary: info.vocabSize, positions: info.maxPositionEmbeddings,
        types: info.typeVocabSize, epsilon: epsilon), arithmetic)
    for parameter in EmbeddingParameter.allCases { parameters.set(parameter.index, embeddings[parameter]) }
  }

  /// The embeddings as a head holds them.
  var embeddings: EncoderEmbeddings { EncoderEmbeddings { parameters.array($0.index) } }
}
