public import ClozeIO

/// What a model's tensors do not tell, named as the keys of a Hugging Face `config.json`.
public struct PretrainedConfiguration: Sendable {
  /// "bert", "distilbert", "electra", "roberta", "xlm-roberta", ...
  public var modelType: String
  public var numAttentionHeads: Int
  public var hiddenAct: String
  public var layerNormEps: Double
  /// nil: as transformers has it for the model type.
  public var padTokenID: Int?
  /// `relative_attention_num_buckets` of MPNet; nil: 32.
  public var relativeAttentionBuckets: Int?
  /// "BertForMaskedLM"
  public var architecture: String?
  /// Why the model is unsupported, such as relative positions or a decoder; nil where it is supported.
  public var unsupportedReason: String?

  public init(
    modelType: String, numAttentionHeads: Int, hiddenAct: String, layerNormEps: Double, padTokenID: Int?,
    relativeAttentionBuckets: Int? = nil, architecture: String?, unsupportedReason: String?
  ) {
    self.modelType = modelType
    self.numAttentionHeads = numAttentionHeads
    self.hiddenAct = hiddenAct
    self.layerNormEps = layerNormEps
    self.padTokenID = padTokenID
    self.relativeAttentionBuckets = relativeAttentionBuckets
    self.architecture = architecture
    self.unsupportedReason = unsupportedReason
  }
}

/// The BERT in a `model.safetensors`, or in the shards that a `model.safetensors.index.json` names, whose tensors have
/// the names of transformers, with or without the model's prefix and with either set of names of a LayerNorm.
///
/// - Throws: `.damaged` for a malformed file, `.unsupported` for another model type or a missing tensor,
///   `.shape` where tensors contradict each other.
public func readBERT(safetensors path: String, configuration: PretrainedConfiguration) throws(ClozeError) -> BERTGraph {
  try Pretrained(Safetensors.tensors(at: path), configuration).graph()
}

/// Finds the parts of a BERT among tensors with the names of transformers.
struct Pretrained {
  private let tensors: [String: Tensor]
  let configuration: PretrainedConfiguration
  /// The model's prefix: "bert.", or "" where the base model was saved alone.
  let prefix: String
  private let isDistilled: Bool
  private let isMPNet: Bool

  private static let known: Set<String> = [
    "bert", "distilbert", "electra", "roberta", "xlm-roberta", "camembert", "mpnet",
  ]

  init(_ tensors: [String: Tensor], _ configuration: PretrainedConfiguration) throws(ClozeError) {
    self.tensors = tensors
    self.configuration = configuration
    let type = configuration.modelType
    guard Self.known.contains(type) else {
      throw ClozeError(
        .unsupported, "config.json says model_type \"\(type)\"", expected: Self.known.sorted().joined(separator: ", "))
    }
    if let unsupportedReason = configuration.unsupportedReason { throw ClozeError(.unsupported, unsupportedReason) }
    isDistilled = type == "distilbert"
    isMPNet = type == "mpnet"
    let ending = "embeddings.word_embeddings.weight"
    let candidates = ["", "bert.", "distilbert.", "electra.", "roberta.", "mpnet."]
    guard let prefix = candidates.first(where: { [tensors] in tensors[$0 + ending] != nil }) else {
      throw ClozeError(
        .unsupported, "no tensor is named \"\(ending)\"", place: "embeddings",
        expected: "the names that transformers gives a \(type)'s tensors")
    }
    self.prefix = prefix
  }

  // MARK: - Tensors

  func tensor(_ name: String, _ shape: [Int]? = nil) throws(ClozeError) -> Tensor { try tensors.tensor(name, shape) }

  func has(_ name: String) -> Bool { tensors[name] != nil }

  /// The linear layer `name`.weight [outputs, inputs], `name`.bias.
  func linear(_ name: String, inputs: Int, outputs: Int? = nil) throws(ClozeError) -> Linear {
    try tensors.linear(name, inputs: inputs, outputs: outputs)
  }

  func norm(_ name: String, _ width: Int) throws(ClozeError) -> LayerNorm {
    let old = has(name + ".gamma")
    return LayerNorm(
      gamma: try tensor(name + (old ? ".gamma" : ".weight"), [width]),
      beta: try tensor(name + (old ? ".beta" : ".bias"), [width]),
      epsilon: isDistilled ? 1e-12 : configuration.layerNormEps)
  }

  func activation(_ name: String) throws(ClozeError) -> Activation {
    switch name {
    case "gelu_pytorch_tanh", "gelu_fast": return .geluTanh
    case "swish": return .silu
    default:
      guard let activation = Activation(configKey: name) else {
        throw ClozeError(
          .unsupported, "unknown activation \"\(name)\"", expected: "gelu, gelu_new, relu, silu, quick_gelu or tanh")
      }
      return activation
    }
  }

  // MARK: - The model

  func graph() throws(ClozeError) -> BERTGraph {
    let word = try tensor(prefix + "embeddings.word_embeddings.weight")
    guard word.shape.count == 2, word.shape[0] > 0, word.shape[1] > 0, word.shape[1] <= 1 << 16 else {
      throw ClozeError(.shape, "\(word.label) is not a matrix")
    }
    let narrow = word.shape[1]
    var position = try table("position", narrow)
    if let padding = positionPadding {
      guard padding >= 0, padding < position.shape[0] - 1, let rows = position.rows((padding + 1)..<position.shape[0])
      else { throw ClozeError(.shape, "\(position.label) has no row after that of pad_token_id \(padding)") }
      position = rows
    }
    let types = prefix + "embeddings.token_type_embeddings.weight"
    var projection: Linear?
    if has(prefix + "embeddings_project.weight") {
      projection = try linear(prefix + "embeddings_project", inputs: narrow)
    }
    let width = projection?.weight.outputSize ?? narrow
    let embeddings = BERTGraph.Embeddings(
      word: word, position: position, tokenType: has(types) ? try table("token_type", narrow) : nil,
      norm: try norm(prefix + "embeddings.LayerNorm", narrow), projection: projection)

    let heads = configuration.numAttentionHeads
    guard heads > 0, width % heads == 0 else {
      throw ClozeError(
        .shape, "config.json says \(heads) attention heads, which do not divide the hidden size \(width)")
    }
    let scale = 1 / (Double(width) / Double(heads)).squareRoot()
    var layers: [BERTGraph.Layer] = []
    let stem = prefix + (isDistilled ? "transformer.layer." : "encoder.layer.")
    while layers.count < 1 << 12, has("\(stem)\(layers.count).\(layerNames[0]).weight") {
      layers.append(try layer("\(stem)\(layers.count).", width, scale))
    }
    guard let last = layers.last else {
      throw ClozeError(.unsupported, "the tensor \"\(stem)0.\(layerNames[0]).weight\" is missing")
    }
    var graph = BERTGraph(
      configuration: BERTConfiguration(
        hiddenSize: width, numHiddenLayers: layers.count, numAttentionHeads: heads,
        intermediateSize: last.intermediate.weight.outputSize, vocabSize: word.shape[0],
        maxPositionEmbeddings: position.shape[0], typeVocabSize: embeddings.tokenType?.shape[0] ?? 0,
        layerNormEps: embeddings.norm.epsilon, hiddenAct: try activation(configuration.hiddenAct)),
      embeddings: embeddings, layers: layers, inputs: BERTGraph.InputNames(inputIDs: "input_ids"),
      outputs: BERTGraph.OutputNames(), summary: summary())
    if isMPNet { graph.attentionBias = try attentionBias(heads) }
    try readHeads(&graph)
    return graph
  }

  /// The id after which positions begin; nil where they begin at 0.
  private var positionPadding: Int? {
    switch configuration.modelType {
    case "roberta", "xlm-roberta", "camembert": configuration.padTokenID ?? 1
    // Its class does not read config.json's.
    case "mpnet": 1
    default: nil
    }
  }

  /// [32, H] the bias of attention scores by relative position.
  private func attentionBias(_ heads: Int) throws(ClozeError) -> Tensor {
    let buckets = RelativePosition.buckets
    let said = configuration.relativeAttentionBuckets ?? buckets
    guard said == buckets else {
      throw ClozeError(
        .unsupported, "config.json says relative_attention_num_buckets \(said)", place: "attention",
        expected: "\(buckets)")
    }
    let name = prefix + "encoder.relative_attention_bias.weight"
    return try tensor(name, [buckets, heads])
  }

  private func table(_ kind: String, _ width: Int) throws(ClozeError) -> Tensor {
    let table = try tensor(prefix + "embeddings.\(kind)_embeddings.weight")
    guard table.shape.count == 2, table.shape[1] == width, table.shape[0] > 0 else {
      throw ClozeError(.shape, "\(table.label) should have \(width) columns")
    }
    return table
  }

  /// The parts of a layer: query, key, value, output, its norm, both dense layers, their norm.
  private var layerNames: [String] {
    isDistilled
      ? [
        "attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin", "sa_layer_norm", "ffn.lin1",
        "ffn.lin2", "output_layer_norm",
      ]
      : isMPNet
        ? [
          "attention.attn.q", "attention.attn.k", "attention.attn.v", "attention.attn.o", "attention.LayerNorm",
          "intermediate.dense", "output.dense", "output.LayerNorm",
        ]
        : [
          "attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
          "attention.output.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm",
        ]
  }

  private func layer(_ stem: String, _ width: Int, _ scale: Double) throws(ClozeError) -> BERTGraph.Layer {
    let names = layerNames
    let intermediate = try linear(stem + names[5], inputs: width)
    return BERTGraph.Layer(
      query: try linear(stem + names[0], inputs: width, outputs: width),
      key: try linear(stem + names[1], inputs: width, outputs: width),
      value: try linear(stem + names[2], inputs: width, outputs: width),
      attentionOutput: try linear(stem + names[3], inputs: width, outputs: width),
      attentionNorm: try norm(stem + names[4], width), intermediate: intermediate,
      output: try linear(stem + names[6], inputs: intermediate.weight.outputSize, outputs: width),
      outputNorm: try norm(stem + names[7], width), attentionScale: scale)
  }

  private func summary() -> GraphSummary {
    var bytes: [Tensor.ElementType: Int] = [:]
    for tensor in tensors.values where tensor.elementType.isFloat {
      bytes[tensor.elementType, default: 0] += tensor.place.count
    }
    let types = bytes.sorted { ($0.value, $0.key.rawValue) > ($1.value, $1.key.rawValue) }
    return GraphSummary(
      producer: "safetensors", producerVersion: "", irVersion: 0, opset: 0, otherOpsets: [], nodeCount: tensors.count,
      inputs: [], outputs: [],
      forms: [GraphSummary.Form(block: "tensors", form: "named as in a \(configuration.modelType)")],
      weightTypes: types.map { $0.key.description }, tensorBytes: tensors.values.reduce(0) { $0 + $1.place.count },
      warnings: [])
  }
}
