internal import Cloze
internal import ClozeIO

/// What a training works with; it does not change while training runs.
struct TrainingSetup: Sendable {
  let model: Model
  let task: any TrainingTask
  let options: TrainingOptions
  let settings: TrainingSettings
  let arithmetic: Arithmetic
  let session: Session
  /// Elements of a row that the head reads.
  var headInputs: Int { model.info.hiddenSize * (settings.pairs == .apart ? PairFeatures.count : 1) }

  init(_ model: Model, _ task: any TrainingTask, _ options: TrainingOptions) throws(ClozeError) {
    try options.check()
    try options.checkFolder()
    try task.check(options)
    self.model = model
    self.task = task
    self.options = options
    settings = try TrainingSettings(model, task, options)
    arithmetic = try Arithmetic(threads: options.threads, isa: model.info.isa)
    session = try Session(model: model, threads: options.threads)
  }
}

/// Options with the defaults of task and model in place of nil.
struct TrainingSettings: Sendable {
  /// Layers of the encoder that are trained; where it is all of them, the embeddings are too.
  let unfrozen: Int
  let pooling: Pooling
  let pairs: Head.Pairs
  let maxTokens: Int
  let stride: Int
  let usesLBFGS: Bool
  /// With L-BFGS, iterations.
  let epochs: Int
  let batchSize: Int
  let learningRate: Double
  let dropout: Dropout
  let metric: String

  init(_ model: Model, _ task: any TrainingTask, _ options: TrainingOptions) throws(ClozeError) {
    func fail(_ reason: String) -> ClozeError { ClozeError(.invalidArgument, reason) }
    let info = model.info
    unfrozen = options.unfreeze == .max ? info.numHiddenLayers : options.unfreeze
    guard unfrozen <= info.numHiddenLayers else {
      throw fail("unfreeze = \(unfrozen), the model has \(info.numHiddenLayers) layers")
    }
    let isConvex = !task.isPretraining && options.hidden.isEmpty && unfrozen == 0
    if let optimizer = options.optimizer {
      usesLBFGS = optimizer == .lbfgs
    } else {
      usesLBFGS =
        isConvex && !task.readsTokens && options.layers == .last && (options.dropout ?? 0) == 0 && options.epochs == nil
        && options.learningRate == nil && options.batchSize == nil
    }
    if options.layers == .mix {
      guard unfrozen == 0, !task.isPretraining, !usesLBFGS else {
        throw fail("a mix of layers is trained by adamw on a frozen encoder, not for mlm and nsp")
      }
    }
    if unfrozen > 0 {
      guard info.precision == .float32 else {
        throw fail("encoder layers are trained in float32: load the model with that precision")
      }
      guard !usesLBFGS else { throw fail("L-BFGS trains heads only; unfreeze needs adamw") }
    }
    pooling = task.pooling ?? options.pooling ?? info.pooling
    if !task.readsTokens, task.pooling == nil, options.pooling == nil, let reason = model.embeddingUnsupportedReason {
      throw ClozeError(.unsupportedModel, "\(reason); name a pooling")
    }
    pairs = try Self.pairs(model, task.task, options)
    maxTokens = options.maxTokens ?? (task.splitsTexts ? min(384, info.maxPositionEmbeddings) : info.maxTokens)
    stride = options.stride ?? min(128, maxTokens / 3)
    epochs = options.epochs ?? (usesLBFGS ? 1000 : unfrozen > 0 ? 5 : 20)
    batchSize = options.batchSize ?? 32
    dropout = Dropout(head: options.dropout ?? (task.isPretraining ? 0 : 0.1), encoder: options.dropout ?? 0.1)
    if let rate = options.learningRate {
      learningRate = rate
    } else if unfrozen > 0 {
      // The more layers are trained together, the smaller the steps that are stable.
      learningRate = 4e-4 / Double(unfrozen)
    } else {
      // A linear head over frozen tokens is convex, and small steps do not reach the minimum in time.
      learningRate = !task.isPretraining && task.readsTokens && options.hidden.isEmpty ? 1e-2 : 1e-3
    }
    let names = task.metrics + ["loss"]
    metric = options.metric ?? names[0]
    guard names.contains(metric) else {
      throw fail("metric \"\(metric)\" is not of \(task.task.rawValue): \(names.joined(separator: ", "))")
    }
  }

  private static func pairs(_ model: Model, _ task: Head.Task, _ options: TrainingOptions) throws(ClozeError)
    -> Head.Pairs
  {
    let isFrozen = options.unfreeze == 0 && options.layers == .last
    guard task == .classifyPairs || task == .regressPairs else {
      guard options.pairs == nil else {
        throw ClozeError(.invalidArgument, "pairs is for classify-pairs and regress-pairs, not for \(task.rawValue)")
      }
      return .joint
    }
    guard options.pairs != .apart || isFrozen else {
      throw ClozeError(
        .invalidArgument, "pairs are read apart by a frozen encoder: not with unfreeze or a mix of layers")
    }
    return options.pairs ?? (isFrozen && !model.readsPairs ? .apart : .joint)
  }

  /// Refuses lengths and poolings that the model does not have.
  func check(_ model: Model, _ layers: TrainingOptions.Layers) throws(ClozeError) {
    let limit = model.info.maxPositionEmbeddings
    guard maxTokens <= limit, maxTokens >= 8 else {
      throw ClozeError(.invalidArgument, "max tokens = \(maxTokens), expected 8 to \(limit)")
    }
    guard stride < maxTokens else {
      throw ClozeError(
        .invalidArgument, "stride = \(stride), expected less than max tokens = \(maxTokens), which windows have")
    }
    if pooling == .pooler, !model.info.heads.contains(.pooler) {
      throw ClozeError(.noHead, "the model has no pooler; choose another pooling")
    }
    if unfrozen > 0 || layers == .mix, !pooling.isLinear {
      let linear = Pooling.allCases.filter(\.isLinear).map(\.name)
      throw ClozeError(
        .invalidArgument, "unfreeze and a mix of layers go with the poolings \(linear.joined(separator: ", "))")
    }
  }
}
