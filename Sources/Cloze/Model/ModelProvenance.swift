internal import ClozeIO
internal import ClozeONNX
internal import ClozeTokenizer

/// A model's configuration and the facts of the file that it was read from: what `inspect` shows, and what a
/// prepared model records of its origin.
struct ModelProvenance {
  /// The section of a prepared model that holds it, as JSON.
  static let section = "provenance"

  struct Value {
    var name: String
    var type: String
    var shape: [String]
  }

  var configuration: BERTConfiguration
  /// Buckets of relative positions, by which attention scores have a bias; nil: they have none.
  var attentionBuckets: Int?
  var heads: [String]
  /// Whether the decoder of a masked language model is the word table.
  var isTied: Bool
  /// The number of parameters; a tied decoder is not counted again.
  var parameters: Int
  var weightTypes: [String]
  /// The approximate memory of the weights, by precision.
  var memory: [(precision: String, bytes: Int)]
  var producer: String
  var producerVersion: String
  var opset: Int
  var irVersion: Int
  var nodes: Int
  var inputs: [Value]
  var outputs: [Value]
  var forms: [(block: String, form: String)]
  var warnings: [String]

  init(_ graph: BERTGraph) {
    let c = graph.configuration
    configuration = c
    attentionBuckets = graph.attentionBias?.shape.first
    heads = []
    if graph.pooler != nil { heads.append("pooler") }
    if graph.mlm != nil { heads.append("mlm") }
    if graph.nsp != nil { heads.append("nsp") }
    if graph.classifier != nil { heads.append("classes") }
    if graph.tokenClassifier != nil { heads.append("tags") }
    if graph.answer != nil { heads.append("answer") }
    isTied = if case .tied? = graph.mlm?.decoder { true } else { false }
    parameters = graph.parameters
    // In int8 a parameter takes one byte, except position and segment embeddings, which stay float32.
    let small = (c.maxPositionEmbeddings + max(c.typeVocabSize, 1)) * c.hiddenSize
    memory = [("int8", parameters - small + 4 * small), ("float32", 4 * parameters)]
    let summary = graph.summary
    weightTypes = summary.weightTypes
    producer = summary.producer
    producerVersion = summary.producerVersion
    opset = summary.opset
    irVersion = summary.irVersion
    nodes = summary.nodeCount
    func values(_ list: [GraphSummary.Value]) -> [Value] {
      list.map { Value(name: $0.name, type: $0.elementType, shape: $0.shape) }
    }
    inputs = values(summary.inputs)
    outputs = values(summary.outputs)
    forms = summary.forms.map { ($0.block, $0.form) }
    warnings = summary.warnings
  }

  /// Reads what `json` wrote.
  init(_ document: [UInt8]) throws(ClozeError) {
    let root = try JSONField(parsing: document, name: Self.section)
    let name = try root.required("hidden_act").string()
    guard let hiddenAct = Activation(configKey: name) else {
      throw ClozeError(.damaged, "\(Self.section): unknown activation \"\(name)\" in hidden_act")
    }
    configuration = try BERTConfiguration(hiddenAct: hiddenAct, layerNormEps: root.required("layer_norm_eps").number())
    { key throws(ClozeError) in try root.required(key).integer() }
    attentionBuckets = try root.present("relative_attention_num_buckets")?.integer()
    heads = try root.strings("heads")
    isTied = try root.required("tie_word_embeddings").bool()
    parameters = try root.required("parameters").integer()
    weightTypes = try root.strings("weight_types")
    memory = []
    let bytes = try root.required("memory_bytes")
    for precision in Precision.allCases {
      if let field = try bytes.present(precision.word) { memory.append((precision.word, try field.integer())) }
    }
    producer = try root.required("producer").string()
    producerVersion = try root.required("producer_version").string()
    opset = try root.required("opset").integer()
    irVersion = try root.required("ir_version").integer()
    nodes = try root.required("nodes").integer()
    func values(_ key: String) throws(ClozeError) -> [Value] {
      var values: [Value] = []
      for field in try root.required(key).elements() {
        values.append(
          Value(
            name: try field.required("name").string(), type: try field.required("type").string(),
            shape: try field.strings("shape")))
      }
      return values
    }
    inputs = try values("inputs")
    outputs = try values("outputs")
    forms = []
    for field in try root.required("forms").elements() {
      forms.append((try field.required("block").string(), try field.required("form").string()))
    }
    warnings = try root.strings("warnings")
  }

  /// Adds what a user should know of the model's tokenizer to the warnings.
  mutating func add(_ tokenizer: Tokenizer?) {
    guard let tokenizer else { return }
    warnings += tokenizer.remarks()
    if let remark = tokenizer.remark(rows: configuration.vocabSize) { warnings.append(remark) }
  }

  /// One JSON object; `more` appends to it.
  func json(path: String? = nil, _ more: (inout JSONWriter) -> Void) -> String {
    var writer = JSONWriter()
    writer.object {
      if let path { $0.value("path", path) }
      $0.value("architecture", "BERT")
      for (key, value) in configuration.sizes { $0.value(key, value) }
      if let attentionBuckets { $0.value("relative_attention_num_buckets", attentionBuckets) }
      $0.value("hidden_act", configuration.hiddenAct.configKey)
      $0.value("layer_norm_eps", configuration.layerNormEps)
      $0.array("heads") { for head in heads { $0.value(nil, head) } }
      $0.value("tie_word_embeddings", isTied)
      $0.value("parameters", parameters)
      $0.array("weight_types") { for type in weightTypes { $0.value(nil, type) } }
      $0.object("memory_bytes") { for (precision, bytes) in memory { $0.value(precision, bytes) } }
      $0.value("operations_per_token", configuration.operationsPerToken)
      $0.value("producer", producer)
      $0.value("producer_version", producerVersion)
      $0.value("opset", opset)
      $0.value("ir_version", irVersion)
      $0.value("nodes", nodes)
      for (key, values) in [("inputs", inputs), ("outputs", outputs)] {
        $0.array(key) {
          for value in values {
            $0.object {
              $0.value("name", value.name)
              $0.value("type", value.type)
              $0.array("shape") { for dimension in value.shape { $0.value(nil, dimension) } }
            }
          }
        }
      }
      $0.array("forms") {
        for form in forms {
          $0.object {
            $0.value("block", form.block)
            $0.value("form", form.form)
          }
        }
      }
      $0.array("warnings") { for warning in warnings { $0.value(nil, warning) } }
      more(&$0)
    }
    return writer.text
  }

  /// Pairs of a word and its explanation: about the model and its work, then `more`, then about the file.
  func lines(_ more: [(String, String)]) -> [(String, String)] {
    let c = configuration
    let mlm = isTied ? "mlm (decoder tied to the word embeddings)" : "mlm (separate decoder)"
    let names = heads.map { $0 == "mlm" ? mlm : $0 }
    let hundredths = (parameters / 5_000 + 1) / 2
    var rows: [(String, String)] = [
      (
        "architecture",
        "BERT, \(c.numHiddenLayers) layers, hidden \(c.hiddenSize), "
          + "\(c.numAttentionHeads) heads, feed-forward \(c.intermediateSize)"
      ),
      (
        "vocabulary",
        "\(c.vocabSize) entries, \(c.maxPositionEmbeddings) positions, \(max(c.typeVocabSize, 1)) token types"
          + (attentionBuckets.map { ", a bias of attention for \($0) buckets of relative positions" } ?? "")
      ), ("activation", "\(c.hiddenAct.configKey), LayerNorm epsilon \(c.layerNormEps)"),
      ("heads", names.isEmpty ? "none" : names.joined(separator: ", ")),
      (
        "parameters",
        "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100) million, "
          + "stored as \(weightTypes.joined(separator: ", "))"
      ), ("memory", memory.map { "\(Self.megabytes($0.bytes)) in \($0.precision)" }.joined(separator: ", ")),
    ]
    let tenths = c.operationsPerToken / 100_000
    rows.append(("work", "\(tenths / 10).\(tenths % 10) million operations per token"))
    rows += more
    rows += [
      (
        "file",
        opset == 0
          ? "\(producer), \(nodes) tensors"
          : "\(producer) \(producerVersion), opset \(opset), IR \(irVersion), \(nodes) nodes"
      ), ("inputs", inputs.map { "\($0.name) \($0.type)" }.joined(separator: ", ")),
      ("outputs", outputs.map(\.name).joined(separator: ", ")),
    ]
    rows += forms.map { ($0.block, $0.form) }
    rows += warnings.map { ("note", $0) }
    return rows
  }

  static func megabytes(_ bytes: Int) -> String {
    if bytes >= 10_000_000 { return "\(bytes / 1_000_000 + (bytes % 1_000_000 >= 500_000 ? 1 : 0)) MB" }
    let tenths = (bytes / 50_000 + 1) / 2
    return "\(tenths / 10).\(tenths % 10) MB"
  }
}

/// Lists of strings.
extension JSONField {
  fileprivate func strings(_ key: String) throws(ClozeError) -> [String] {
    var strings: [String] = []
    for field in try required(key).elements() { strings.append(try field.string()) }
    return strings
  }
}

/// The size of a graph.
extension BERTGraph {
  /// The number of parameters; a tied decoder is not counted again.
  fileprivate var parameters: Int {
    func dense(_ linear: Linear) -> Int { linear.weight.tensor.count + (linear.bias?.count ?? 0) }
    var total = embeddings.word.count + embeddings.position.count
    total += (embeddings.tokenType?.count ?? 0) + (attentionBias?.count ?? 0)
    total += 2 * configuration.hiddenSize * (1 + 2 * layers.count)
    for layer in layers {
      for linear in [layer.query, layer.key, layer.value, layer.attentionOutput, layer.intermediate, layer.output] {
        total += dense(linear)
      }
    }
    if let pooler { total += dense(pooler) }
    if let nsp { total += dense(nsp) }
    if let mlm {
      total += dense(mlm.transform) + 2 * configuration.hiddenSize + (mlm.bias?.count ?? 0)
      if case .separate(let decoder) = mlm.decoder { total += decoder.tensor.count }
    }
    return total
  }
}
