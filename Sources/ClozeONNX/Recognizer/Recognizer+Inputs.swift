internal import ClozeIO

/// The roles of the graph's inputs. Ids index tables of weights; the remaining input is the mask.
struct InputRoles {
  var inputIDs: Graph.Input
  var tokenTypeIDs: Graph.Input?
  var positionIDs: Graph.Input?
  var attentionMask: Graph.Input?

  var names: BERTGraph.InputNames {
    BERTGraph.InputNames(
      inputIDs: inputIDs.name, attentionMask: attentionMask?.name, tokenTypeIDs: tokenTypeIDs?.name,
      positionIDs: positionIDs?.name)
  }

  init(_ graph: Graph) throws(ClozeError) {
    struct Lookup {
      var input: Graph.Input
      var rows: Int
    }
    var lookups: [Lookup] = []
    var others: [Graph.Input] = []
    for input in graph.inputs {
      if let rows = InputRoles.tableRows(graph, input.value) {
        lookups.append(Lookup(input: input, rows: rows))
      } else if !graph.uses[input.value].isEmpty, !InputRoles.passesThrough(graph, input.value) {
        others.append(input)
      }
    }
    // Byte by byte: String.contains(String) would link a regular expression engine of 1.3 MB.
    func names(_ lookup: Lookup, _ part: String) -> Bool {
      let name = Array(lookup.input.name.lowercased().utf8)
      return name.indices.contains { name[$0...].starts(with: part.utf8) }
    }
    // The word table is the one with most rows; where the vocabulary is smaller than the position table, the
    // input's name tells, which is part of the model's interface.
    lookups.sort { a, b in
      let aOther = names(a, "type") || names(a, "segment") || names(a, "pos")
      let bOther = names(b, "type") || names(b, "segment") || names(b, "pos")
      return aOther != bOther ? !aOther : a.rows > b.rows
    }
    guard let ids = lookups.first else {
      let first = graph.nodes.indices.first { graph.nodes[$0].op != "Constant" }
      throw ClozeError(
        .unsupported, "no input indexes a table of embeddings", node: first.map { graph.label($0) },
        place: "embeddings", expected: "Gather(word embeddings [V, D], input_ids)")
    }
    inputIDs = ids.input
    var rest = Array(lookups.dropFirst())
    if let index = rest.firstIndex(where: { names($0, "pos") }) {
      positionIDs = rest.remove(at: index).input
    } else if rest.count == 2 {
      positionIDs = rest.remove(at: 0).input
    }
    if !rest.isEmpty { tokenTypeIDs = rest.removeFirst().input }
    if let extra = rest.first {
      throw ClozeError(
        .unsupported, "input \"\(extra.input.name)\" indexes one table too many",
        node: graph.uses[extra.input.value].first.map { graph.label($0.node) }, place: "embeddings",
        expected: "word, segment and position embeddings")
    }
    let mask = others.firstIndex { names(Lookup(input: $0, rows: 0), "mask") } ?? 0
    attentionMask = others.isEmpty ? nil : others.remove(at: mask)
    if let extra = others.first {
      throw ClozeError(
        .unsupported, "unexpected input \"\(extra.name)\"",
        node: graph.uses[extra.value].first.map { graph.label($0.node) }, place: "inputs",
        expected: "input_ids, attention_mask, token_type_ids")
    }
    for input in [inputIDs, tokenTypeIDs, positionIDs, attentionMask] {
      guard let input, let shape = input.shape else { continue }
      guard shape.count == 2 else {
        throw ClozeError(
          .unsupported, "input \"\(input.name)\" has \(shape.count) dimensions", place: "inputs",
          expected: "[batch, sequence]")
      }
    }
  }

  /// Whether an input reaches outputs only, unchanged, as the ids of examples do that TensorFlow's graphs return.
  private static func passesThrough(_ graph: Graph, _ value: Graph.ValueID) -> Bool {
    var pending = [value]
    var visited = 0
    while let current = pending.popLast() {
      visited += 1
      guard visited < 64 else { return false }
      for use in graph.uses[current] {
        let node = graph.nodes[use.node]
        guard node.domain.isEmpty, ["Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze"].contains(node.op),
          use.index == 0, let output = node.output(0)
        else { return false }
        pending.append(output)
      }
    }
    return true
  }

  /// The rows of the table that a value indexes; nil where it indexes none.
  private static func tableRows(_ graph: Graph, _ value: Graph.ValueID) -> Int? {
    var pending = [value]
    var visited = 0
    while let current = pending.popLast(), visited < 64 {
      visited += 1
      for use in graph.uses[current] {
        let node = graph.nodes[use.node]
        guard node.domain.isEmpty else { continue }
        if node.op == "Gather", use.index == 1, let data = node.input(0), let table = graph.constant(data),
          !table.transposed, table.tensor.isReal, table.tensor.shape.count == 2
        {
          return table.tensor.shape[0]
        }
        if ["Identity", "Cast", "Reshape"].contains(node.op), use.index == 0, let output = node.output(0) {
          pending.append(output)
        }
      }
    }
    return nil
  }

  /// The dimensions that the graph's inputs fix; nil: free.
  var fixedSize: (batch: Int?, sequence: Int?) {
    var fixed: (batch: Int?, sequence: Int?) = (nil, nil)
    for input in [inputIDs, attentionMask, tokenTypeIDs, positionIDs] {
      guard let shape = input?.shape, shape.count == 2 else { continue }
      if fixed.batch == nil { fixed.batch = shape[0] }
      if fixed.sequence == nil { fixed.sequence = shape[1] }
    }
    return fixed
  }

  /// The two runs in which every block is checked, with the graph's fixed numbers of sequences and tokens, else
  /// with few.
  func probes(_ graph: Graph) throws(ClozeError) -> [Probe] {
    let fixed = fixedSize
    let sizes = [(2, 5), (3, 4)].map { (fixed.batch ?? $0.0, fixed.sequence ?? $0.1) }
    for (batch, sequence) in sizes {
      guard batch > 0, batch <= 4096, sequence > 0, sequence <= 4096,
        batch * sequence * sequence <= Probe.maximumElements
      else {
        throw ClozeError(
          .unsupported, "the graph is fixed to \(batch) sequences of \(sequence) tokens", place: "inputs",
          expected: "free dimensions, or fewer tokens")
      }
    }
    let first = probe(graph, batch: sizes[0].0, sequence: sizes[0].1)
    if sizes[0] == sizes[1] { return [first] }
    return [first, probe(graph, batch: sizes[1].0, sequence: sizes[1].1)]
  }

  func probe(_ graph: Graph, batch: Int, sequence: Int) -> Probe {
    var mask: [Double] = []
    mask.reserveCapacity(batch * sequence)
    for b in 0..<batch {
      for s in 0..<sequence {
        // Padding in the middle too, not only at the end; the first of several rows has none.
        let hole = (s * 5 + b * 3) % 4 == 2 && s > 0 && (b > 0 || batch == 1)
        mask.append(hole ? 0 : 1)
      }
    }
    var ids: Set<Graph.ValueID> = [inputIDs.value]
    if let tokenTypeIDs { ids.insert(tokenTypeIDs.value) }
    return Probe(graph, batch: batch, sequence: sequence, mask: mask, ids: ids, positions: positionIDs?.value)
  }
}

/// Constants of a graph.
extension Graph {
  /// The tensor of a constant value, through Identity, casts between float types, and transposes of a matrix; nil
  /// where the value is computed.
  func constant(_ value: ValueID) -> (tensor: Tensor, transposed: Bool)? {
    var value = value
    var transposed = false
    for _ in 0..<32 {
      if let index = initializers[value] { return tensors[index].map { ($0, transposed) } }
      guard let producer = producer(of: value) else { return nil }
      let node = nodes[producer]
      guard node.domain.isEmpty else { return nil }
      switch node.op {
      case "Constant":
        guard case .tensor(let index)? = node.attribute("value"), index < tensors.count else { return nil }
        return tensors[index].map { ($0, transposed) }
      case "Identity": break
      case "Cast":
        // To a float type: 1 float32, 10 float16, 11 float64, 16 bfloat16.
        guard let to = node.int("to"), [1, 10, 11, 16].contains(to) else { return nil }
      case "Transpose":
        guard node.ints("perm") ?? [1, 0] == [1, 0] else { return nil }
        transposed.toggle()
      default: return nil
      }
      guard let input = node.input(0) else { return nil }
      value = input
    }
    return nil
  }
}
