public import ClozeIO

/// Finds the BERT in a graph.
///
/// By topology only: it starts at the table indexed by the token ids and goes forward, block by block; names of
/// nodes and initializers serve only messages. What a block computes is checked by computing it on small inputs
/// (see `Probe`), so that any spelling of the same arithmetic is recognised.
///
/// - Parameter architecture: of `config.json`, such as "BertForSequenceClassification". It distinguishes two
///   classes from next-sentence prediction, which are the same graph; without it the output's name does.
/// - Throws: `.unsupported` with the first node that did not fit, its place, and what was expected there;
///   `.shape` where weights contradict each other.
public func recognizeBERT(in file: ONNXFile, architecture: String? = nil) throws(ClozeError) -> BERTGraph {
  var graph = try Lowering.lower(file.graph)
  let exportedHead = ExportedHead(graph)
  if let exportedHead { graph.outputs.removeAll { exportedHead.outputs.contains($0.name) } }
  var recognizer = try Recognizer(graph)
  recognizer.architecture = architecture
  var result = try recognizer.recognize()
  result.exportedHead = exportedHead
  return result
}

/// The state of one recognition: the graph without its aliases, the probes, and the current place.
struct Recognizer {
  typealias ValueID = Graph.ValueID
  typealias NodeID = Graph.NodeID
  typealias Use = Graph.Use

  let graph: Graph
  /// Two runs with different numbers of sequences and tokens, so that chance equalities in one are found in the
  /// other.
  var probes: [Probe] = []
  /// A run on one long sequence, which shows masks of local attention.
  var longProbe: Probe?
  var inputRoles: InputRoles
  /// Value -> the value that it is an alias of, through Identity, Dropout, Cast between float types, Reshape that keeps
  /// rows, and bounds that no number passes.
  var roots: [ValueID] = []
  /// The uses of a value and its aliases by nodes that an output needs, without aliases and without Shape and
  /// Size, which read no element.
  var uses: [[Use]] = []
  /// The names of the graph's outputs, by root.
  var outputNames: [ValueID: [String]] = [:]

  var architecture: String?
  var hiddenSize = 0
  /// The current place, for messages: "layer 3, feed-forward".
  var place = "inputs"
  /// The forms of each kind of block, in the order of first occurrence.
  var forms: [GraphSummary.Form] = []
  /// Bytes of the weights in use, by element type, for the summary.
  var weightBytes: [Tensor.ElementType: Int] = [:]
  /// Masks already checked in the long run, by the values that they are computed from.
  var checkedMasks: Set<[ValueID]> = []

  init(_ graph: Graph) throws(ClozeError) {
    self.graph = graph
    inputRoles = try InputRoles(graph)
    probes = try inputRoles.probes(graph)
    resolveAliases()
  }

  // MARK: - Graph without aliases

  private mutating func resolveAliases() {
    roots = Array(graph.names.indices)
    var alias = Array(repeating: false, count: graph.nodes.count)
    for (index, node) in graph.nodes.enumerated() where node.domain.isEmpty {
      guard var input = node.input(0), let output = node.output(0) else { continue }
      switch node.op {
      case "Identity": break
      case "Dropout":
        // In training mode it would change values.
        if let training = node.input(2), probes[0].values[training]?.scalar != 0 { continue }
      case "Cast":
        guard probes[0].values[input]?.type.isFloat == true, probes[0].values[output]?.type.isFloat == true else {
          continue
        }
      case "Reshape", "Flatten":
        // The last dimension is kept: exporters flatten sequences before a product and restore the shape after.
        let same = probes.allSatisfy { probe in
          guard let from = probe.values[input], let to = probe.values[output], from.type.isFloat, from.elements == nil,
            from.shape.count >= 2, to.shape.count >= 2
          else { return false }
          return from.shape.last == to.shape.last && from.count == to.count
        }
        guard same else { continue }
      case "Min", "Max", "Clip":
        guard let bounded = withoutBounds(node) else { continue }
        input = bounded
      default: continue
      }
      roots[output] = roots[input]
      alias[index] = true
    }

    var live = Array(repeating: false, count: graph.nodes.count)
    var pending = graph.outputs.compactMap { graph.producer(of: $0.value) }
    while let index = pending.popLast() {
      if live[index] { continue }
      live[index] = true
      for case let input? in graph.nodes[index].inputs {
        if let producer = graph.producer(of: input), !live[producer] { pending.append(producer) }
      }
    }

    uses = Array(repeating: [], count: graph.names.count)
    for (index, node) in graph.nodes.enumerated() where live[index] && !alias[index] {
      if node.domain.isEmpty, node.op == "Shape" || node.op == "Size" { continue }
      for (position, input) in node.inputs.enumerated() {
        if let input { uses[roots[input]].append(Use(node: index, index: position)) }
      }
    }
    for output in graph.outputs { outputNames[roots[output.value], default: []].append(output.name) }
  }

  /// The computed value of a Min, Max or Clip whose bounds are infinite or the largest numbers of their type; nil where
  /// they can change a value.
  private func withoutBounds(_ node: Graph.Node) -> ValueID? {
    func isFree(_ bound: Probe.Value, above: Bool) -> Bool {
      // The largest float16, and the largest float32.
      let largest = bound.type == .float16 ? 65504 : Double(Float.greatestFiniteMagnitude)
      return bound.elements?.allSatisfy { above ? $0 >= largest : $0 <= -largest } ?? false
    }
    func constant(_ value: Double?, at index: Int, else free: Double) -> Probe.Value? {
      if let value { return Probe.Value(.float32, [], [value]) }
      guard let id = node.input(index) else { return Probe.Value(.float32, [], [free]) }
      return probes[0].values[id]
    }
    if node.op == "Clip" {
      guard let low = constant(node.float("min"), at: 1, else: -.infinity), isFree(low, above: false),
        let high = constant(node.float("max"), at: 2, else: .infinity), isFree(high, above: true)
      else { return nil }
      return node.input(0)
    }
    let computed = node.inputs.compactMap { $0 }.filter { id in
      probes[0].values[id].map { !isFree($0, above: node.op == "Min") } ?? true
    }
    return computed.count == 1 ? computed[0] : nil
  }

  func node(_ use: Use) -> Graph.Node { graph.nodes[use.node] }

  /// The root of an input of a node.
  func root(_ node: NodeID, _ index: Int) -> ValueID? { graph.nodes[node].input(index).map { roots[$0] } }

  /// The first output of a node.
  func output(_ node: NodeID) -> ValueID? { graph.nodes[node].output(0) }

  /// The node that makes a value's root.
  func producer(_ value: ValueID) -> NodeID? { graph.producer(of: roots[value]) }

  /// The root of the other operand of a node with two.
  func otherOperand(_ use: Use) -> ValueID? {
    let node = graph.nodes[use.node]
    guard node.inputs.count == 2, use.index < 2 else { return nil }
    return node.inputs[1 - use.index].map { roots[$0] }
  }

  /// The uses by other operators of `value` and of everything computed from it by the operators `through`, in
  /// topological order, with the value used.
  func exits(from value: ValueID, through operators: Set<String>) -> [(use: Use, value: ValueID)] {
    var result: [(use: Use, value: ValueID)] = []
    var pending = [value]
    var visited: Set<ValueID> = [value]
    while let current = pending.popLast() {
      for use in uses[current] {
        let node = graph.nodes[use.node]
        guard operators.contains(node.operation) else {
          result.append((use, current))
          continue
        }
        for case let output? in node.outputs where visited.insert(roots[output]).inserted {
          pending.append(roots[output])
        }
        // Longer than any block of a BERT.
        if visited.count > 256 { return [] }
      }
    }
    return result.sorted { $0.use.node < $1.use.node }
  }

  // MARK: - Errors and notes

  /// What certain unsupported operators tell about a model.
  static let reasons = [
    "PackedAttention": "attention on packed sequences is not supported",
    "PackedMultiHeadAttention": "attention on packed sequences is not supported",
    "RemovePadding": "attention on packed sequences is not supported",
    "GroupQueryAttention": "this is a decoder with grouped queries",
    "RotaryEmbedding": "this model has rotary positions", "RelativePositionBias": "this model has relative positions",
    "GatedRelativePositionBias": "this model has relative positions",
    "SimplifiedLayerNormalization": "this model uses RMS normalization",
    "SkipSimplifiedLayerNormalization": "this model uses RMS normalization",
    "RMSNormalization": "this model uses RMS normalization", "Einsum": "Einsum, as in ALBERT, is not supported",
    "QOrderedAttention": "the QOrdered operators are for one kind of GPU",
    "QOrderedMatMul": "the QOrdered operators are for one kind of GPU",
    "MatMulBnb4": "weights of 4 bits in this form are not supported", "If": "branches are not supported",
    "Loop": "loops are not supported",
  ]

  func misfit(_ node: NodeID?, _ message: String, expected: String) -> ClozeError {
    var message = message
    if let node, let reason = graph.nodes[node].remark ?? Recognizer.reasons[graph.nodes[node].op] {
      message += "; " + reason
    }
    return ClozeError(.unsupported, message, node: node.map { graph.label($0) }, place: place, expected: expected)
  }

  /// The error for a value whose uses do not fit; names the first use, if any.
  func misfit(usersOf value: ValueID, _ expected: String) -> ClozeError {
    if let first = uses[value].min(by: { $0.node < $1.node }) {
      return misfit(first.node, "\(graph.nodes[first.node].operation) is unexpected here", expected: expected)
    }
    let source = producer(value)
    return misfit(source, "nothing uses \"\(graph.names[value])\"", expected: expected)
  }

  func contradiction(_ message: String, node: NodeID?) -> ClozeError {
    ClozeError(.shape, message, node: node.map { graph.label($0) }, place: place)
  }

  mutating func note(_ block: String, _ form: String) {
    let entry = GraphSummary.Form(block: block, form: form)
    if !forms.contains(entry) { forms.append(entry) }
  }
}
