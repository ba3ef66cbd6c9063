internal import ClozeIO

/// Lowers fused operators and quantized arithmetic, so that one recogniser serves the output of all optimizers
/// and quantizers.
///
/// A fused operator (`SkipLayerNormalization`, `com.microsoft.Attention`) is replaced by its parts; quantized
/// arithmetic by the arithmetic on real numbers that it approximates, with the stored integers as weights
/// (`Tensor.quantization`). Scales of activations are dropped: the encoder computes its own, per row. Other
/// operators stay as they are, for the recogniser to refuse in place.
struct Lowering {
  typealias ValueID = Graph.ValueID
  typealias Node = Graph.Node
  typealias Attributes = [(name: String, value: Graph.Attribute)]

  /// The domain of operators that only `Probe` implements.
  static let domain = "cloze"
  /// 0 ..< S
  static let positions = "Positions"
  /// The keys to attend to, [B, 1, 1 or S, S], from a mask in any form of the contributed operators.
  static let keep = "KeepMask"

  /// The lowered graph, built node by node.
  var graph: Graph
  /// Value of the file -> lowered value: the real number that an integer represents, or an alias.
  var real: [ValueID: ValueID] = [:]
  /// Quantized activation -> its scale.
  var scales: [ValueID: ValueID] = [:]
  /// Activation quantized per row -> its zero points.
  var rowZeroPoints: [ValueID: ValueID] = [:]
  /// Quantized activation -> the factors that its channels were multiplied by before.
  var channelFactors: [ValueID: Tensor] = [:]
  /// Integer products that still lack a scale.
  var products: [ValueID: Product] = [:]
  /// Tensors derived from others, so that each is derived once.
  var made: [Made: ValueID] = [:]
  /// Bytes that new tensors may still take; bounds the memory that a small hostile graph causes.
  var budget: Int
  /// The node being lowered.
  var current: Node?

  struct Made: Hashable {
    var address: UnsafeRawPointer
    var count: Int
    var ranges: [Range<Int>]
    var scale: UnsafeRawPointer?
    var zeroPoint: UnsafeRawPointer?
  }

  static func lower(_ graph: Graph) throws(ClozeError) -> Graph {
    guard graph.nodes.contains(where: { needed($0, in: graph) }) else { return graph }
    var lowering = Lowering(graph)
    for node in graph.nodes { try lowering.take(node) }
    return lowering.finish()
  }

  private static func needed(_ node: Node, in graph: Graph) -> Bool {
    if node.domain == "com.microsoft" { return true }
    guard node.domain.isEmpty else { return false }
    return quantizing.contains(node.op) || node.op == "Attention" && node.int("q_num_heads") != nil
      || hasTableForm(node, in: graph)
  }

  static let quantizing: Set<String> = [
    "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "MatMulInteger", "QLinearMatMul",
  ]

  init(_ source: Graph) {
    graph = source
    graph.nodes = []
    graph.producers = Array(repeating: -1, count: source.names.count)
    budget = 4 * source.tensorBytes + (1 << 20)
  }

  private mutating func take(_ source: Node) throws(ClozeError) {
    var node = source
    for i in node.inputs.indices { node.inputs[i] = node.inputs[i].map { resolve($0) } }
    current = source
    defer { current = nil }
    if try quantized(node, source) { return }
    if try fused(node) { return }
    if try attention(node) { return }
    if oneHotRows(node) { return }
    add(node)
    follow(source)
  }

  private func finish() -> Graph {
    var result = graph
    for i in result.outputs.indices { result.outputs[i].value = resolve(result.outputs[i].value) }
    result.uses = Array(repeating: [], count: result.names.count)
    for (index, node) in result.nodes.enumerated() {
      for (position, input) in node.inputs.enumerated() {
        if let input { result.uses[input].append(Graph.Use(node: index, index: position)) }
      }
    }
    return result
  }

  // MARK: - Values

  func resolve(_ value: ValueID) -> ValueID { real[value] ?? value }

  /// A new value.
  mutating func value(_ name: String = "") -> ValueID {
    graph.names.append(name)
    graph.producers.append(-1)
    return graph.names.count - 1
  }

  mutating func constant(_ tensor: Tensor) -> ValueID {
    let id = value(tensor.name)
    graph.tensors.append(tensor)
    graph.initializers[id] = graph.tensors.count - 1
    return id
  }

  mutating func charge(_ bytes: Int) throws(ClozeError) {
    budget -= bytes
    if budget < 0 {
      throw ClozeError(
        .unsupported, "the graph splits its weights too often",
        node: current.map { $0.origin ?? $0.operation + " \"" + $0.name + "\"" }, expected: "each weight used once")
    }
  }

  /// A constant of integers.
  mutating func integers(_ numbers: [Int]) throws(ClozeError) -> ValueID { try constant(Tensor.integers(numbers)) }

  // MARK: - Nodes

  mutating func add(_ node: Node) {
    for case let output? in node.outputs { graph.producers[output] = graph.nodes.count }
    graph.nodes.append(node)
  }

  /// Adds a node that is part of the current one; returns its output.
  @discardableResult mutating func emit(
    _ op: String, _ inputs: [ValueID?], _ attributes: Attributes = [], domain: String = "", to output: ValueID? = nil
  ) -> ValueID {
    let output = output ?? value()
    add(
      Node(
        name: current?.name ?? "", op: op, domain: domain, inputs: inputs, outputs: [output], attributes: attributes,
        origin: current.map { $0.operation }))
    return output
  }

  /// Keeps the current node, with the reason why it was not lowered.
  mutating func leave(_ node: Node, _ reason: String) -> Bool {
    var node = node
    node.remark = reason
    add(node)
    return true
  }
}
