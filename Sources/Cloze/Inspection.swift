internal import ClozeONNX

/// What a model file holds, found without preparing it for use.
public struct Inspection: Sendable, CustomStringConvertible {
  /// The ONNX file.
  public let path: String
  /// nil where the file is sound but no BERT; `refusal` then says why.
  public let configuration: [(key: String, value: Int)]?
  /// Everything known, as one JSON object.
  public let json: String
  /// Everything known, for people.
  public let description: String

  /// Why a sound file was not taken for a BERT.
  public struct Refusal: Sendable {
    /// One sentence.
    public let message: String
    /// The first node that did not fit, as `op "name"`.
    public let node: String?
    /// Where in the model it stands.
    public let place: String?
    /// What would have been understood there.
    public let expected: String?
  }
  /// nil where it is a BERT.
  public let refusal: Refusal?

  /// - Parameter path: as in `Model.init`; nil: the built-in model.
  /// - Throws: where the file cannot be read, or is damaged.
  public init(path: String? = nil) throws(ClozeError) {
    let files = try ModelFiles(path: path)
    self.path = files.model
    let result: Result<BERTGraph, ONNXError>
    do throws(ONNXError) {
      result = .success(try recognizeBERT(in: ONNXFile(path: files.model)))
    } catch {
      guard error.kind == .unsupported else { throw ClozeError(error) }
      result = .failure(error)
    }
    switch result {
    case .success(let graph):
      let facts = Facts(graph, files, tokenizer: try files.tokenizer() != nil)
      refusal = nil
      configuration = facts.sizes
      json = facts.json
      description = facts.text
    case .failure(let error):
      let refused = Refusal(
        message: error.message, node: error.node, place: error.place, expected: error.expected)
      refusal = refused
      configuration = nil
      json = refused.json(files.model)
      description = refused.text(files.model)
    }
  }
}

extension Inspection.Refusal {
  func json(_ path: String) -> String {
    var writer = JSONWriter()
    writer.object {
      $0.value("path", path)
      $0.object("refused") {
        $0.value("node", node)
        $0.value("place", place)
        $0.value("expected", expected)
        $0.value("message", message)
      }
    }
    return writer.text
  }

  func text(_ path: String) -> String {
    var lines = ["\(path): no BERT that is understood", "  why       \(message)"]
    if let place { lines.append("  place     \(place)") }
    if let node { lines.append("  node      \(node)") }
    if let expected { lines.append("  expected  \(expected)") }
    return lines.joined(separator: "\n")
  }
}

/// The facts of a recognised file, in the order in which they are shown.
private struct Facts {
  let graph: BERTGraph
  let files: ModelFiles
  let tokenizer: Bool

  init(_ graph: BERTGraph, _ files: ModelFiles, tokenizer: Bool) {
    self.graph = graph
    self.files = files
    self.tokenizer = tokenizer
  }

  var sizes: [(key: String, value: Int)] {
    let c = graph.configuration
    return [
      ("hidden_size", c.hiddenSize), ("num_hidden_layers", c.numHiddenLayers),
      ("num_attention_heads", c.numAttentionHeads), ("intermediate_size", c.intermediateSize),
      ("vocab_size", c.vocabSize), ("max_position_embeddings", c.maxPositionEmbeddings),
      ("type_vocab_size", c.typeVocabSize),
    ]
  }

  var heads: [String] {
    var heads: [String] = []
    if graph.pooler != nil { heads.append("pooler") }
    if let mlm = graph.mlm {
      let tied = if case .tied = mlm.decoder { true } else { false }
      heads.append(tied ? "mlm (decoder tied to the word embeddings)" : "mlm (decoder of its own)")
    }
    if graph.nsp != nil { heads.append("nsp") }
    return heads
  }

  var headKeys: [String] { heads.compactMap { $0.split(separator: " ").first.map(String.init) } }

  /// Parameters, each counted once.
  var parameters: Int {
    func dense(_ linear: Linear) -> Int { linear.weight.tensor.count + (linear.bias?.count ?? 0) }
    let c = graph.configuration
    var total = graph.embeddings.word.count + graph.embeddings.position.count
    total += graph.embeddings.tokenType?.count ?? 0
    total += 2 * c.hiddenSize * (1 + 2 * graph.layers.count)
    for layer in graph.layers {
      for linear in [
        layer.query, layer.key, layer.value, layer.attentionOutput, layer.intermediate,
        layer.output,
      ] {
        total += dense(linear)
      }
    }
    if let pooler = graph.pooler { total += dense(pooler) }
    if let nsp = graph.nsp { total += dense(nsp) }
    if let mlm = graph.mlm {
      total += dense(mlm.transform) + 2 * c.hiddenSize + (mlm.bias?.count ?? 0)
      if case .separate(let decoder) = mlm.decoder { total += decoder.tensor.count }
    }
    return total
  }

  /// Of the weights in memory: a byte for each in int8 but for what stays float32, four in float32.
  func weightBytes(_ precision: Precision) -> Int {
    let c = graph.configuration
    let small = (c.maxPositionEmbeddings + max(c.typeVocabSize, 1)) * c.hiddenSize
    return precision == .float32 ? 4 * parameters : parameters - small + 4 * small
  }

  var json: String {
    let summary = graph.summary
    var writer = JSONWriter()
    writer.object {
      $0.value("path", files.model)
      $0.value("architecture", "BERT")
      for (key, value) in sizes { $0.value(key, value) }
      $0.value("hidden_act", graph.configuration.hiddenAct.rawValue)
      $0.value("layer_norm_eps", graph.configuration.layerNormEps)
      $0.array("heads") { for head in headKeys { $0.value(nil, head) } }
      $0.value("parameters", parameters)
      $0.array("weight_types") { for type in summary.weightTypes { $0.value(nil, type) } }
      $0.object("memory_bytes") {
        $0.value("int8", weightBytes(.int8))
        $0.value("float32", weightBytes(.float32))
      }
      $0.value("producer", summary.producer)
      $0.value("producer_version", summary.producerVersion)
      $0.value("opset", summary.opset)
      $0.value("ir_version", summary.irVersion)
      $0.value("nodes", summary.nodeCount)
      for (key, values) in [("inputs", summary.inputs), ("outputs", summary.outputs)] {
        $0.array(key) {
          for value in values {
            $0.object {
              $0.value("name", value.name)
              $0.value("type", value.elementType)
              $0.array("shape") { for dimension in value.shape { $0.value(nil, dimension) } }
            }
          }
        }
      }
      $0.array("forms") {
        for form in summary.forms {
          $0.object {
            $0.value("block", form.block)
            $0.value("form", form.form)
          }
        }
      }
      $0.value("tokenizer", tokenizer)
      $0.array("warnings") { for warning in summary.warnings { $0.value(nil, warning) } }
    }
    return writer.text
  }

  var text: String {
    let summary = graph.summary
    let c = graph.configuration
    func megabytes(_ bytes: Int) -> String {
      bytes < 10_000_000
        ? "\((bytes + 50_000) / 100_000 / 10).\((bytes + 50_000) / 100_000 % 10) MB"
        : "\((bytes + 500_000) / 1_000_000) MB"
    }
    var rows: [(String, String)] = [
      (
        "architecture",
        "BERT, \(c.numHiddenLayers) layers, hidden \(c.hiddenSize), \(c.numAttentionHeads) heads, "
          + "feed-forward \(c.intermediateSize)"
      ),
      (
        "vocabulary",
        "\(c.vocabSize) entries, \(c.maxPositionEmbeddings) positions, "
          + "\(max(c.typeVocabSize, 1)) token types"
      ),
      ("activation", "\(c.hiddenAct.rawValue), LayerNorm epsilon \(c.layerNormEps)"),
      ("heads", heads.isEmpty ? "none" : heads.joined(separator: ", ")),
      (
        "parameters",
        "\((parameters + 5_000) / 10_000 / 100).\(twoDigits((parameters + 5_000) / 10_000 % 100)) "
          + "million, stored as \(summary.weightTypes.joined(separator: ", "))"
      ),
      (
        "memory",
        "\(megabytes(weightBytes(.int8))) in int8, \(megabytes(weightBytes(.float32))) in float32"
      ),
      ("tokenizer", tokenizer ? "found" : "none beside the file"),
      (
        "file",
        "\(summary.producer) \(summary.producerVersion), opset \(summary.opset), "
          + "IR \(summary.irVersion), \(summary.nodeCount) nodes"
      ),
      ("inputs", summary.inputs.map { "\($0.name) \($0.elementType)" }.joined(separator: ", ")),
      ("outputs", summary.outputs.map(\.name).joined(separator: ", ")),
    ]
    for form in summary.forms { rows.append((form.block, form.form)) }
    for warning in summary.warnings { rows.append(("note", warning)) }
    let width = rows.map(\.0.count).max() ?? 0
    return
      ([files.model]
      + rows.map { "  \($0)\(String(repeating: " ", count: width - $0.count))  \($1)" }).joined(
        separator: "\n")
  }

  private func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
