internal import ClozeIO

/// Embeddings: tables, their sum, its LayerNorm, and the projection of ELECTRA.
extension Recognizer {
  /// The three tables and the LayerNorm of their sum; returns the value that enters layer 0.
  mutating func embeddings() throws(ClozeError) -> (embeddings: BERTGraph.Embeddings, output: ValueID) {
    place = "embeddings"
    let lookup = try wordLookup()
    let word = lookup.table
    guard word.shape[0] > 0, word.shape[1] > 0, word.shape[1] <= 1 << 16 else {
      throw contradiction("word embeddings \(word.label) are empty or have more than 65536 columns", node: lookup.node)
    }
    hiddenSize = word.shape[1]
    try count(word)

    // Forward through the additions to the normalised value.
    let expected = "the sum of word, position and segment embeddings, then a layer normalisation"
    var sum = lookup.output
    var steps = 0
    while !uses[sum].contains(where: { startsNorm($0) }) {
      let adds = uses[sum].filter { graph.nodes[$0.node].operation == "Add" }
      guard adds.count == 1, uses[sum].count == 1, let next = output(adds[0].node), steps < 16 else {
        throw misfit(usersOf: sum, expected)
      }
      sum = next
      steps += 1
    }
    if let residual = uses[sum].first(where: { isResidual($0) }) { throw preNorm(residual) }

    var position: Tensor?
    var tokenType: Tensor?
    for term in terms(of: sum) where term != lookup.output {
      switch try classify(term) {
      case .position(let table):
        guard position == nil else {
          throw misfit(producer(term), "position embeddings are added twice", expected: expected)
        }
        position = table
      case .tokenType(let table):
        guard tokenType == nil else {
          throw misfit(producer(term), "segment embeddings are added twice", expected: expected)
        }
        tokenType = table
      }
    }
    guard let position else {
      throw misfit(
        producer(sum), "no position embeddings are added", expected: "Gather(position embeddings [P, D], 0, 1, 2, ...)")
    }
    for table in [position, tokenType] {
      guard let table else { continue }
      guard table.shape[1] == hiddenSize else {
        throw contradiction("embeddings \(table.label) and \(word.label) differ in the hidden size", node: lookup.node)
      }
      try count(table)
    }
    if inputRoles.tokenTypeIDs != nil, tokenType == nil {
      throw misfit(producer(sum), "segment embeddings are not added to the word embeddings", expected: expected)
    }
    note(
      "embeddings",
      tokenType == nil
        ? "word + position"
        : inputRoles.tokenTypeIDs == nil ? "word + position + one folded segment row" : "word + position + segment")

    place = "embeddings, layer norm"
    let (norm, output) = try layerNorm(sum)
    var result = BERTGraph.Embeddings(word: word, position: position, tokenType: tokenType, norm: norm)
    let after = uses[output].filter { isLinear($0) }
    guard after.count == 1, uses[output].count == 1 else { return (result, output) }
    // One linear layer in place of query, key and value projects to the hidden size.
    place = "embeddings, projection"
    let (projection, projected) = try linear(after[0], inputSize: hiddenSize, outputSize: nil)
    guard startsLayer(projected), projection.weight.outputSize <= 1 << 16 else { return (result, output) }
    result.projection = projection
    hiddenSize = projection.weight.outputSize
    note("embeddings", "projected from \(projection.weight.inputSize) to \(hiddenSize)")
    return (result, projected)
  }

  /// An addition of two computed values.
  func isResidual(_ use: Use) -> Bool {
    guard graph.nodes[use.node].operation == "Add", let other = otherOperand(use) else { return false }
    return graph.constant(other) == nil && probes[0].values[other]?.elements == nil
  }

  func preNorm(_ residual: Use) -> ClozeError {
    misfit(
      residual.node, "this is a Pre-LayerNorm transformer: the value before the normalisation is added",
      expected: "a BERT, which normalises after each addition")
  }

  // MARK: - Tables

  private func wordLookup() throws(ClozeError) -> (table: Tensor, node: NodeID, output: ValueID) {
    for (index, node) in graph.nodes.enumerated() where node.operation == "Gather" && (node.int("axis") ?? 0) == 0 {
      guard let data = node.input(0), let indices = node.input(1), let made = node.output(0),
        let table = graph.constant(data), !table.transposed, table.tensor.shape.count == 2, table.tensor.isReal,
        source(of: indices) == inputRoles.inputIDs.value,
        // Not the scales of a table of integers, which are part of the dequantized table.
        table.tensor.shape[1] > 1 || !uses[made].isEmpty
      else { continue }
      for probe in probes {
        let wanted = [probe.batch, probe.sequence, table.tensor.shape[1]]
        if let shape = probe.values[made]?.shape, shape != wanted {
          throw misfit(index, "the token ids have the shape \(shape.dropLast())", expected: "[B, S]")
        }
      }
      return (table.tensor, index, made)
    }
    throw misfit(
      uses[inputRoles.inputIDs.value].first?.node, "the token ids index no table",
      expected: "Gather(word embeddings [V, D], input_ids)")
  }

  /// The graph input that a value equals, through casts and reshapes.
  private func source(of value: ValueID) -> ValueID? {
    var value = roots[value]
    for _ in 0..<16 {
      guard let index = producer(value) else { return value }
      let node = graph.nodes[index]
      guard ["Cast", "Identity", "Reshape"].contains(node.operation), let input = node.input(0) else { return nil }
      value = roots[input]
    }
    return nil
  }

  /// Whether the elements of a value, not only its shape, depend on the token ids.
  private func dependsOnTokens(_ value: ValueID) -> Bool {
    var pending = [value]
    var visited: Set<ValueID> = []
    while let current = pending.popLast() {
      if current == inputRoles.inputIDs.value { return true }
      guard visited.insert(current).inserted, let index = graph.producer(of: current) else { continue }
      let node = graph.nodes[index]
      if node.operation == "Shape" || node.operation == "Size" { continue }
      for case let input? in node.inputs { pending.append(input) }
    }
    return false
  }

  /// The row of the first token where positions count the tokens that are not padding (RoBERTa: the padding's id
  /// plus one), or the only row looked up; nil for other indices.
  private func firstPosition(_ indices: ValueID) -> (row: Int, counts: Bool)? {
    var offset: Int?
    var counts = true
    for probe in probes {
      let shape = [probe.batch, probe.sequence]
      let count = probe.batch * probe.sequence
      // An arbitrary token that is not padding, which has one of the first ids.
      let ids = Probe.Value(.int64, shape, Array(repeating: 7, count: count))
      guard case .known(let result, _) = probe.evaluate(indices, given: [inputRoles.inputIDs.value: ids]),
        let numbers = Probe.expand(result, to: shape), let first = numbers.first, first >= 0, first < 65536,
        offset == nil || offset == Probe.integer(first)
      else { return nil }
      let rising = numbers.indices.allSatisfy { numbers[$0] == first + Double($0 % probe.sequence) }
      guard rising || numbers.allSatisfy({ $0 == first }), offset == nil || counts == rising else { return nil }
      counts = rising
      offset = Probe.integer(first)
    }
    return offset.map { ($0, counts) }
  }

  /// The terms of nested additions.
  private func terms(of sum: ValueID) -> [ValueID] {
    var result: [ValueID] = []
    var pending = [sum]
    while let value = pending.popLast(), result.count + pending.count < 32 {
      if let index = producer(value), graph.nodes[index].operation == "Add", probes[0].values[value]?.elements == nil {
        for case let input? in graph.nodes[index].inputs { pending.append(roots[input]) }
      } else {
        result.append(value)
      }
    }
    return result
  }

  private enum Term {
    case position(Tensor)
    case tokenType(Tensor)
  }

  /// Whether a term besides the word embeddings is that of positions or of segments.
  ///
  /// A term that depends on a table alone is computed with each row of the table replaced by its index: the
  /// result is the row added at each token, whether it was sliced, gathered or folded.
  private mutating func classify(_ term: ValueID) throws(ClozeError) -> Term {
    let expected = "position embeddings of 0, 1, 2, ..., or segment embeddings of token_type_ids"
    // Backward to the table.
    var value = term
    var gather: NodeID?
    for _ in 0..<16 {
      if graph.constant(value) != nil { break }
      guard let index = producer(value), let data = graph.nodes[index].input(0) else { break }
      let node = graph.nodes[index]
      if node.operation == "Gather", let indices = node.input(1), probes[0].values[indices]?.elements == nil {
        gather = index
      }
      guard ["Gather", "Slice", "Unsqueeze", "Squeeze", "Reshape", "Expand"].contains(node.operation) else { break }
      value = roots[data]
    }
    guard let constant = graph.constant(value), constant.tensor.isReal, !constant.transposed,
      let width = constant.tensor.shape.last, width > 0,
      let table = constant.tensor.reshaped([constant.tensor.count / width, width])
    else { throw misfit(producer(term), "this term is not an embedding", expected: expected) }

    if let gather {
      guard let indices = graph.nodes[gather].input(1) else {
        throw misfit(gather, "Gather has no indices", expected: expected)
      }
      let input = source(of: indices)
      if let input, input == inputRoles.tokenTypeIDs?.value { return .tokenType(table) }
      if input == inputRoles.inputIDs.value {
        throw misfit(gather, "the token ids index a second table", expected: expected)
      }
      if dependsOnTokens(indices) {
        guard let (offset, counts) = firstPosition(indices), offset < table.shape[0],
          let rows = table.rows(offset..<(counts ? table.shape[0] : offset + 1))
        else {
          throw misfit(
            gather, "positions are computed from the tokens in an unknown way", expected: expected + ", or RoBERTa's")
        }
        // One segment row for all tokens, looked up by indices derived from the ids.
        if !counts { return .tokenType(rows) }
        note("embeddings", "positions count from \(offset), without padding tokens (RoBERTa)")
        return .position(rows)
      }
      var unknown: NodeID?
      if case .unknown(let node) = probes[0].evaluate(indices, given: [:]) { unknown = node }
      throw misfit(unknown ?? gather, "the rows looked up here cannot be computed", expected: expected)
    }

    var numbered = constant.tensor.shape
    numbered[numbered.count - 1] = 1
    let rows = table.shape[0]
    guard rows <= Probe.maximumElements else {
      throw misfit(producer(term), "\(table.label) is too large", expected: expected)
    }
    var verdict: Term?
    for probe in probes {
      let given = [value: Probe.Value(.float32, numbered, (0..<rows).map { Double($0) })]
      var result = given[value]
      if value != term {
        switch probe.evaluate(term, given: given) {
        case .known(let computed, _): result = computed
        case .unknown(let node):
          throw misfit(node ?? producer(term), "the rows that this term adds cannot be computed", expected: expected)
        }
      }
      let shape = [probe.batch, probe.sequence, 1]
      guard var result else { continue }
      // A constant shape with D in it repeats the only column.
      if let last = result.shape.last, last > 1, let elements = result.elements {
        result = Probe.Value(
          result.type, Array(result.shape.dropLast()) + [1],
          stride(from: 0, to: elements.count, by: last).map { elements[$0] })
      }
      guard let numbers = Probe.expand(result, to: shape) else {
        throw contradiction("\(table.label) does not match \(probe.sequence) positions", node: producer(term))
      }
      let counting = numbers.indices.allSatisfy { numbers[$0] == Double($0 % probe.sequence) }
      let constantRow = numbers.first.map { first in numbers.allSatisfy { $0 == first } } ?? false
      let found: Term
      if counting && probe.sequence > 1 {
        found = .position(table)
      } else if constantRow, let row = numbers.first.map({ Probe.integer($0) }), let part = table.rows(row..<(row + 1))
      {
        found = .tokenType(part)
      } else {
        throw misfit(producer(term), "positions do not count 0, 1, 2, ... in each sequence", expected: expected)
      }
      switch (verdict, found) {
      case (.position?, .tokenType), (.tokenType?, .position):
        throw misfit(producer(term), "this term depends on the length", expected: expected)
      default: verdict = found
      }
    }
    guard let verdict else { throw misfit(producer(term), "this term is not an embedding", expected: expected) }
    return verdict
  }
}
