internal import ClozeIO
internal import ClozeONNX

/// What the files beside a model say about it, and the graph that they help to read.
extension ModelFiles {
  /// The settings in the files of sentence-transformers and config.json, where these files exist.
  func settings() throws(ClozeError) -> ModelSettings {
    var settings = ModelSettings()
    try readTransformer(&settings)
    try readModules(&settings)
    try readSentenceTransformers(&settings)
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

  /// The BERT in the ONNX or safetensors file, with the sentence embedding of its files where it has none.
  func graph(_ settings: ModelSettings) throws(ClozeError) -> BERTGraph {
    var graph: BERTGraph
    if model.hasSuffix(".safetensors") || model.hasSuffix(".safetensors.index.json") {
      guard let configuration = settings.pretrained else {
        throw ClozeError(.unsupported, "\(model): a safetensors file needs a config.json with model_type beside it")
      }
      graph = try readBERT(safetensors: model, configuration: configuration)
    } else {
      graph = try recognizeBERT(in: ONNXFile(path: model), architecture: settings.architecture)
    }
    try settings.complete(&graph)
    return graph
  }

  // MARK: - The network's settings

  /// The settings of the Transformer module; nil where there are none.
  func transformerSettings() throws(ClozeError) -> JSONField? {
    // The others are how version 0 and 1 called it, which later versions read.
    for kind in ["bert", "roberta", "distilbert", "camembert", "xlm-roberta"] {
      if let root = try json("sentence_\(kind)_config.json") { return root }
    }
    return nil
  }

  private func readTransformer(_ settings: inout ModelSettings) throws(ClozeError) {
    guard let root = try transformerSettings() else { return }
    if let field = try root.present("max_seq_length") {
      let length = Int(try field.id())
      if length > 0 { settings.maxTokens = length }
    }
    let used: Set = [
      "max_seq_length", "do_lower_case", "transformer_task", "module_output_name", "modality_config",
      "processing_kwargs", "tokenizer_args", "processor_kwargs", "model_args", "model_kwargs", "config_args",
      "config_kwargs",
    ]
    let ignored: Set = [
      "unpad_inputs",  // how a batch lies in memory
      "query_length", "document_length", "query_expansion",  // of models with a vector for each token
      "cache_dir",  // where files were downloaded to
    ]
    guard try settings.supports(root, used: used, ignored: ignored) else { return }
    for (key, supported) in [("transformer_task", "feature-extraction"), ("module_output_name", "token_embeddings")] {
      guard let field = try root.present(key), try field.string() != supported else { continue }
      return settings.refuseEmbeddings("\(field.path) is \"\(try field.string())\", only \(supported) is supported")
    }
    if let field = try root.present("modality_config")?.present("text")?.present("method_output_name") {
      guard case .string(let name) = field.value, name.string == "last_hidden_state" else {
        return settings.refuseEmbeddings("\(field.path) is not last_hidden_state, which alone is supported")
      }
    }
    // Arguments of transformers. Those of texts may be nested under their modality.
    for key in ["tokenizer_args", "processor_kwargs"] {
      try readLengths(root.present(key), "model_max_length", &settings)
    }
    for key in ["common", "text"] {
      try readLengths(root.present("processing_kwargs")?.present(key), "max_length", &settings)
    }
    let loading: Set = [
      // How weights are loaded, and rounded in memory.
      "trust_remote_code", "torch_dtype", "dtype", "device_map", "low_cpu_mem_usage", "use_safetensors",
      // How attention is computed; the pooler, which no module reads.
      "attn_implementation", "_attn_implementation", "add_pooling_layer",
    ]
    for key in ["model_args", "model_kwargs", "config_args", "config_kwargs"] {
      if let field = try root.present(key) { _ = try settings.supports(field, used: [], ignored: loading) }
    }
  }

  /// Reads the length limit among a tokenizer's arguments.
  private func readLengths(_ root: JSONField?, _ key: String, _ settings: inout ModelSettings) throws(ClozeError) {
    guard let root else { return }
    let ignored: Set = [
      "trust_remote_code", "use_fast",  // which code runs
      "padding", "padding_side", "pad_to_multiple_of", "return_tensors",  // how a batch lies in memory
      "truncation",  // an argument of the caller
    ]
    guard try settings.supports(root, used: [key], ignored: ignored) else { return }
    if let length = try root.present(key)?.integer(), length > 0, length < ModelSettings.unlimited {
      settings.maxTokens = settings.maxTokens ?? length
    }
  }

  // MARK: - The model's settings

  /// Reads config_sentence_transformers.json. What is not read there says which versions wrote it, how vectors are
  /// compared, and what a program needs: `__version__`, `similarity_fn_name`, `requirements`.
  private func readSentenceTransformers(_ settings: inout ModelSettings) throws(ClozeError) {
    guard let root = try json("config_sentence_transformers.json") else { return }
    try settings.prompts.read(root)
    if let field = try root.present("truncate_dim") {
      let kept = try field.integer()
      guard kept > 0 else { throw ClozeError(.damaged, "\(field.path) is \(kept), a positive number was expected") }
      settings.truncation = kept
    }
    if let field = try root.present("model_type"), try field.string() != "SentenceTransformer" {
      settings.refuseEmbeddings("\(field.path) is \"\(try field.string())\", only SentenceTransformer is supported")
    }
  }
}

/// Reading a pooling module.
extension ModelSettings {
  mutating func readPooling(_ root: JSONField) throws(ClozeError) {
    // Modes as words, which sentence-transformers writes from version 5.4 on, or as keys that are true, before.
    var modes: [String] = []
    if let field = try root.present("pooling_mode") {
      for field in field.isArray ? try field.elements() : [field] { modes.append(try field.string()) }
      if modes.isEmpty { embeddingUnsupportedReason = "\(field.path) lists no mode" }
    }
    var used: Set = ["pooling_mode", "embedding_dimension", "word_embedding_dimension", "include_prompt"]
    for (key, _) in try root.members() where key.hasPrefix("pooling_mode_") {
      used.insert(key)
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
    for key in ["embedding_dimension", "word_embedding_dimension"] {
      if let field = try root.present(key) { pooledSizes.append((field.path, try field.integer())) }
    }
    prompts.isPooled = try root.present("include_prompt")?.bool() ?? true
    _ = try supports(root, used: used)
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
      layerNormEps: try root.present("layer_norm_eps")?.number() ?? 1e-12, padTokenID: try padding?.integer(),
      relativeAttentionBuckets: try root.present("relative_attention_num_buckets")?.integer(),
      architecture: try root.present("architectures")?.elements().first?.string(), unsupportedReason: unsupportedReason)
  }
}
