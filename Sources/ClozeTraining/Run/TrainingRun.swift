internal import Cloze
internal import ClozeIO

/// One training, from features to the best weights.
final class TrainingRun {
  let trainer: Trainer
  let model: TrainedModel
  let examples: (train: Dataset, valid: Dataset)
  var sets: (train: Prepared, valid: Prepared)
  let evaluator: Evaluator
  let loss: Loss
  let metric: String
  var checkpoint: Checkpoint
  /// Parameters of the best epoch, block by block.
  var best: [[Float]] = []
  var steps: [TrainingStep] = []
  private let masking: Masking?
  /// Sequences before tokens were masked.
  private let whole: (train: Prepared, valid: Prepared)

  var options: TrainingOptions { trainer.options }
  var task: Head.Task { trainer.task }

  init(
    _ trainer: Trainer, _ model: TrainedModel, train: Dataset, valid: Dataset, _ first: Prepared,
    _ second: Prepared
  ) throws(ClozeError) {
    self.trainer = trainer
    self.model = model
    examples = (train, valid)
    sets = (first, second)
    whole = (first, second)
    let options = trainer.options
    let isUnanswerable = train.examples.contains {
      if case .question(_, _, let answers, _) = $0.content { answers.isEmpty } else { false }
    }
    evaluator = Evaluator(
      task: trainer.task, labels: trainer.labels, noAnswerThreshold: isUnanswerable ? 0 : nil)
    var loss = Loss(smoothing: options.labelSmoothing)
    for label in options.classWeights.keys.sorted() where !trainer.labels.contains(label) {
      throw ClozeError(.invalidArgument, "a weight is given for \"\(label)\", which is no label")
    }
    let hasClasses = !trainer.labels.isEmpty && trainer.task != .multilabel
    if hasClasses, options.balanced {
      var counts = [Int](repeating: 0, count: trainer.labels.count)
      for label in first.classes where label >= 0 { counts[Int(label)] += 1 }
      let total = Float(counts.reduce(0, +))
      loss.classWeights = counts.map { total / Float(counts.count * max($0, 1)) }
    } else if hasClasses, !options.classWeights.isEmpty {
      loss.classWeights = trainer.labels.map { options.classWeights[$0] ?? 1 }
    }
    self.loss = loss
    let names: [String] =
      switch trainer.task {
      case .classify, .classifyPairs, .nsp:
        ["accuracy", "f1_macro", "f1_micro", "matthews", "loss"]
      case .multilabel: ["f1_micro", "f1_macro", "accuracy", "loss"]
      case .regress, .regressPairs: ["pearson", "spearman", "mse", "loss"]
      case .tag: ["f1", "precision", "recall", "accuracy", "loss"]
      case .answer: ["f1", "exact_match", "loss"]
      case .mlm: ["perplexity", "accuracy", "loss"]
      }
    metric = options.metric ?? names[0]
    guard names.contains(metric) else {
      throw ClozeError(
        .invalidArgument,
        "metric \"\(metric)\" is not of \(trainer.task.rawValue): \(names.joined(separator: ", "))")
    }
    if trainer.task == .mlm {
      guard let tokenizer = trainer.model.tokenizer, let mask = tokenizer.maskID else {
        throw ClozeError(.noTokenizer, "the tokenizer has no [MASK]")
      }
      let special = [tokenizer.clsID, tokenizer.sepID, tokenizer.padID, tokenizer.unknownID, mask]
      masking = Masking(
        mask: mask, special: Set(special.compactMap { $0 }),
        vocabulary: min(tokenizer.vocabularySize, trainer.model.info.vocabSize))
    } else {
      masking = nil
    }
    checkpoint = Checkpoint(identity: "")
    checkpoint.identity = identity()
  }

  func run() throws(ClozeError) -> TrainingResult {
    if options.resume {
      guard let folder = options.folder else {
        throw ClozeError(.invalidArgument, "resume needs the folder of the checkpoint")
      }
      if let found = try Checkpoint(folder: folder) {
        guard found.identity == checkpoint.identity else {
          throw ClozeError(
            .invalidArgument,
            "\(folder): the checkpoint belongs to other data, options or another model")
        }
        checkpoint = found
      }
    }
    try mask(epoch: 0, isTrain: false)
    if masking != nil { try mask(epoch: 1, isTrain: true) }
    let total = sets.train.sequences.count + sets.valid.sequences.count
    let train = LoadedSet(
      prepared: sets.train, features: try features(sets.train, before: 0, total: total))
    let valid = LoadedSet(
      prepared: sets.valid,
      features: try features(sets.valid, before: sets.train.sequences.count, total: total))
    guard train.prepared.items > 0, train.prepared.rows > 0 else {
      throw ClozeError(.invalidText, "the training examples hold nothing to learn from")
    }
    if trainer.usesLBFGS {
      try runLBFGS(train, valid)
    } else {
      try runAdamW(train, valid)
    }
    return try result(valid)
  }

  func send(_ event: TrainingEvent) throws(ClozeError) {
    guard trainer.onEvent(event) else { throw ClozeError(.cancelled, "cancelled") }
  }

  /// Chooses tokens anew for an epoch of the masked language model.
  func mask(epoch: Int, isTrain: Bool) throws(ClozeError) {
    guard let masking else { return }
    var prepared = isTrain ? whole.train : whole.valid
    var random = TrainingRandom(options.seed, 6, UInt64(epoch))
    var positions: [Int] = []
    var next = 0
    let chosen = masking.apply(to: &prepared.sequences.ids, &random)
    for sequence in 0..<prepared.sequences.count {
      while next < chosen.count, chosen[next].position < prepared.sequences.bounds[sequence + 1] {
        positions.append(chosen[next].position)
        prepared.classes.append(chosen[next].token)
        next += 1
      }
      prepared.bounds.append(positions.count)
    }
    prepared.positions = positions
    if isTrain { sets.train = prepared } else { sets.valid = prepared }
  }

  func features(
    _ prepared: Prepared, before: Int, total: Int
  ) throws(ClozeError) -> FeatureStore? {
    if model.input != nil { return nil }
    let reader = FeatureReader(
      session: trainer.session, pooling: model.pooling, memoryLimit: options.memoryLimit,
      folder: options.folder)
    let layer = model.stack.map { trainer.model.info.numHiddenLayers - $0.layers }
    let read: FeatureReader.States =
      layer.map { .tokens(layer: $0) } ?? (model.mixture == nil ? .last : .all)
    return try reader.read(prepared, read) { done in
      trainer.onEvent(.features(done: before + done, total: total))
    }
  }

  /// Judges the current weights; keeps them where they are the best so far.
  func judge(
    _ valid: LoadedSet, epoch: Int, epochs: Int, loss: Double
  ) throws(ClozeError) -> TrainingEpoch {
    let metrics = try evaluator.evaluate(model, valid, examples.valid.examples).metrics
    let value = metrics[metric] ?? 0
    let isBetter =
      checkpoint.bestValue.map { Metrics.isLoss(metric) ? value < $0 : value > $0 } ?? true
    if isBetter {
      checkpoint.bestValue = value
      checkpoint.bestEpoch = epoch
      best = model.blocks.map(\.parameters.array)
    }
    let entry = TrainingEpoch(
      epoch: epoch, epochs: epochs, loss: loss, metrics: metrics, isBest: isBetter)
    checkpoint.history.append(entry)
    return entry
  }

  /// The head with the best weights, and what it says of the validation set.
  private func result(_ valid: LoadedSet) throws(ClozeError) -> TrainingResult {
    for (block, values) in zip(model.blocks, best) { block.parameters.fill(from: values) }
    let evaluation = try evaluator.evaluate(model, valid, examples.valid.examples)
    let head = Head(
      task: task, labels: trainer.labels, layers: model.network.layers, pooling: model.pooling,
      maxTokens: trainer.maxTokens, stride: task == .answer ? options.stride : 0,
      noAnswerThreshold: evaluator.noAnswerThreshold,
      encoderLayers: model.stack?.encoderLayers ?? [], embeddings: model.input?.embeddings,
      mix: model.mixture?.mix,
      encoder: trainer.model.fingerprint)
    try head.check()
    var scatter: [(truth: Float, predicted: Float)] = []
    if task == .regress || task == .regressPairs {
      scatter = Array(zip(valid.prepared.values, evaluation.logits))
    }
    let cut = sets.train.sequences.truncated + sets.valid.sequences.truncated
    return TrainingResult(
      head: head, metrics: evaluation.metrics, metric: metric, epochs: checkpoint.history,
      steps: steps, counts: (examples.train.examples.count, examples.valid.examples.count),
      truncated: cut.count { $0 }, confusion: evaluation.confusion, scatter: scatter,
      mistakes: evaluator.mistakes(evaluation, valid.prepared, examples.valid.examples))
  }

  /// A hash of the data, and the options that the weights depend on.
  private func identity() -> String {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    func add(_ value: UInt64) { hash = (hash ^ value) &* 0x0000_0100_0000_01B3 }
    for set in [sets.train, sets.valid] {
      for id in set.sequences.ids { add(UInt64(bitPattern: Int64(id))) }
      for bound in set.sequences.bounds { add(UInt64(bound)) }
      for value in set.classes { add(UInt64(bitPattern: Int64(value))) }
      for value in set.labels + set.values { add(UInt64(value.bitPattern)) }
      for span in set.spans { add(UInt64(UInt32(bitPattern: span.first))) }
    }
    let o = options
    let weights = o.classWeights.keys.sorted().map { "\($0)=\(o.classWeights[$0] ?? 0)" }
    let parts: [String] = [
      task.rawValue, "\(trainer.model.fingerprint)", "\(trainer.model.info.precision)", "\(hash)",
      trainer.labels.joined(separator: ","), "\(model.pooling)", "\(o.hidden)",
      o.activation.rawValue, "\(o.dropout ?? -1)", "\(trainer.usesLBFGS)", "\(o.epochs ?? 0)",
      "\(o.batchSize ?? 0)", "\(o.accumulation)", "\(o.learningRate ?? 0)", o.schedule.rawValue,
      "\(o.warmup)", "\(o.weightDecay)", "\(o.l2)", "\(o.clip)", "\(o.labelSmoothing)",
      weights.joined(separator: ","), "\(o.balanced)", "\(o.patience)", metric, "\(o.seed)",
      "\(trainer.maxTokens)", "\(o.stride)", "\(trainer.unfrozen)", "\(o.tied)", o.layers.rawValue,
    ]
    return parts.joined(separator: ";")
  }
}
