public import Cloze
internal import ClozeIO
internal import Synchronization

/// Trains a head for one task on top of one encoder.
///
///     let trainer = try Trainer(model: model, task: .classify)
///     let result = try trainer.train(Dataset(path: "train.tsv", task: .classify)) { _ in true }
///     try result.head.save(to: "head.safetensors")
///
/// The same data, options and seed give the same bits, on any number of threads. One training at a
/// time; a second one at the same time is an error. `events` is the same as an asynchronous sequence.
public final class Trainer: @unchecked Sendable {
  /// The encoder.
  public let model: Model
  /// What is learned.
  public let task: Head.Task
  /// How.
  public let options: TrainingOptions

  let arithmetic: Arithmetic
  let session: Session
  /// Layers of the encoder that are trained; where it is all of them, the embeddings are too.
  let unfrozen: Int
  /// Guards what follows.
  private let running = Atomic<Bool>(false)
  var labels: [String] = []
  var onEvent: (TrainingEvent) -> Bool = { _ in true }

  /// A trainer; nothing is computed yet.
  public init(
    model: Model, task: Head.Task, options: TrainingOptions = TrainingOptions()
  ) throws(ClozeError) {
    try options.check(for: task)
    self.model = model
    self.task = task
    self.options = options
    unfrozen = options.unfreeze == .max ? model.info.numHiddenLayers : options.unfreeze
    guard unfrozen <= model.info.numHiddenLayers else {
      throw ClozeError(
        .invalidArgument,
        "unfreeze = \(unfrozen), the model has \(model.info.numHiddenLayers) layers")
    }
    if options.layers == .mix {
      guard unfrozen == 0, task != .mlm, task != .nsp, options.optimizer != .lbfgs else {
        throw ClozeError(
          .invalidArgument,
          "a mix of layers is trained by adamw on a frozen encoder, not for mlm and nsp")
      }
    }
    if unfrozen > 0 {
      guard model.info.precision == .float32 else {
        throw ClozeError(
          .invalidArgument, "encoder layers are trained in float32: load the model with that precision")
      }
      guard options.optimizer != .lbfgs else {
        throw ClozeError(.invalidArgument, "L-BFGS trains heads only; unfreeze needs adamw")
      }
    }
    arithmetic = try Arithmetic(threads: options.threads, isa: model.info.isa)
    session = try Session(model: model, threads: options.threads)
  }

  var usesLBFGS: Bool {
    if let optimizer = options.optimizer { return optimizer == .lbfgs }
    let isPooled = task != .tag && task != .answer && task != .mlm && task != .nsp
    return isPooled && options.hidden.isEmpty && unfrozen == 0 && options.layers == .last
      && (options.dropout ?? 0) == 0 && options.epochs == nil && options.learningRate == nil
      && options.batchSize == nil
  }

  var pooling: Pooling {
    if task == .nsp { return .cls }
    return options.pooling ?? model.info.pooling
  }

  var maxTokens: Int {
    options.maxTokens
      ?? (task == .answer
        ? min(384, model.info.maxPositionEmbeddings) : model.info.maxTokens)
  }

  /// Trains a head, and gives it back with the weights that were best on the validation set.
  ///
  /// - Parameters:
  ///   - valid: nil: a share of `train` is held out, of every class alike.
  ///   - onEvent: called on this thread as training goes on; false ends it after the present step.
  /// - Throws: `.invalidText` for an example that can't be used, with its place; `.cancelled`;
  ///   `.invalidArgument`; `.io` and `.outOfMemory`.
  public func train(
    _ train: Dataset, valid: Dataset? = nil,
    onEvent: @escaping (TrainingEvent) -> Bool = { _ in true }
  ) throws(ClozeError) -> TrainingResult {
    guard running.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged
    else { throw ClozeError(.busy, "the trainer is running already") }
    self.onEvent = onEvent
    let result: TrainingResult
    do {
      defer {
        self.onEvent = { _ in true }
        running.store(false, ordering: .releasing)
      }
      result = try run(train, valid ?? Dataset())
    }
    // The trainer is free already: who hears of the result may train again.
    _ = onEvent(.result(result))
    return result
  }

  private func run(_ train: Dataset, _ valid: Dataset) throws(ClozeError) -> TrainingResult {
    let tokenizer = try model.requiredTokenizer()
    guard maxTokens <= model.info.maxPositionEmbeddings, maxTokens >= 8 else {
      throw ClozeError(
        .invalidArgument,
        "max tokens = \(maxTokens), 8 to \(model.info.maxPositionEmbeddings) can be had")
    }
    if pooling == .pooler, !model.info.heads.contains(.pooler) {
      throw ClozeError(.noHead, "the model has no pooler; choose another pooling")
    }
    if unfrozen > 0 || options.layers == .mix, pooling == .pooler || pooling == .max {
      throw ClozeError(
        .invalidArgument,
        "unfreeze and a mix of layers go with the poolings mean, cls, mean_sqrt_len")
    }
    var (train, valid) = (train, valid)
    guard !train.examples.isEmpty else {
      throw ClozeError(.invalidText, "there is no example to train on")
    }
    if valid.examples.isEmpty {
      (train, valid) = train.split(task, share: options.holdout, seed: options.seed)
      guard !valid.examples.isEmpty, !train.examples.isEmpty else {
        throw ClozeError(
          .invalidText,
          "of so few examples none can be held out to judge by: give a validation set")
      }
    }
    if task == .nsp {
      train = NextSentencePairs(train, seed: options.seed).dataset
      valid = NextSentencePairs(valid, seed: options.seed &+ 1).dataset
      guard !train.examples.isEmpty, !valid.examples.isEmpty else {
        throw ClozeError(
          .invalidText, "no pairs: two documents with two sentences are needed in each set")
      }
    }
    labels = try Preparation.labels(of: train, task: task)
    let preparation = Preparation(
      task: task, tokenizer: tokenizer, maxTokens: maxTokens, stride: options.stride,
      labels: labels)
    let prepared = (train: try preparation.prepare(train), valid: try preparation.prepare(valid))
    let trained = try makeModel()
    let run = try TrainingRun(
      self, trained, train: train, valid: valid, prepared.train, prepared.valid)
    return try run.run()
  }

  /// The head with its first weights: those of the model where it has that head.
  func makeModel() throws(ClozeError) -> TrainedModel {
    let width = model.info.hiddenSize
    var layers: [NetworkShape.Layer] = []
    var initial: [Head.Dense]?
    func epsilon(_ layer: Head.Dense?) -> Float { layer?.norm?.epsilon ?? 1e-12 }
    switch task {
    case .mlm:
      initial = model.maskedLMLayers
      layers = [
        .init(
          inputs: width, outputs: width, activation: initial?.first?.activation ?? .gelu,
          norm: epsilon(initial?.first)),
        .init(inputs: width, outputs: model.info.vocabSize, borrowsWeight: options.tied),
      ]
    case .nsp:
      initial = model.nextSentenceLayers
      layers = [
        .init(inputs: width, outputs: width, activation: .tanh),
        .init(inputs: width, outputs: 2),
      ]
    default:
      var inputs = width
      for size in options.hidden {
        layers.append(.init(inputs: inputs, outputs: size, activation: options.activation))
        inputs = size
      }
      let outputs =
        switch task {
        case .regress, .regressPairs: 1
        case .answer: 2
        default: labels.count
        }
      layers.append(.init(inputs: inputs, outputs: outputs))
    }
    let network = try Network<Float>(NetworkShape(layers: layers), arithmetic)
    network.initialize(seed: options.seed)
    if let initial { network.load(initial) }
    let stack = try unfrozen > 0 ? EncoderStack<Float>(model, last: unfrozen, arithmetic) : nil
    let input =
      try stack?.layers == model.info.numHiddenLayers && unfrozen > 0
      ? EncoderInput<Float>(model) : nil
    if task == .mlm { try giveDecoder(to: network, initial?.last?.weight, input) }
    let mixture =
      options.layers == .mix
      ? try LayerMixture<Float>(states: model.info.numHiddenLayers + 1, width: width) : nil
    return TrainedModel(
      task: task, network: network, stack: stack, input: input, mixture: mixture, pooling: pooling)
  }

  /// The matrix that the masked language model decodes with: the model's own, which is the word
  /// embeddings where it has none.
  private func giveDecoder(
    to network: Network<Float>, _ own: [Float]?, _ input: EncoderInput<Float>?
  ) throws(ClozeError) {
    let words = own == nil || input != nil && options.tied ? model.wordEmbeddings : []
    let decoder = own ?? words
    guard decoder.count == model.info.hiddenSize * model.info.vocabSize else {
      throw ClozeError(
        .unsupportedModel, "the model's word embeddings are narrower than its layers")
    }
    guard options.tied else {
      if own == nil {
        var head = network.layers
        head[1].weight = decoder
        network.load(head)
      }
      return
    }
    if let input {
      guard decoder == words else {
        throw ClozeError(
          .invalidArgument, "the model's decoder is not its word embeddings; train it untied")
      }
      let (weight, gradient) = input.words
      network.borrow(.init(weight: weight, gradient: gradient, owner: input))
      return
    }
    let block = try Block<Float>(decoder.count)
    block.fill(from: decoder)
    network.borrow(.init(weight: block.base, gradient: nil, owner: block))
  }
}
