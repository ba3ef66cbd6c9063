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
      if let names = try root.present("id2label") {
        while settings.labels.count < 4096, let name = try names.present("\(settings.labels.count)") {
          settings.labels.append(try name.string())
        }
      }
      for key in ["hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"] {
        if let field = try root.present(key) { settings.sizes.append((key, Int(try field.id()))) }
      }
    }
    return settings
  }

  /// The BERT in the ONNX or safetensors file.
  func graph(_ settings: ModelSettings) throws(ClozeError) -> BERTGraph {
    guard model.hasSuffix(".safetensors") || model.hasSuffix(".safetensors.index.json") else {
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
    let modes: [(key: String, pooling: Pooling?)] = [
      ("pooling_mode_cls_token", .cls), ("pooling_mode_mean_tokens", .mean), ("pooling_mode_max_tokens", .max),
      ("pooling_mode_mean_sqrt_len_tokens", .meanSqrtLen), ("pooling_mode_weightedmean_tokens", nil),
      ("pooling_mode_lasttoken", nil),
    ]
    var chosen: [(key: String, pooling: Pooling?)] = []
    for mode in modes where try root.present(mode.key)?.bool() == true { chosen.append(mode) }
    if chosen.count > 1 {
      embeddingUnsupportedReason = "\(root.path) sets several pooling modes, which is not supported"
    } else if let mode = chosen.first {
      pooling = mode.pooling
      if mode.pooling == nil { embeddingUnsupportedReason = "\(root.path) sets \(mode.key), which is not supported" }
    }
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
