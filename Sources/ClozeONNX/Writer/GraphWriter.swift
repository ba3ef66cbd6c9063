internal import ClozeIO

/// Writes a BERT as a graph of ONNX operators: the inverse of `Recognizer`.
struct GraphWriter {
  /// The name of a value.
  typealias Value = String

  let document: ONNXDocument
  let graph: BERTGraph
  let format: ONNXFormat
  /// The prefix of the encoder's weights: "bert." where the model has heads.
  var prefix = ""
  /// The prefix of the names of nodes.
  var scope = ""
  /// The number of nodes with each name, which numbers them.
  private var names: [String: Int] = [:]
  /// The constants written so far.
  private var constants: [String: Value] = [:]
  /// The quantized rows of each value.
  var quantizedRows: [Value: QuantizedRows] = [:]
  /// The vector of each pooling of the last hidden state.
  var pools: [Pooling: Value] = [:]
  /// The states after the embeddings and after each layer.
  var states: [Value] = []
  /// The word table, as float32.
  var wordValue = ""

  init(_ document: ONNXDocument, _ graph: BERTGraph, _ format: ONNXFormat) {
    self.document = document
    self.graph = graph
    self.format = format
  }

  var configuration: BERTConfiguration { graph.configuration }

  mutating func write(_ heads: [AddedHead]) throws(ClozeError) {
    let all = try ownHeads() + heads
    if graph.mlm != nil || graph.nsp != nil || !all.isEmpty { prefix = "bert." }
    let sizes: [ONNXDocument.Dimension] = [.free("batch"), .free("sequence")]
    document.input("input_ids", .int64, sizes)
    document.input("attention_mask", .int64, sizes)
    if takesTypes { document.input("token_type_ids", .int64, sizes) }

    var x = try embeddings()
    states = [x]
    let mask = try maskBias()
    let bias = try attentionBias()
    for (index, layer) in graph.layers.enumerated() {
      let isLast = index == graph.layers.count - 1
      x = try self.layer(layer, index, x, mask, bias, name: isLast ? "last_hidden_state" : nil)
      states.append(x)
    }
    publish("last_hidden_state", sizes + [.fixed(configuration.hiddenSize)])
    try self.heads(x, all)
  }

  /// Whether the graph has an input of token types: more than one row in their table.
  var takesTypes: Bool {
    (graph.embeddings.tokenType?.shape.first ?? 0) > 1
      || graph.embeddings.tokenType != nil && graph.inputs.tokenTypeIDs != nil
  }

  func publish(_ name: String, _ shape: [ONNXDocument.Dimension]) { document.output(name, .float32, shape) }

  // MARK: - Nodes

  /// Adds a node with one output, named `output` if given; returns its name.
  mutating func node(
    _ op: String, _ inputs: [Value], _ attributes: [(String, ONNXDocument.Attribute)] = [], to output: Value? = nil
  ) -> Value {
    let base = scope.isEmpty ? op : scope + "/" + op
    let count = names[base, default: 0]
    names[base] = count + 1
    let name = count == 0 ? base : "\(base)_\(count)"
    let made = output ?? name + "_output"
    document.node(op, name: name, inputs: inputs, outputs: [made], attributes: attributes)
    return made
  }

  /// A float32 constant, written once.
  mutating func constant(_ value: Float) throws(ClozeError) -> Value {
    try constant("constant.\(value)") { () throws(ClozeError) in try Tensor.floats([value], shape: [], name: "") }
  }

  /// An int64 scalar, written once.
  mutating func constant(_ value: Int) throws(ClozeError) -> Value {
    try constant("constant.int64.\(value)") { () throws(ClozeError) in
      try Tensor.made("", .int64, []) { $0.storeBytes(of: Int64(value), as: Int64.self) }
    }
  }

  /// An int64 vector, written once.
  mutating func constant(_ values: [Int]) throws(ClozeError) -> Value {
    try constant("constant.\(values.map { String($0) }.joined(separator: ","))") { () throws(ClozeError) in
      try Tensor.integers(values)
    }
  }

  mutating func constant(_ name: String, _ make: () throws(ClozeError) -> Tensor) throws(ClozeError) -> Value {
    if let known = constants[name] { return known }
    constants[name] = name
    let tensor = try make()
    try document.tensor(name, tensor.elementType, tensor.shape) { () throws(ClozeError) in tensor }
    return name
  }

  // MARK: - Weights

  /// A vector, always float32.
  mutating func vector(_ tensor: Tensor, _ name: String) throws(ClozeError) -> Value {
    try document.tensor(name, .float32, [tensor.count]) { () throws(ClozeError) in try tensor.asFloat32() }
    return name
  }

  /// A tensor of real numbers, stored in the format of the file, as a float32 value.
  mutating func real(_ name: String, _ shape: [Int], _ content: @escaping ONNXDocument.Content) throws(ClozeError)
    -> Value
  {
    guard format == .float16, try content().fitsFloat16() else {
      try document.tensor(name, .float32, shape, content)
      return name
    }
    try document.tensor(name, .float16, shape) { () throws(ClozeError) in try content().asFloat16() }
    return node("Cast", [name], [("to", .int(1))], to: name + ".float32")
  }

  /// A table [rows, width].
  mutating func table(_ tensor: Tensor, _ name: String) throws(ClozeError) -> Value {
    try real(name, tensor.shape) { () throws(ClozeError) in try tensor.asFloat32() }
  }
}
