internal import ClozeIO
internal import ClozeONNX
internal import ClozeTokenizer

/// What the files beside a model say about its use, as sentence-transformers writes them.
struct ModelSettings {
  /// The name of the model's folder or file; nil: loaded from memory.
  var name: String?
  /// `max_seq_length` of sentence_bert_config.json, else `model_max_length` of the tokenizer.
  var maxTokens: Int?
  /// The mode in the pooling module's config.json.
  var pooling: Pooling?
  /// What the pooling module's config.json says the hidden size is, and where.
  var pooledSizes: [(place: String, value: Int)] = []
  /// What the modules after pooling do, each with its module's name.
  var steps: [(module: String, step: BERTGraph.SentenceHead.Step)] = []
  /// Whether the last of the modules is Normalize; nil without modules.json.
  var normalize: Bool?
  /// `truncate_dim` of config_sentence_transformers.json.
  var truncation: Int?
  /// The prompts of config_sentence_transformers.json.
  var prompts = Prompts()
  /// Why the pooling, or another module, that the files ask for is unsupported.
  var embeddingUnsupportedReason: String?
  /// Why the tokenizer beside the model is unsupported.
  var tokenizerUnsupportedReason: String?
  /// The first of `architectures` in config.json: the class that the model was saved from.
  var architecture: String?
  /// The names of the model's classes or tags; empty without such a head.
  var labels: [String] = []
  /// What config.json, or an exported file, says about the head.
  var head = HeadSettings()
  /// The trained head that an exported or prepared file holds.
  var trainedHead: Head?
  /// What config.json adds to a model without a graph.
  var pretrained: PretrainedConfiguration?
  /// The sizes in config.json, by key.
  var sizes: [(key: String, value: Int)] = []

  /// Lengths from here on mean "no limit"; transformers writes 1e30.
  static let unlimited = 1_000_000_000
}

/// Settings compared and completed with a model's graph.
extension ModelSettings {
  /// Takes pooling and normalization, and an exported head and its settings, from the graph, which takes precedence
  /// over the files, and gives classes and tags their labels.
  mutating func follow(_ graph: BERTGraph) throws(ClozeError) {
    if let sentence = graph.sentence {
      embeddingUnsupportedReason = nil
      normalize = sentence.normalize
      pooling = sentence.pooling
    }
    let summary = graph.summary
    if let own = try HeadSettings(metadata: summary.metadata, producer: summary.producer) { head = own }
    trainedHead = try graph.exportedHead.map { exported throws(ClozeError) in try Head(exported) }
    labels = head.labels((graph.classifier?.output ?? graph.tokenClassifier)?.weight.outputSize ?? 0)
  }

  /// Gives a graph that computes no sentence embedding the one of the files.
  ///
  /// - Throws: `.invalidModel` where modules contradict each other or the graph.
  func complete(_ graph: inout BERTGraph) throws(ClozeError) {
    if graph.sentence == nil, embeddingUnsupportedReason == nil, let pooling {
      graph.sentence = BERTGraph.SentenceHead(
        pooling: pooling, steps: steps.map(\.step), normalize: normalize ?? true)
      var width = graph.configuration.hiddenSize
      for (module, step) in steps {
        switch step {
        case .dense(let linear, _):
          try check(module, linear.weight.inputSize, width)
          width = linear.weight.outputSize
        case .norm(let norm): try check(module, norm.gamma?.count ?? width, width)
        case .normalize: break
        case .truncate(let kept): width = kept
        }
      }
    }
    guard let truncation, var sentence = graph.sentence else { return }
    let width = SentenceShape.width(sentence.steps.map { SentenceShape($0) }, of: graph.configuration.hiddenSize)
    guard truncation < width else { return }
    // sentence-transformers truncates what its modules give, and does not normalize again.
    if sentence.normalize { sentence.steps.append(.normalize) }
    sentence.normalize = false
    sentence.steps.append(.truncate(truncation))
    graph.sentence = sentence
  }

  private func check(_ module: String, _ inputs: Int, _ width: Int) throws(ClozeError) {
    guard inputs != width else { return }
    throw ClozeError(.shape, "\(module) takes vectors of \(inputs) elements, what is before it gives \(width)")
  }

  /// - Throws: `.invalidModel` where a size in config.json differs from the model's.
  func check(_ info: ModelInfo) throws(ClozeError) {
    for (place, value) in pooledSizes where value != info.hiddenSize {
      throw ClozeError(.invalidModel, "\(place) is \(value); in the model it is \(info.hiddenSize)")
    }
    for (key, found) in info.configuration.sizes {
      guard let value = sizes.first(where: { $0.key == key })?.value, value != found else { continue }
      throw ClozeError(.invalidModel, "config.json says \(key) is \(value); in the model it is \(found)")
    }
  }
}
