internal import ClozeIO
internal import ClozeONNX
internal import ClozeTokenizer

/// The section "configuration" of a prepared model: all sizes and settings, as JSON with the keys of a Hugging
/// Face `config.json` where it has them.
struct PreparedConfiguration {
  var precision: Precision
  var model: BERTConfiguration
  var heads: Heads
  /// Whether the decoder of the masked language model is the word table.
  var isTied: Bool
  var maskedLMActivation = Activation.gelu
  /// Elements of a row of the tables; the hidden size unless they are projected to it.
  var embeddingSize: Int
  var isProjected: Bool
  /// Whether attention scores have a bias by relative position.
  var hasAttentionBias: Bool
  /// The dense layer between pooling and the layer of the classes; nil: none.
  var classTransform: Step?
  /// What follows the model's own pooling.
  var sentence: [SentenceShape] = []
  var settings: ModelSettings

  /// Outputs of a dense layer, and the activation after it.
  struct Step {
    var size: Int
    var activation: Activation
  }

  /// Outputs of the classes or tags head.
  var labelCount: Int { settings.labels.count }

  static let section = "configuration"
  /// Exclusive upper bound of every size; keeps products of two from overflowing.
  private static let maxSize = 1 << 31

  /// Of a model's own weights, as they are stored.
  init(_ weights: Weights, of model: Model, _ settings: ModelSettings) {
    precision = model.info.precision
    self.model = model.info.configuration
    heads = Heads(weights.heads.keys)
    isTied = weights.isTied
    if let mlm = weights.heads[.maskedLM]?.layers.first { maskedLMActivation = mlm.activation }
    embeddingSize = weights.embeddingWidth(model.info.hiddenSize)
    isProjected = weights.projection != nil
    hasAttentionBias = weights.attentionBias != nil
    if let layers = weights.heads[.classes]?.layers, layers.count > 1 { classTransform = Step(layers[0]) }
    sentence = weights.sentence.map { SentenceShape($0) }
    self.settings = settings
    if !heads.contains(.classes), !heads.contains(.tags) { self.settings.labels = [] }
  }

  /// The section.
  var json: String {
    var writer = JSONWriter()
    writer.object {
      $0.value("model_type", "bert")
      $0.value("precision", precision.word)
      for (key, size) in model.sizes { $0.value(key, size) }
      $0.value("hidden_act", model.hiddenAct.configKey)
      $0.array("heads") { for name in heads.words { $0.value(nil, name) } }
      $0.value("tie_word_embeddings", isTied)
      if heads.contains(.mlm) { $0.value("mlm_hidden_act", maskedLMActivation.configKey) }
      if isProjected { $0.value("embedding_size", embeddingSize) }
      if hasAttentionBias { $0.value("relative_attention_num_buckets", RelativePosition.buckets) }
      if labelCount > 0 { $0.array("labels") { for label in settings.labels { $0.value(nil, label) } } }
      if let classTransform { $0.object("classes_transform") { classTransform.write(to: &$0) } }
      if !sentence.isEmpty {
        $0.array("sentence_dense") { for step in sentence { $0.object { step.write(to: &$0) } } }
      }
      for (key, value) in settings.head.entries { $0.value(key, value) }
      if let reason = settings.tokenizerUnsupportedReason { $0.value("no_tokenizer", reason) }
      if let length = settings.maxTokens { $0.value("max_seq_length", length) }
      if let pooling = settings.pooling { $0.value("pooling", pooling.name) }
      if let normalize = settings.normalize { $0.value("normalize", normalize) }
      if let reason = settings.embeddingUnsupportedReason { $0.value("no_embedding", reason) }
      settings.prompts.write(to: &$0)
    }
    return writer.text
  }

  /// Reads what `json` wrote, trusting nothing in it.
  ///
  /// - Throws: `.invalidModel`, naming the key.
  init(_ json: [UInt8]) throws(ClozeError) {
    let root = try JSONField(parsing: json, name: Self.section)
    func size(_ key: String) throws(ClozeError) -> Int {
      let field = try root.required(key)
      let value = try field.integer()
      guard value > 0, value < Self.maxSize else { throw ClozeError(.damaged, "\(field.path) is \(value)") }
      return value
    }
    func word<T>(_ key: String, _ meaning: (String) -> T?) throws(ClozeError) -> T {
      let field = try root.required(key)
      let text = try field.string()
      guard let value = meaning(text) else {
        throw ClozeError(.damaged, "\(field.path) is \"\(text)\", which is unknown")
      }
      return value
    }
    _ = try word("model_type") { $0 == "bert" ? true : nil }
    precision = try word("precision", Precision.init(word:))
    // The epsilons are stored with the norms' weights.
    model = try BERTConfiguration(
      hiddenAct: word("hidden_act", Activation.init(configKey:)), layerNormEps: 0, size: size)
    isProjected = try root.present("embedding_size") != nil
    embeddingSize = isProjected ? try size("embedding_size") : model.hiddenSize
    if let field = try root.present("relative_attention_num_buckets") {
      let buckets = try field.integer()
      guard buckets == RelativePosition.buckets else { throw ClozeError(.damaged, "\(field.path) is \(buckets)") }
      hasAttentionBias = true
    } else {
      hasAttentionBias = false
    }
    guard model.hiddenSize % model.numAttentionHeads == 0 else {
      throw ClozeError(
        .damaged, "\(Self.section): \(model.numAttentionHeads) heads do not divide a hidden size of \(model.hiddenSize)"
      )
    }
    // The largest number of 8-bit products whose sum fits 32 bits.
    guard max(model.hiddenSize, model.intermediateSize) <= 65536 else {
      throw ClozeError(.damaged, "\(Self.section): a dense layer has more than 65536 inputs")
    }
    heads = []
    for field in try root.required("heads").elements() {
      let name = try field.string()
      guard let head = Heads(word: name) else {
        throw ClozeError(.damaged, "\(field.path) is \"\(name)\", which is unknown")
      }
      heads.insert(head)
    }
    guard !heads.contains(.nsp) || heads.contains(.pooler) else {
      throw ClozeError(.damaged, "\(Self.section): nsp needs a pooler")
    }
    isTied = try root.required("tie_word_embeddings").bool()
    guard !isTied || heads.contains(.mlm) && embeddingSize == model.hiddenSize else {
      throw ClozeError(.damaged, "\(Self.section): the tied decoder is missing or has another size than the word table")
    }
    if heads.contains(.mlm) { maskedLMActivation = try word("mlm_hidden_act", Activation.init(configKey:)) }
    settings = ModelSettings()
    for field in try root.present("labels")?.elements() ?? [] { settings.labels.append(try field.string()) }
    settings.head = try HeadSettings(prepared: root, labels: settings.labels)
    let hasLabels = heads.contains(.classes) || heads.contains(.tags)
    guard hasLabels == (labelCount > 0), !heads.isSuperset(of: [.classes, .tags]) else {
      throw ClozeError(.damaged, "\(Self.section): \(labelCount) labels do not match the heads")
    }
    // The widest rows that fit a run's scratch memory.
    let widest = max(model.hiddenSize, model.intermediateSize)
    func step(_ field: JSONField, _ maxSize: Int) throws(ClozeError) -> Step {
      let step = try Step(field)
      guard step.size > 0, step.size <= maxSize else {
        throw ClozeError(.damaged, "\(field.path).size is \(step.size)")
      }
      return step
    }
    if let field = try root.present("classes_transform") { classTransform = try step(field, model.hiddenSize) }
    for field in try root.present("sentence_dense")?.elements() ?? [] {
      sentence.append(try SentenceShape(field, after: SentenceShape.width(sentence, of: model.hiddenSize)))
    }
    guard embeddingSize <= widest, classTransform == nil || heads.contains(.classes) else {
      throw ClozeError(
        .damaged, "\(Self.section): embeddings or a head are wider than the layers, or a head is missing")
    }
    settings.tokenizerUnsupportedReason = try root.present("no_tokenizer")?.string()
    if let field = try root.present("max_seq_length") {
      settings.maxTokens = Int(try field.id())
      guard settings.maxTokens != 0 else { throw ClozeError(.damaged, "\(field.path) is 0") }
    }
    if try root.present("pooling") != nil { settings.pooling = try word("pooling", Pooling.init(name:)) }
    settings.normalize = try root.present("normalize")?.bool()
    settings.embeddingUnsupportedReason = try root.present("no_embedding")?.string()
    try settings.prompts.read(root)
    settings.prompts.isPooled = try root.present("include_prompt")?.bool() ?? true
  }
}

/// A dense layer as JSON: its size, and its activation unless that is the identity.
extension PreparedConfiguration.Step {
  fileprivate init(_ layer: PackedHead.Layer) { self.init(size: layer.dense.outputs, activation: layer.activation) }

  fileprivate func write(to writer: inout JSONWriter) {
    writer.value("size", size)
    if activation != .identity { writer.value("hidden_act", activation.configKey) }
  }

  fileprivate init(_ field: JSONField) throws(ClozeError) {
    size = try field.required("size").integer()
    activation = try Activation(optional: field.present("hidden_act"))
  }
}

/// The names of precisions in files.
extension Precision {
  var word: String {
    switch self {
    case .int8: "int8"
    case .float32: "float32"
    }
  }
  init?(word: String) {
    guard let found = Self.allCases.first(where: { $0.word == word }) else { return nil }
    self = found
  }
}

/// The names of heads in files.
extension Heads {
  private static let all: [(head: Heads, word: String)] = [
    (.pooler, "pooler"), (.mlm, "mlm"), (.nsp, "nsp"), (.classes, "classes"), (.tags, "tags"), (.answer, "answer"),
  ]
  var words: [String] { Self.all.filter { contains($0.head) }.map(\.word) }
  init?(word: String) {
    guard let found = Self.all.first(where: { $0.word == word }) else { return nil }
    self = found.head
  }
}
