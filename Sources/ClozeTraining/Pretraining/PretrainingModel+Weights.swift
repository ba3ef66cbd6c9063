internal import Cloze
internal import ClozeIO
internal import Glibc

/// Initial weights: random ones, or those of a model.
extension PretrainingModel {
  /// The standard deviation of initial weights, `initializer_range` of BERT.
  private static let deviation = 0.02

  /// Sets random weights: matrices and tables from a normal distribution of deviation 0.02 that is cut at two
  /// deviations, biases 0, norms the identity (google-research/bert, modeling.py). `[PAD]` is a word like any other.
  func initialize(_ start: PretrainingOptions.Start, seed: UInt64) {
    for (number, block) in blocks.enumerated() {
      var random = TrainingRandom(seed, .weights(layer: number))
      for segment in block.segments where segment.decays {
        for i in segment.range { block.values.base[i] = Self.draw(&random) }
      }
    }
    for norm in norms { norm.gamma.update(repeating: 1, count: configuration.hidden) }
    if start == .structured { structure(seed) }
  }

  private static func draw(_ random: inout TrainingRandom) -> Float {
    while true {
      let value = random.normal()
      if abs(value) <= 2 { return Float(value * deviation) }
    }
  }

  private var norms: [NormParameters<UnsafeMutablePointer<Float>>] {
    [input.values.norm] + stack.layerValues.flatMap { [$0.attentionNorm, $0.outputNorm] }
      + maskedLM.norms
  }

  /// Positions as sinusoids of amplitude 0.04, and in every layer one random matrix for query and key.
  private func structure(_ seed: UInt64) {
    let width = configuration.hidden
    for position in 0..<configuration.positions {
      for i in 0..<width {
        let angle = Double(position) / pow(10_000, Double(i & ~1) / Double(width))
        input.values.position[position * width + i] = Float(0.04 * (i & 1 == 0 ? sin(angle) : cos(angle)))
      }
    }
    for layer in stack.layerValues {
      layer.key.weight.update(from: layer.query.weight, count: width * width)
    }
  }

  /// A model's weights; heads that it lacks get random ones.
  convenience init(_ model: Model, hasNextSentence: Bool, seed: UInt64, _ arithmetic: Arithmetic) throws(ClozeError) {
    let info = model.info
    func refuse(_ reason: String) -> ClozeError {
      ClozeError(.unsupportedModel, "pre-training cannot be continued from this model: \(reason)")
    }
    guard let (embeddings, epsilon) = model.encoderEmbeddings else {
      throw refuse("its embeddings are narrower than its layers")
    }
    guard model.attentionBias == nil else { throw refuse("its attention has a bias by relative position") }
    guard info.typeVocabSize >= 2 || !hasNextSentence else {
      throw refuse("it has \(info.typeVocabSize) token type, and pairs need two; learn mlm alone")
    }
    guard info.precision == .float32 else {
      throw ClozeError(.invalidArgument, "a model is trained in float32: load it with that precision")
    }
    let constants = (0..<info.numHiddenLayers).map { model.encoderLayerConstants($0) }
    let size = Float(info.hiddenSize / info.numAttentionHeads)
    let activation = constants[0].activation
    for layer in constants {
      guard layer.activation == activation, layer.attentionNormEpsilon == epsilon, layer.outputNormEpsilon == epsilon,
        abs(layer.attentionScale * size.squareRoot() - 1) < 1e-6
      else { throw refuse("its layers are not those of a BERT") }
    }
    try self.init(
      Configuration(
        vocabulary: info.vocabSize, hidden: info.hiddenSize, layers: info.numHiddenLayers,
        heads: info.numAttentionHeads, intermediate: info.intermediateSize, positions: info.maxPositionEmbeddings,
        types: max(info.typeVocabSize, 1), activation: activation, epsilon: epsilon), hasNextSentence: hasNextSentence,
      arithmetic)
    initialize(.normal, seed: seed)
    for parameter in EmbeddingParameter.allCases { input.parameters.set(parameter.index, embeddings[parameter]) }
    for layer in 0..<info.numHiddenLayers {
      let weights = model.encoderLayer(layer)
      for parameter in EncoderLayerParameter.allCases {
        stack.parameters.set(EncoderLayerParameter.allCases.count * layer + parameter.index, weights[parameter])
      }
    }
    if let own = model.maskedLMLayers {
      guard own.last?.weight == embeddings.word else { throw refuse("its decoder is not its word table") }
      guard own[0].activation == activation, own[0].norm?.epsilon == epsilon else {
        throw refuse("the head of its masked language model is not BERT's")
      }
      maskedLM.load(own)
    }
    if let own = model.nextSentenceLayers { nextSentence?.load(own) }
  }
}
