public import ClozeIO

/// Finds the BERT in a graph.
///
/// By topology only: the walk starts at the table that the token ids look into and goes forward,
/// block by block; no name of a node or an initializer is read but for messages. What a block
/// computes is checked with small probes of its inputs (see `Probe`), so that the same arithmetic
/// is understood however an exporter spelt it.
///
/// - Throws: `.unsupported` with the first node that did not fit, its place, and what was expected
///   there; `.shape` where weights contradict each other.
///
/// - Parameter architecture: of `config.json`, "BertForSequenceClassification". It tells a head for
///   two classes from next-sentence prediction, which look the same; without it the output's name
///   does.
public func recognizeBERT(
  in file: ONNXFile, architecture: String? = nil
) throws(ClozeError) -> BERTGraph {
  var recognizer = try Recognizer(Lowering.lower(file.graph))
  recognizer.architecture = architecture
  return try recognizer.recognize()
}

/// The state of one recognition: the graph without its aliases, the probes, and where the walk is.
struct Recognizer {
  typealias ValueID = Graph.ValueID
  typealias NodeID = Graph.NodeID
  typealias Use = Graph.Use

  let graph: Graph
  /// Two runs on different numbers of sequences and tokens: what is the same in both by chance
  /// differs in one.
  var probes: [Probe] = []
  /// One run on one long sequence, for masks that cut off what is far away.
  var longProbe: Probe?
  var inputRoles: InputRoles
  /// The value that a value is only another name for: through Identity, Dropout, Cast from one float
  /// type to another, and Reshape that keeps rows as they are.
  var roots: [ValueID] = []
  /// Who uses a value under any of its names; only nodes that an output needs, without aliases and
  /// without Shape and Size, which look at no element.
  var uses: [[Use]] = []
  /// Names of the graph's outputs by root.
  var outputNames: [ValueID: [String]] = [:]

  var architecture: String?
  var hiddenSize = 0
  /// "layer 3, feed-forward"
  var place = "inputs"
  /// The form that each kind of block was written in, in the order of their first appearance.
  var forms: [GraphSummary.Form] = []
  /// Weights that the recognised BERT uses, by address, for the summary.
  var weightBytes: [Tensor.ElementType: Int] = [:]
  /// Masks already checked in the long run, by the values that they are made of.
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
      guard let input = node.input(0), let output = node.output(0) else { continue }
      switch node.op {
      case "Identity": break
      case "Dropout":
        // In training mode it would change values.
        if let training = node.input(2), probes[0].values[training]?.scalar != 0 { continue }
      case "Cast":
        guard probes[0].values[input]?.type.isFloat == true,
          probes[0].values[output]?.type.isFloat == true
        else { continue }
      case "Reshape", "Flatten":
        // Rows of the same width one after the other, whatever the dimensions before it: exporters
        // flatten sequences for a product and put them apart again.
        let same = probes.allSatisfy { probe in
          guard let from = probe.values[input], let to = probe.values[output],
            from.type.isFloat, from.elements == nil, from.shape.count >= 2, to.shape.count >= 2
          else { return false }
          return from.shape.last == to.shape.last && from.count == to.count
        }
        guard same else { continue }
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
    for output in graph.outputs {
      outputNames[roots[output.value], default: []].append(output.name)
    }
  }

  func node(_ use: Use) -> Graph.Node { graph.nodes[use.node] }

  /// Root of an input of a node.
  func root(_ node: NodeID, _ index: Int) -> ValueID? {
    graph.nodes[node].input(index).map { roots[$0] }
  }

  /// First output of a node, a root by itself.
  func output(_ node: NodeID) -> ValueID? { graph.nodes[node].output(0) }

  /// The node that makes a value's root.
  func producer(_ value: ValueID) -> NodeID? { graph.producer(of: roots[value]) }

  /// For a node of two operands, the root of the one that is not at `index`.
  func otherOperand(_ use: Use) -> ValueID? {
    let node = graph.nodes[use.node]
    guard node.inputs.count == 2, use.index < 2 else { return nil }
    return node.inputs[1 - use.index].map { roots[$0] }
  }

  /// Uses of `value`, and of everything made of it by the operators `through`, by other operators;
  /// in the order of the file, with the value that they use.
  func exits(
    from value: ValueID, through operators: Set<String>
  ) -> [(use: Use, value: ValueID)] {
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
        // No block of a BERT is as long: what is longer leads nowhere.
        if visited.count > 256 { return [] }
      }
    }
    return result.sorted { $0.use.node < $1.use.node }
  }

  // MARK: - Errors and notes

  /// What operators that no BERT here has say about a model.
  static let reasons = [
    "PackedAttention": "attention on packed sequences, which the graph makes itself, is not read",
    "PackedMultiHeadAttention":
      "attention on packed sequences, which the graph makes itself, is not read",
    "RemovePadding": "attention on packed sequences, which the graph makes itself, is not read",
    "GroupQueryAttention": "this is a decoder with grouped queries",
    "RotaryEmbedding": "this model has rotary positions",
    "RelativePositionBias": "this model has relative positions",
    "GatedRelativePositionBias": "this model has relative positions",
    "SimplifiedLayerNormalization": "this model normalises without a mean",
    "SkipSimplifiedLayerNormalization": "this model normalises without a mean",
    "RMSNormalization": "this model normalises without a mean",
    "Einsum": "products by Einsum, as ALBERT has them, are not read",
    "QOrderedAttention": "the QOrdered operators are for one kind of GPU",
    "QOrderedMatMul": "the QOrdered operators are for one kind of GPU",
    "MatMulBnb4": "weights of 4 bits in this form are not read",
    "If": "branches are not read", "Loop": "loops are not read",
  ]

  func misfit(_ node: NodeID?, _ message: String, expected: String) -> ClozeError {
    var message = message
    if let node, let reason = graph.nodes[node].remark ?? Recognizer.reasons[graph.nodes[node].op] {
      message += "; " + reason
    }
    return ClozeError(
      .unsupported, message, node: node.map { graph.label($0) }, place: place, expected: expected)
  }

  /// For a value whose users do not fit: names the first of them, or says that there is none.
  func misfit(usersOf value: ValueID, _ expected: String) -> ClozeError {
    if let first = uses[value].min(by: { $0.node < $1.node }) {
      return misfit(
        first.node, "\(graph.nodes[first.node].operation) does not belong here", expected: expected)
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
