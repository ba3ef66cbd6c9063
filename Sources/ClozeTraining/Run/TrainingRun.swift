internal import Cloze
internal import ClozeIO

/// One training, from examples to the best weights.
final class TrainingRun {
  let setup: TrainingSetup
  let model: TrainableModel
  let loss: Loss
  /// As tokenized; of a masked language model without masks.
  let data: (train: TokenizedDataset, valid: TokenizedDataset)
  let masking: Masking?
  var checkpoint: Checkpoint
  /// Parameters of the best epoch, block by block.
  var best: [[Float]] = []
  var steps: [TrainingStep] = []
  private let examples: (train: Dataset, valid: Dataset)
  private let labels: [String]
  private let noAnswerThreshold: Float?
  private let onEvent: (TrainingEvent) -> Bool

  var task: any TrainingTask { setup.task }
  var options: TrainingOptions { setup.options }
  var settings: TrainingSettings { setup.settings }

  /// - Parameter valid: empty: a share of `train` is held out.
  init(_ setup: TrainingSetup, _ train: Dataset, _ valid: Dataset, _ onEvent: @escaping (TrainingEvent) -> Bool)
    throws(ClozeError)
  {
    let (task, options) = (setup.task, setup.options)
    let tokenizer = try setup.model.requiredTokenizer()
    try setup.settings.check(setup.model, options.layers)
    guard !train.examples.isEmpty else { throw ClozeError(.invalidText, "there is no example to train on") }
    var (train, valid) = (train, valid)
    if valid.examples.isEmpty {
      (train, valid) = train.split(share: options.holdout, seed: options.seed)
      guard !valid.examples.isEmpty, !train.examples.isEmpty else {
        throw ClozeError(.invalidText, "too few examples to hold some out for validation: give a validation set")
      }
    }
    train = try task.examples(train, seed: options.seed)
    valid = try task.examples(valid, seed: options.seed &+ 1)
    labels = try task.labels(of: train)
    let preparation = Preparation(
      tokenizer: tokenizer, maxTokens: setup.settings.maxTokens, stride: setup.settings.stride,
      pairs: setup.settings.pairs, labels: labels, rows: setup.model.info.vocabSize)
    data = (try preparation.prepare(train, for: task), try preparation.prepare(valid, for: task))
    examples = (train, valid)
    masking = try task.masking(setup.model)
    noAnswerThreshold = train.hasUnanswerable ? 0 : nil
    loss = try Self.loss(task, options, labels, data.train)
    model = try TrainableModel(setup, labels: labels)
    checkpoint = Checkpoint(identity: Self.identity(setup, labels, data))
    self.setup = setup
    self.onEvent = onEvent
  }

  private static func loss(
    _ task: any TrainingTask, _ options: TrainingOptions, _ labels: [String], _ data: TokenizedDataset
  ) throws(ClozeError) -> Loss {
    for label in options.classWeights.keys.sorted() where !labels.contains(label) {
      throw ClozeError(.invalidArgument, "a weight is given for \"\(label)\", which is no label")
    }
    var loss = Loss(smoothing: options.labelSmoothing)
    guard task.hasClasses else { return loss }
    if options.balanced {
      var counts = [Int](repeating: 0, count: labels.count)
      for label in data.classes where label >= 0 { counts[Int(label)] += 1 }
      let total = Float(counts.reduce(0, +))
      loss.classWeights = counts.map { total / Float(counts.count * max($0, 1)) }
    } else if !options.classWeights.isEmpty {
      loss.classWeights = labels.map { options.classWeights[$0] ?? 1 }
    }
    return loss
  }

  /// Names the model, the data and the options that weights depend on.
  private static func identity(
    _ setup: TrainingSetup, _ labels: [String], _ data: (train: TokenizedDataset, valid: TokenizedDataset)
  ) -> String {
    var hash = FNV1a()
    for set in [data.train, data.valid] {
      hash.add(set.ids)
      hash.add(set.offsets)
      hash.add(set.classes)
      hash.add(set.labels + set.values)
      hash.add(set.spans.flatMap { [$0.first, $0.last] })
    }
    let (model, task) = (setup.model, setup.task.task.rawValue)
    return [
      task, "\(model.fingerprint)", "\(model.info.precision)", "\(hash.value)", labels.joined(separator: ","),
      "\(setup.settings)", setup.options.canonicalJSON,
    ].joined(separator: ";")
  }

  func run() throws(ClozeError) -> TrainingResult {
    if options.resume {
      guard let folder = options.folder else {
        throw ClozeError(.invalidArgument, "resume needs the folder of the checkpoint")
      }
      if let found = try Checkpoint(folder: folder) {
        guard found.identity == checkpoint.identity else {
          throw ClozeError(
            .invalidArgument, "\(folder): the checkpoint belongs to other data, options or another model")
        }
        checkpoint = found
      }
    }
    let (train, valid) = (masked(data.train, epoch: 1), masked(data.valid, epoch: 0))
    let total = train.sequences + valid.sequences
    let sets = (
      train: FeatureSet(data: train, features: try features(train, before: 0, total: total)),
      valid: FeatureSet(data: valid, features: try features(valid, before: train.sequences, total: total))
    )
    guard train.rows > 0 else { throw ClozeError(.invalidText, "the training examples have nothing to learn from") }
    if settings.usesLBFGS { try runLBFGS(sets.train, sets.valid) } else { try runAdamW(sets.train, sets.valid) }
    return try result(sets.valid)
  }

  func send(_ event: TrainingEvent) throws(ClozeError) {
    guard onEvent(event) else { throw ClozeError(.cancelled, "cancelled") }
  }

  /// The data as a masked language model is trained on them in an epoch; of other tasks unchanged.
  func masked(_ data: TokenizedDataset, epoch: Int) -> TokenizedDataset {
    masking?.masked(data, seed: options.seed, epoch: epoch) ?? data
  }

  /// The outputs of the frozen part of the encoder; nil where none is frozen.
  ///
  /// - Parameters:
  ///   - before: sequences done, for events.
  ///   - total: all sequences, for events.
  func features(_ data: TokenizedDataset, before: Int, total: Int) throws(ClozeError) -> FeatureStore? {
    if model.input != nil { return nil }
    let reader = FeatureReader(
      session: setup.session, pooling: settings.pooling, memoryLimit: options.memoryLimit, folder: options.folder,
      pairs: settings.pairs)
    let layers = setup.model.info.numHiddenLayers
    let states: FeatureReader.States =
      if let stack = model.stack { .tokens(layer: layers - stack.layers) } else { model.mixture == nil ? .last : .all }
    return try reader.read(data, states) { onEvent(.features(done: before + $0, total: total)) }
  }

  /// Evaluates the current weights on the validation set; keeps them if they are the best so far.
  func evaluate(_ valid: FeatureSet, epoch: Int, epochs: Int, loss: Double) throws(ClozeError) -> TrainingEpoch {
    let metrics = try predictions(valid).scores(of: task).metrics
    let value = metrics[settings.metric] ?? 0
    let isBetter = checkpoint.bestValue.map { Metrics.isLoss(settings.metric) ? value < $0 : value > $0 } ?? true
    if isBetter {
      checkpoint.bestValue = value
      best = model.blocks.map(\.values.array)
    }
    let entry = TrainingEpoch(epoch: epoch, epochs: epochs, loss: loss, metrics: metrics, isBest: isBetter)
    checkpoint.history.append(entry)
    return entry
  }

  private func predictions(_ valid: FeatureSet) throws(ClozeError) -> Predictions {
    try Predictions(
      model, valid, examples.valid.examples, labels: labels, noAnswerThreshold: noAnswerThreshold,
      keepsLogits: masking == nil)
  }

  /// The head with the best weights, and its evaluation on the validation set.
  private func result(_ valid: FeatureSet) throws(ClozeError) -> TrainingResult {
    for (block, values) in zip(model.blocks, best) { block.values.fill(from: values) }
    let prior = self.prior
    let evaluation = try predictions(valid).evaluation(of: task, metric: settings.metric, prior)
    let head = Head(
      task: task.task, labels: labels, layers: model.network.headLayers, pooling: settings.pooling,
      pairs: settings.pairs,
      maxTokens: settings.maxTokens, stride: task.splitsTexts ? settings.stride : 0,
      noAnswerThreshold: noAnswerThreshold, encoderLayers: model.stack?.encoderLayers ?? [],
      embeddings: model.input?.embeddings, attentionBias: model.stack?.attentionBias, mix: model.mixture?.mix,
      encoder: setup.model.fingerprint, model: setup.model.name, labelCounts: labels.isEmpty ? [] : prior.counts,
      meanValue: prior.mean)
    try head.check()
    return TrainingResult(
      head: head, evaluation: evaluation, epochs: checkpoint.history, steps: steps,
      counts: (examples.train.examples.count, examples.valid.examples.count),
      truncated: data.train.truncated + data.valid.truncated)
  }

  /// What is known of the training targets.
  private var prior: Prior {
    guard let masking else { return Prior(examples.train, labels: labels, isOfTraining: true) }
    let tokens = data.train.ids.filter { !masking.special.contains($0) }
    return Prior(tokens: tokens, vocabulary: setup.model.info.vocabSize, isOfTraining: true)
  }
}
