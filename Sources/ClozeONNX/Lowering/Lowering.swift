internal import ClozeIO

/// Takes apart what optimizers and quantizers have put together, so that one recogniser serves all
/// of them.
///
/// An operator that stands for several others (`SkipLayerNormalization`, `com.microsoft.Attention`)
/// becomes those; quantized arithmetic becomes the arithmetic on real numbers that it approximates,
/// with the stored integers as weights (`Tensor.quantization`). Scales of activations are dropped:
/// the encoder computes its own, row by row. What is not understood stays as it is, for the
/// recogniser to refuse where it stands.
struct Lowering {
  typealias ValueID = Graph.ValueID
  typealias Node = Graph.Node
  typealias Attributes = [(name: String, value: Graph.Attribute)]

  /// The domain of operators that only `Probe` computes.
  static let domain = "cloze"
  /// 0 ..< S
  static let positions = "Positions"
  /// Which keys to attend to, [B, 1, 1 or S, S], of a mask in any of the contributed forms.
  static let keep = "KeepMask"

  /// The result; nodes are added one by one.
  var graph: Graph
  /// What a value has become: the real number that an integer stands for, or another name for the
  /// same.
  var real: [ValueID: ValueID] = [:]
  /// Quantized activation -> its scale.
  var scales: [ValueID: ValueID] = [:]
  /// Quantized activations, each row of which has a zero point of its own: that.
  var rowZeroPoints: [ValueID: ValueID] = [:]
  /// What the channels of an activation were multiplied by before it was quantized.
  var channelFactors: [ValueID: Tensor] = [:]
  /// Integer products that still lack a factor.
  var products: [ValueID: Product] = [:]
  /// Tensors made of others, so that each is made once.
  var made: [Made: ValueID] = [:]
  /// Bytes that new tensors may still take: a graph must not make much of little.
  var budget: Int
  /// The node that is being taken apart.
  var current: Node?

  struct Made: Hashable {
    var address: UnsafeRawPointer
    var count: Int
    var ranges: [Range<Int>]
    var scale: UnsafeRawPointer?
    var zeroPoint: UnsafeRawPointer?
  }

  static func lower(_ graph: Graph) throws(ClozeError) -> Graph {
    guard graph.nodes.contains(where: { needed($0) }) else { return graph }
    var lowering = Lowering(graph)
    for node in graph.nodes { try lowering.take(node) }
    return lowering.finish()
  }

  private static func needed(_ node: Node) -> Bool {
    if node.domain == "com.microsoft" { return true }
    guard node.domain.isEmpty else { return false }
    return quantizing.contains(node.op) || node.op == "Attention" && node.int("q_num_heads") != nil
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

  /// A value of its own.
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
        .unsupported, "the graph takes its weights apart again and again",
        node: current.map { $0.origin ?? $0.operation + " \"" + $0.name + "\"" },
        expected: "each weight used once")
    }
  }

  /// Integers as a constant.
  mutating func integers(_ numbers: [Int]) throws(ClozeError) -> ValueID {
    try constant(Tensor.integers(numbers))
  }

  // MARK: - Nodes

  mutating func add(_ node: Node) {
    for case let output? in node.outputs { graph.producers[output] = graph.nodes.count }
    graph.nodes.append(node)
  }

  /// A node that is part of the current one; gives its output.
  @discardableResult
  mutating func emit(
    _ op: String, _ inputs: [ValueID?], _ attributes: Attributes = [], domain: String = "",
    to output: ValueID? = nil
  ) -> ValueID {
    let output = output ?? value()
    add(
      Node(
        name: current?.name ?? "", op: op, domain: domain, inputs: inputs, outputs: [output],
        attributes: attributes, origin: current.map { $0.operation }))
    return output
  }

  /// The current node as it is, with the reason why it was not taken apart.
  mutating func leave(_ node: Node, _ reason: String) -> Bool {
    var node = node
    node.remark = reason
    add(node)
    return true
  }
}
