internal import ClozeIO
internal import ClozeONNX
internal import ClozeTokenizer

/// What the files beside a model say about its use, as sentence-transformers writes them.
struct ModelSettings {
  /// `max_seq_length` of sentence_bert_config.json.
  var maxTokens: Int?
  /// The mode in the pooling module's config.json.
  var pooling: Pooling?
  /// Whether modules.json lists a Normalize module; nil without modules.json.
  var normalize: Bool?
  /// Why the pooling that the files ask for is unsupported.
  var embeddingUnsupportedReason: String?
  /// Why the tokenizer beside the model is unsupported.
  var tokenizerUnsupportedReason: String?
  /// The first of `architectures` in config.json: the class that the model was saved from.
  var architecture: String?
  /// The names of the model's classes or tags; empty without such a head.
  var labels: [String] = []
  /// What config.json, or an exported file, says about the head.
  var head = HeadSettings()
  /// What config.json adds to a model without a graph.
  var pretrained: PretrainedConfiguration?
  /// The sizes in config.json, by key.
  var sizes: [(key: String, value: Int)] = []
}

/// Settings compared and completed with a model's graph.
extension ModelSettings {
  /// Takes pooling and normalization, and the settings of an exported head, from the graph, which takes precedence
  /// over the files, and gives classes and tags their labels.
  mutating func follow(_ graph: BERTGraph) throws(ClozeError) {
    if let sentence = graph.sentence {
      embeddingUnsupportedReason = nil
      normalize = sentence.normalize
      pooling = sentence.pooling
    }
    let summary = graph.summary
    if let own = try HeadSettings(metadata: summary.metadata, producer: summary.producer) { head = own }
    labels = head.labels((graph.classifier?.output ?? graph.tokenClassifier)?.weight.outputSize ?? 0)
  }

  /// - Throws: `.invalidModel` where a size in config.json differs from the model's.
  func check(_ info: ModelInfo) throws(ClozeError) {
    for (key, found) in info.configuration.sizes {
      guard let value = sizes.first(where: { $0.key == key })?.value, value != found else { continue }
      throw ClozeError(.invalidModel, "config.json says \(key) is \(value); in the model it is \(found)")
    }
  }
}
