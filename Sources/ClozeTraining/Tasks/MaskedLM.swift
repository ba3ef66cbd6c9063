internal import Cloze
internal import ClozeIO
internal import Glibc
internal import ClozeTokenizer

/// The tokens that were masked (Devlin et al. 2019). Every sentence is an item; its rows are the tokens that an epoch
/// masks.
struct MaskedLM: TrainingTask {
  var task: Head.Task { .mlm }
  var formats: [DataFormat.Kind] { [.lines, .jsonl, .json] }
  var readsTokens: Bool { true }
  var allowsSmoothing: Bool { true }
  var isPretraining: Bool { true }
  var metrics: [String] { ["perplexity", "accuracy"] }

  func content(_ line: JSONField, _ format: DataFormat) throws(ClozeError) -> Example.Content {
    try document(line, format)
  }

  func append(_ content: Example.Content, _ index: Int, to data: inout TokenizedDataset, _ preparation: Preparation)
    throws(ClozeError)
  {
    guard case .document(let sentences) = content else { throw mismatch() }
    for sentence in sentences { try preparation.append(Text(sentence), to: &data) }
  }

  func masking(_ model: Model) throws(ClozeError) -> Masking? {
    guard let tokenizer = model.tokenizer, let mask = tokenizer.maskID else {
      throw ClozeError(.noTokenizer, "the tokenizer has no [MASK]")
    }
    let special = [tokenizer.clsID, tokenizer.sepID, tokenizer.padID, tokenizer.unknownID, mask]
    return Masking(
      mask: mask, special: Set(special.compactMap { $0 }),
      vocabulary: min(tokenizer.vocabularySize, model.info.vocabSize))
  }

  func check(_ options: TrainingOptions) throws(ClozeError) {
    if options.optimizer == .lbfgs {
      throw ClozeError(.invalidArgument, "L-BFGS is not for mlm, which masks other tokens in every epoch")
    }
    try checkTargets(options)
  }

  /// Transform and decoder, from the model's own where it has them. The decoder's matrix is the word embeddings where
  /// the model has no other; `tied` shares it, trained with the embeddings or frozen.
  func network(_ setup: TrainingSetup, labels: [String], input: EncoderInput<Float>?) throws(ClozeError) -> Network<
    Float
  > {
    let (model, tied) = (setup.model, setup.options.tied)
    let (width, vocabulary) = (model.info.hiddenSize, model.info.vocabSize)
    let own = model.maskedLMLayers
    let network = try Network<Float>(
      [
        DenseLayer(
          inputs: width, outputs: width, activation: own?.first?.activation ?? .gelu,
          norm: own?.first?.norm?.epsilon ?? 1e-12),
        DenseLayer(inputs: width, outputs: vocabulary, borrowsWeight: tied),
      ], setup.arithmetic)
    network.initialize(seed: setup.options.seed)
    if let own { network.load(own) }

    let words = own == nil || input != nil && tied ? model.wordEmbeddings : []
    let decoder = own?.last?.weight ?? words
    guard decoder.count == width * vocabulary else {
      throw ClozeError(.unsupportedModel, "the model's word embeddings are narrower than its layers")
    }
    if !tied {
      if own == nil {
        var head = network.headLayers
        head[1].weight = decoder
        network.load(head)
      }
    } else if let input {
      guard decoder == words else {
        throw ClozeError(.invalidArgument, "the model's decoder is not its word embeddings; train it untied")
      }
      network.borrow(.init(weight: input.values.word, gradient: input.gradients.word, owner: input))
    } else {
      let block = try Block<Float>(decoder.count)
      block.fill(from: decoder)
      network.borrow(.init(weight: block.base, gradient: nil, owner: block))
    }
    return network
  }

  func evaluate(_ predictions: Predictions) -> TaskScores {
    TaskScores(
      metrics: metrics(
        loss: predictions.loss, accuracy: Double(predictions.correct) / Double(max(predictions.counted, 1))))
  }

  func baseline(_ predictions: Predictions, _ prior: Prior) -> (rule: Baseline.Rule, metrics: Metrics)? {
    guard let best = prior.mostFrequent else { return nil }
    let (loss, classes) = (prior.crossEntropy(predictions.data.classes), predictions.data.classes)
    let right = classes.count { Int($0) == best }
    var metrics = metrics(loss: loss, accuracy: Double(right) / Double(max(classes.count, 1)))
    metrics.values.append(("loss", loss))
    return (.frequencies, metrics)
  }

  private func metrics(loss: Double, accuracy: Double) -> Metrics {
    Metrics([("perplexity", Glibc.exp(min(loss, 700))), ("accuracy", accuracy)])
  }

  func mistakes(_ predictions: Predictions) -> [WrongPrediction] { [] }
}

/// Chooses the tokens that a masked language model has to predict (Devlin et al. 2019): 15 % of those that are not
/// special; 80 % of them become `[MASK]`, 10 % a random token, 10 % stay.
struct Masking {
  /// Of the tokens, how many are chosen.
  static let share = 0.15

  let mask: Int32
  let special: Set<Int32>
  /// What random tokens are drawn from.
  let ordinary: [Int32]

  init(mask: Int32, special: Set<Int32>, vocabulary: Int) {
    self.mask = mask
    self.special = special
    ordinary = (0..<Int32(clamping: vocabulary)).filter { !special.contains($0) }
  }

  /// Masks `ids`, and returns the positions that were chosen with the tokens that were there.
  func apply(to ids: inout [Int32], _ random: inout TrainingRandom) -> [(position: Int, token: Int32)] {
    var chosen: [(position: Int, token: Int32)] = []
    for i in ids.indices where !special.contains(ids[i]) {
      guard random.unit() < Self.share else { continue }
      chosen.append((i, ids[i]))
      replace(&ids[i], &random)
    }
    return chosen
  }

  /// What a chosen token becomes: `[MASK]` in 80 % of cases, a random token in 10 %, and else what it was.
  func replace(_ id: inout Int32, _ random: inout TrainingRandom) {
    let share = random.unit()
    if share < 0.8 {
      id = mask
    } else if share < 0.9, !ordinary.isEmpty {
      id = ordinary[random.below(ordinary.count)]
    }
  }

  /// A data set with tokens masked: its rows are their positions, its targets what was there.
  func masked(_ unmasked: TokenizedDataset, seed: UInt64, epoch: Int) -> TokenizedDataset {
    var data = unmasked
    var random = TrainingRandom(seed, .masking(epoch: epoch))
    let chosen = apply(to: &data.ids, &random)
    data.positions = chosen.map(\.position)
    data.classes = chosen.map(\.token)
    data.rowOffsets = [0]
    var next = 0
    for item in 0..<unmasked.items {
      while next < chosen.count, chosen[next].position < data.offsets[item + 1] { next += 1 }
      data.rowOffsets.append(next)
    }
    return data
  }
}
