internal import ClozeIO
internal import ClozeONNX

/// What the files beside a model say about it, and the graph that they help to read.
extension ModelFiles {
  /// The settings in sentence_bert_config.json, modules.json, the pooling module and config.json, where
  /// these files exist.
  func settings() throws(ClozeError) -> ModelSettings {
    var settings = ModelSettings()
    if let root = try json("sentence_bert_config.json"), let field = try root.present("max_seq_length") {
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
        case "Pooling": if !path.isEmpty, !path.split(separator: "/").contains("..") { poolingFolder = path }
        case "Normalize": settings.normalize = true
        default: settings.embeddingUnsupportedReason = "modules.json lists \(type), which is not supported"
        }
      }
    }
    if let root = try json("\(poolingFolder)/config.json") { try settings.readPooling(root) }
    if let root = try json("config.json") {
      settings.pretrained = try PretrainedConfiguration(root)
      settings.architecture = try root.present("architectures")?.elements().first?.string()
      settings.head = try HeadSettings(root)
      for key in ["hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"] {
        if let field = try root.present(key) { settings.sizes.append((key, Int(try field.id()))) }
      }
    }
    return settings
  }

  /// The BERT in the ONNX or safetensors file.
  func graph(_ settings: ModelSettings) throws(ClozeError) -> BERTGraph {
    guard model.hasSuffix(".safetensors") else {
      return try recognizeBERT(in: ONNXFile(path: model), architecture: settings.architecture)
    }
    guard let configuration = settings.pretrained else {
      throw ClozeError(.unsupported, "\(model): a safetensors file needs a config.json with model_type beside it")
    }
    return try readBERT(safetensors: model, configuration: configuration)
  }
}

/// Reading a pooling module.
extension ModelSettings {
  fileprivate mutating func readPooling(_ root: JSONField) throws(ClozeError) {
    // Modes as words, which sentence-transformers writes from version 5.4 on, or as keys that are true, before.
    var modes: [String] = []
    if let field = try root.present("pooling_mode") {
      for field in field.isArray ? try field.elements() : [field] { modes.append(try field.string()) }
      if modes.isEmpty { embeddingUnsupportedReason = "\(field.path) lists no mode" }
    }
    for (key, _) in try root.members() where key.hasPrefix("pooling_mode_") {
      guard try root.present(key)?.bool() == true else { continue }
      // The same mode in both spellings is one.
      if modes.count == 1, Pooling(mode: modes[0]) == Pooling(mode: key) { continue }
      modes.append(key)
    }
    if modes.count > 1 {
      embeddingUnsupportedReason =
        "\(root.path) a concatenation of the pooling modes \(modes.joined(separator: ", ")) is not supported"
    } else if let mode = modes.first {
      pooling = Pooling(mode: mode)
      if pooling == nil { embeddingUnsupportedReason = "\(root.path) pooling mode \(mode) is not supported" }
    }
  }
}

/// The names of poolings in 1_Pooling/config.json.
extension Pooling {
  private static let modes: [(word: String, key: String, pooling: Pooling)] = [
    ("cls", "pooling_mode_cls_token", .cls), ("mean", "pooling_mode_mean_tokens", .mean),
    ("max", "pooling_mode_max_tokens", .max),
    ("mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens", .meanSqrtLen),
    ("weightedmean", "pooling_mode_weightedmean_tokens", .weightedMean),
    ("lasttoken", "pooling_mode_lasttoken", .lastToken),
  ]

  /// The pooling of a word, or of a key that is true; nil: unknown.
  fileprivate init?(mode: String) {
    guard let found = Self.modes.first(where: { $0.word == mode || $0.key == mode }) else { return nil }
    self = found.pooling
  }
}

/// Reading a config.json.
extension PretrainedConfiguration {
  /// nil where config.json has no `model_type`.
  fileprivate init?(_ root: JSONField) throws(ClozeError) {
    guard let type = try root.present("model_type")?.string() else { return nil }
    var unsupportedReason: String?
    if let kind = try root.present("position_embedding_type")?.string(), kind != "absolute" {
      unsupportedReason = "config.json says position_embedding_type \"\(kind)\": relative positions"
    } else if try root.present("is_decoder")?.bool() == true {
      unsupportedReason = "config.json says is_decoder: a causal model"
    }
    var heads = try root.present("num_attention_heads")
    if heads == nil { heads = try root.present("n_heads") }
    var function = try root.present("hidden_act")
    if function == nil { function = try root.present("activation") }
    let padding = try root.present("pad_token_id")
    self.init(
      modelType: type, numAttentionHeads: try heads?.integer() ?? 0,
      // An activation configured as an object is refused under this name.
      hiddenAct: (try? function?.string()) ?? (function == nil ? "gelu" : "custom"),
      layerNormEps: try root.present("layer_norm_eps")?.number() ?? 1e-12, padTokenID: try padding?.integer() ?? 0,
      architecture: try root.present("architectures")?.elements().first?.string(), unsupportedReason: unsupportedReason)
  }
}
