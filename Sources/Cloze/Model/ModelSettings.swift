internal import ClozeIO
internal import ClozeONNX
internal import ClozeTokenizer

/// What the files beside a model say about its use, as sentence-transformers writes them.
struct ModelSettings {
  /// sentence_bert_config.json: `max_seq_length`
  var maxTokens: Int?
  /// The pooling module's config.json
  var pooling: Pooling?
  /// Whether modules.json lists a Normalize module; nil without modules.json.
  var normalize: Bool?
  /// Why the files' way of making embeddings cannot be followed.
  var obstacle: String?
  /// Why the tokenizer beside the model can't be used.
  var tokenizerObstacle: String?
  /// config.json: the class that the model was saved from.
  var architecture: String?
  /// config.json: names of classes or tags, by their numbers.
  var labels: [String] = []
  /// config.json: what a model without a graph leaves to it.
  var pretrained: PretrainedConfiguration?
  /// Sizes in config.json, by its keys.
  var sizes: [(key: String, value: Int)] = []
}

extension ModelFiles {
  func settings() throws(ClozeError) -> ModelSettings {
    var settings = ModelSettings()
    if let root = try json("sentence_bert_config.json"),
      let field = try root.present("max_seq_length")
    {
      let length = Int(try field.id())
      if length > 0 { settings.maxTokens = length }
    }
    var poolingFolder = "1_Pooling"
    if let root = try json("modules.json") {
      settings.normalize = false
      for module in try root.elements() {
        let type = try module.required("type").string()
        let path = try module.present("path")?.string() ?? ""
        switch type.split(separator: ".").last {
        case "Transformer": break
        case "Pooling":
          if !path.isEmpty, !path.split(separator: "/").contains("..") { poolingFolder = path }
        case "Normalize": settings.normalize = true
        default: settings.obstacle = "modules.json lists \(type), which is not known"
        }
      }
    }
    if let root = try json("\(poolingFolder)/config.json") { try settings.readPooling(root) }
    if let root = try json("config.json") {
      settings.pretrained = try PretrainedConfiguration(root)
      settings.architecture = try root.present("architectures")?.elements().first?.string()
      if let names = try root.present("id2label") {
        while settings.labels.count < 4096,
          let name = try names.present("\(settings.labels.count)")
        {
          settings.labels.append(try name.string())
        }
      }
      for key in ["hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"]
      {
        if let field = try root.present(key) { settings.sizes.append((key, Int(try field.id()))) }
      }
    }
    return settings
  }
}

extension ModelSettings {
  fileprivate mutating func readPooling(_ root: JSONField) throws(ClozeError) {
    let modes: [(key: String, pooling: Pooling?)] = [
      ("pooling_mode_cls_token", .cls), ("pooling_mode_mean_tokens", .mean),
      ("pooling_mode_max_tokens", .max),
      ("pooling_mode_mean_sqrt_len_tokens", .meanSqrtLen),
      ("pooling_mode_weightedmean_tokens", nil),
      ("pooling_mode_lasttoken", nil),
    ]
    var chosen: [(key: String, pooling: Pooling?)] = []
    for mode in modes where try root.present(mode.key)?.bool() == true { chosen.append(mode) }
    if chosen.count > 1 {
      obstacle = "\(root.path) joins several poolings, which is not known"
    } else if let mode = chosen.first {
      pooling = mode.pooling
      if mode.pooling == nil { obstacle = "\(root.path) asks for \(mode.key), which is not known" }
    }
  }

  /// Throws where config.json contradicts what the graph was found to be.
  func check(_ info: ModelInfo) throws(ClozeError) {
    for (key, found) in info.configuration.sizes {
      guard let value = sizes.first(where: { $0.key == key })?.value, value != found else { continue }
      throw ClozeError(
        .invalidModel, "config.json says \(key) is \(value); in the model it is \(found)")
    }
  }
}

/// What the graph itself decides.
extension ModelSettings {
  /// Takes over how the graph itself makes embeddings, which goes before what files beside it say,
  /// and gives classes and tags their labels.
  mutating func follow(_ graph: BERTGraph) {
    if let sentence = graph.sentence {
      obstacle = nil
      normalize = sentence.normalize
      pooling =
        switch sentence.pooling {
        case .mean: .mean
        case .cls: .cls
        case .max: .max
        case .meanSqrtLen: .meanSqrtLen
        case .pooler: .pooler
        }
    }
    let count = (graph.classifier?.output ?? graph.tokenClassifier)?.weight.outputSize ?? 0
    if labels.count != count {
      // As transformers names classes that have no names.
      labels = count <= 65536 ? (0..<count).map { "LABEL_\($0)" } : []
    }
  }
}

extension PretrainedConfiguration {
  /// nil where config.json names no kind of model.
  fileprivate init?(_ root: JSONField) throws(ClozeError) {
    guard let type = try root.present("model_type")?.string() else { return nil }
    var obstacle: String?
    if let kind = try root.present("position_embedding_type")?.string(), kind != "absolute" {
      obstacle = "config.json says position_embedding_type \"\(kind)\": relative positions"
    } else if try root.present("is_decoder")?.bool() == true {
      obstacle = "config.json says is_decoder: a causal model"
    }
    var heads = try root.present("num_attention_heads")
    if heads == nil { heads = try root.present("n_heads") }
    var function = try root.present("hidden_act")
    if function == nil { function = try root.present("activation") }
    let padding = try root.present("pad_token_id")
    self.init(
      modelType: type, numAttentionHeads: try heads?.integer() ?? 0,
      // A function that is spelt out as an object is none that is known.
      hiddenAct: (try? function?.string()) ?? (function == nil ? "gelu" : "custom"),
      layerNormEps: try root.present("layer_norm_eps")?.number() ?? 1e-12,
      padTokenID: try padding?.integer() ?? 0,
      architecture: try root.present("architectures")?.elements().first?.string(),
      obstacle: obstacle)
  }
}

extension ModelFiles {
  /// The BERT in the file, of whatever kind that is.
  func graph(_ settings: ModelSettings) throws(ClozeError) -> BERTGraph {
    guard model.hasSuffix(".safetensors") else {
      return try recognizeBERT(in: ONNXFile(path: model), architecture: settings.architecture)
    }
    guard let configuration = settings.pretrained else {
      throw ClozeError(
        .unsupported,
        "\(model): tensors alone do not say what model they are of; a config.json with model_type "
          + "must lie beside them")
    }
    return try readBERT(safetensors: model, configuration: configuration)
  }
}
