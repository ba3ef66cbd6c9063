internal import CClozeKernels
public import ClozeIO
internal import ClozeONNX
public import ClozeTokenizer

/// A BERT ready to run: its weights, packed for one precision and instruction set, and its
/// tokenizer. Never changes; share it between threads and sessions.
public final class Model: Sendable {
  /// Its configuration, and how it was prepared.
  public let info: ModelInfo
  /// nil where neither the model's files nor the load options have one.
  public let tokenizer: Tokenizer?

  let weights: Weights
  let kernels: Kernels
  /// The largest block of rows that a thread takes through the dense layers at once: its intermediate state,
  /// F floats per row, must stay in 512 KB of second-level cache.
  let blockRows: Int
  /// Why the tokenizer beside the model is unsupported; nil where it is supported, or there is none.
  let tokenizerUnsupportedReason: String?
  /// Whether it was trained to read two texts as one sequence: it has a next-sentence head, or classes.
  package var readsPairs: Bool { info.heads.contains(.nsp) || info.heads.contains(.classes) }
  /// Why the pooling of the model's files is unsupported; `embed` then requires the caller to name one.
  package let embeddingUnsupportedReason: String?
  /// The pooling of the model's graph or files; nil where they name none.
  let sentencePooling: Pooling?
  /// The name of its folder or file; nil: loaded from memory.
  package let name: String?
  /// The trained head that was put on it; nil where there is none.
  public let head: Head?
  /// What the files say about the head that they bring, or that a trained one has in its place.
  let headSettings: HeadSettings
  /// What `Session.predict` runs; nil where nothing is predicted.
  let taskHead: TaskHead?
  /// The model whose weights this one shares.
  let base: Model?

  /// Loads a model.
  ///
  /// - Parameter path: a `.onnx` file, a `.cloze` file as `convert` writes it, a `.safetensors` file with its
  ///   `config.json`, or a folder with `model.onnx`, `onnx/model.onnx` or `model.safetensors`; nil: the
  ///   built-in model. Where present, `tokenizer.json` or `vocab.txt` with `tokenizer_config.json`,
  ///   `config.json`, `sentence_bert_config.json`, `modules.json` with its modules' folders and
  ///   `config_sentence_transformers.json` beside it are used.
  /// - Throws: `.notFound`, `.io`, `.invalidModel`, `.unsupportedModel`, `.unsupportedISA`,
  ///   `.outOfMemory`.
  public convenience init(path: String? = nil, options: LoadOptions = LoadOptions()) throws(ClozeError) {
    let files = try ModelFiles(path: path)
    if PreparedFormat.isPrepared(path: files.model) {
      try self.init(prepared: PreparedFile(path: files.model), options: options, modelName: files.name)
      return
    }
    var settings = try files.settings()
    settings.name = files.name
    var tokenizer = options.tokenizer
    if tokenizer == nil { tokenizer = try files.tokenizer(ofModel: &settings) }
    let graph = try Self.graph(files, settings)
    try self.init(graph, tokenizer: tokenizer, settings: settings, options: options)
  }

  /// Loads a model from the bytes of a `.onnx` or `.cloze` file, which the model does not keep.
  public convenience init(bytes: UnsafeRawBufferPointer, options: LoadOptions = LoadOptions()) throws(ClozeError) {
    if PreparedFormat.isPrepared(bytes) {
      try self.init(prepared: PreparedFile(MappedFile(copying: bytes), name: "the model"), options: options)
      return
    }
    let graph = try Self.graph { () throws(ClozeError) in try recognizeBERT(in: ONNXFile(borrowing: bytes)) }
    try self.init(graph, tokenizer: options.tokenizer, settings: ModelSettings(), options: options)
  }

  /// The BERT in a model's files.
  static func graph(_ files: ModelFiles, _ settings: ModelSettings) throws(ClozeError) -> BERTGraph {
    try graph { () throws(ClozeError) in try files.graph(settings) }
  }

  private static func graph(_ body: () throws(ClozeError) -> BERTGraph) throws(ClozeError) -> BERTGraph {
    // The probes compute constants of the graph, which must not depend on the host's rounding mode.
    let saved = cloze_float_environment_enter()
    defer { cloze_float_environment_restore(saved) }
    return try body()
  }

  convenience init(_ graph: BERTGraph, tokenizer: Tokenizer?, settings: ModelSettings, options: LoadOptions)
    throws(ClozeError)
  {
    let kernels = try Kernels.choose(options.isa)
    let precision = options.precision ?? .int8
    var settings = settings
    try settings.follow(graph)
    let saved = cloze_float_environment_enter()
    defer { cloze_float_environment_restore(saved) }
    try self.init(
      WeightBuilder(kernels: kernels, precision: precision, threads: options.loadingThreads).build(graph),
      graph.configuration, kernels: kernels, precision: precision, tokenizer: tokenizer, settings: settings)
  }

  /// Of weights, with the trained head of the settings on them.
  convenience init(
    _ weights: Weights, _ configuration: BERTConfiguration, kernels: Kernels, precision: Precision,
    tokenizer: Tokenizer?, settings: ModelSettings
  ) throws(ClozeError) {
    guard var head = settings.trainedHead else {
      try self.init(
        encoder: weights, configuration, kernels: kernels, precision: precision, tokenizer: tokenizer,
        settings: settings)
      return
    }
    let encoder = try Model(
      encoder: weights, configuration, kernels: kernels, precision: precision, tokenizer: tokenizer, settings: settings)
    head.encoder = encoder.fingerprint
    try self.init(encoder, head: head)
  }

  private init(
    encoder weights: Weights, _ configuration: BERTConfiguration, kernels: Kernels, precision: Precision,
    tokenizer: Tokenizer?, settings: ModelSettings
  ) throws(ClozeError) {
    self.weights = weights
    self.kernels = kernels
    self.tokenizer = tokenizer
    var configuration = configuration
    configuration.typeVocabSize = max(configuration.typeVocabSize, 1)
    configuration.layerNormEps = Double(weights.norm.epsilon)
    var info = ModelInfo(
      configuration: configuration, maxTokens: min(settings.maxTokens ?? .max, configuration.maxPositionEmbeddings),
      precision: precision, isa: kernels.isa, heads: Heads(weights.heads.keys), pooling: settings.pooling ?? .mean,
      normalize: settings.normalize ?? true, weightBytes: weights.memory.bytes)
    info.embeddingSize = weights.sentence.width(after: configuration.hiddenSize)
    info.labels = settings.labels
    info.prompts = settings.prompts
    headSettings = settings.head
    taskHead = TaskHead(settings.head, weights.heads, labels: settings.labels, maxTokens: info.maxTokens)
    info.task = taskHead?.task
    self.info = info
    let panel = Int(kernels.matrix(precision).mr)
    let rows = 512 * 1024 / (MemoryLayout<Float>.size * max(configuration.intermediateSize, 1))
    blockRows = min(max(rows, 24), 48).roundedUp(to: panel)
    embeddingUnsupportedReason = settings.embeddingUnsupportedReason
    sentencePooling = settings.embeddingUnsupportedReason == nil ? settings.pooling : nil
    tokenizerUnsupportedReason = settings.tokenizerUnsupportedReason
    name = settings.name
    head = nil
    base = nil
    try settings.check(info)
  }

  /// This model with a trained head on it; the two share weights.
  ///
  /// - Throws: `.invalidArgument` for a head that was trained on another encoder, `.invalidModel` for one
  ///   with inconsistent sizes.
  public init(_ model: Model, head: Head) throws(ClozeError) {
    try model.check(head)
    kernels = model.kernels
    tokenizer = model.tokenizer
    blockRows = model.blockRows
    embeddingUnsupportedReason = model.embeddingUnsupportedReason
    sentencePooling = model.sentencePooling
    tokenizerUnsupportedReason = model.tokenizerUnsupportedReason
    name = model.name
    base = model
    self.head = head
    headSettings = HeadSettings(trained: head)
    var weights = try model.weights(with: head)
    // The labels are those of the trained head.
    for output: OutputHead in [.classes, .tags, .answer] { weights.heads[output] = nil }
    if head.task == .mlm {
      // Packed among the model's own weights.
      taskHead = nil
    } else {
      let packed = try WeightBuilder(kernels: kernels, precision: .float32, threads: 1).head(head)
      taskHead = TaskHead(head, packed)
      switch head.task {
      // Not the output of one sequence.
      case .classifyPairs where head.pairs == .apart, .regressPairs where head.pairs == .apart: break
      case .classify, .classifyPairs, .multilabel, .regress, .regressPairs: weights.heads[.classes] = packed
      case .tag: weights.heads[.tags] = packed
      case .answer: weights.heads[.answer] = packed
      case .mlm, .nsp: break
      }
    }
    self.weights = weights
    var info = model.info
    info.labels = head.labels
    info.task = taskHead?.task
    info.heads = Heads(weights.heads.keys)
    self.info = info
  }

  /// The most tokens of a text that `predict` reads, or of a window; nil where it reads none.
  package var predictionTokens: Int? { taskHead?.maxTokens }

  /// Whether `predict` reads nothing but pairs.
  package var predictsPairsOnly: Bool { taskHead?.needsPairs ?? false }

  /// The head that gives an output, or an error with those that the model has.
  func packedHead(_ output: OutputHead) throws(ClozeError) -> PackedHead {
    guard let head = weights.heads[output] else { throw noHead(output.name) }
    return head
  }

  /// The error for a head that the model does not have.
  func noHead(_ name: String) -> ClozeError {
    let names = OutputHead.allCases.filter { weights.heads[$0] != nil }.map(\.name)
    return ClozeError(
      .noHead, "the model has no \(name); it has \(names.isEmpty ? "no heads" : names.joined(separator: ", "))")
  }

  /// The head that predicts, or an error.
  func requiredTaskHead() throws(ClozeError) -> TaskHead {
    if let taskHead { return taskHead }
    guard head?.task != .mlm else {
      throw ClozeError(.invalidArgument, "a masked language model is used by fillMask")
    }
    if let reason = headSettings.unsupportedReason(classes: info.labels.count), info.heads.contains(.classes) {
      throw ClozeError(.unsupportedModel, "nothing is predicted with the model's classes: \(reason)")
    }
    throw noHead("head to predict with, trained or of its file: classes, tags or answers")
  }

  /// - Throws: `.noTokenizer` where the model has none.
  package func requiredTokenizer() throws(ClozeError) -> Tokenizer {
    guard let tokenizer else {
      if let tokenizerUnsupportedReason {
        throw ClozeError(
          .noTokenizer, "the model's tokenizer is not supported: \(tokenizerUnsupportedReason); pass token ids")
      }
      throw ClozeError(
        .noTokenizer,
        "the model has no tokenizer: no tokenizer.json or vocab.txt is beside it; "
          + "set one in the load options, or pass token ids")
    }
    return tokenizer
  }
}
