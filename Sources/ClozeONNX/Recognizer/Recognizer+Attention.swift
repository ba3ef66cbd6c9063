internal import ClozeIO

/// Self-attention: projections, heads, scores, softmax and output projection.
extension Recognizer {
  /// Operators that split projections into heads and merge them, in any order: the result is computed.
  static let headOperators: Set<String> = ["Reshape", "Transpose", "Mul", "Div", "Squeeze", "Unsqueeze", "Expand"]
  /// Operators between the scores and the softmax.
  static let scoreOperators: Set<String> = ["Mul", "Div", "Add", "Where", "Reshape", "Min", "Max"]

  struct Attention {
    var query: Linear
    var key: Linear
    var value: Linear
    var output: Linear
    var heads: Int
    var scale: Double
    /// [32, H] the bias of the scores; nil: none.
    var bias: Tensor?
    /// The result of the output projection, before the residual addition.
    var result: ValueID
  }

  /// A projection, and the use of its heads.
  private struct Projection {
    var linear: Linear
    var value: ValueID
    var target: Use
  }

  /// Multi-head attention over `x`.
  mutating func attention(_ x: ValueID, layer: Int) throws(ClozeError) -> Attention {
    place = "layer \(layer), attention"
    let expected = "three linear layers: query, key and value"
    if let norm = uses[x].first(where: { startsNorm($0) }) {
      throw misfit(
        norm.node, "this is a Pre-LayerNorm transformer: the layer's input is normalised once more",
        expected: "a BERT, which normalises after each addition")
    }
    let starts = uses[x].filter { isLinear($0) }
    guard starts.count == 3 else {
      if let other = uses[x].first(where: { !isLinear($0) && !isResidual($0) }) {
        throw misfit(other.node, "\(node(other).operation) is unexpected here", expected: expected)
      }
      throw misfit(
        starts.last?.node ?? uses[x].first?.node, "\(starts.count) linear layers use this value", expected: expected)
    }
    var projections: [Projection] = []
    for start in starts {
      let (linear, value) = try linear(start, inputSize: hiddenSize, outputSize: hiddenSize)
      let found = exits(from: value, through: Recognizer.headOperators)
      guard let first = found.first, found.count == 1, isProduct(first.use) else {
        throw misfit(
          found.first { !isProduct($0.use) }?.use.node ?? start.node, "a projection is used outside attention",
          expected: "Reshape and Transpose into heads, then MatMul")
      }
      projections.append(Projection(linear: linear, value: value, target: first.use))
    }

    // Query and key meet in the scores; the value is multiplied by the probabilities.
    let targets = Set(projections.map { $0.target.node })
    if targets.count == 1, let fused = targets.first, graph.nodes[fused].operation == "Attention" {
      return try fusedAttention(fused, projections, layer: layer)
    }
    func meeting(at node: NodeID) -> Int { projections.filter { $0.target.node == node }.count }
    guard targets.count == 2, let scores = targets.first(where: { meeting(at: $0) == 2 }),
      let query = projections.first(where: { $0.target.node == scores && $0.target.index == 0 }),
      let key = projections.first(where: { $0.target.node == scores && $0.target.index == 1 }),
      let value = projections.first(where: { $0.target.node != scores && $0.target.index == 1 }),
      graph.nodes[scores].operation == "MatMul", graph.nodes[value.target.node].operation == "MatMul"
    else {
      throw misfit(
        projections[0].target.node, "query, key and value do not meet as in attention",
        expected: "MatMul(query, key), Softmax, MatMul(probabilities, value)")
    }

    place = "layer \(layer), attention, query"
    let (heads, queryScale) = try headSplit(query.value, query.target, transposed: false)
    place = "layer \(layer), attention, key"
    let (keyHeads, keyScale) = try headSplit(key.value, key.target, transposed: true)
    place = "layer \(layer), attention, value"
    let (valueHeads, valueScale) = try headSplit(value.value, value.target, transposed: false)
    guard heads == keyHeads, heads == valueHeads else {
      throw contradiction("query has \(heads) heads, key \(keyHeads), value \(valueHeads)", node: scores)
    }
    guard abs(valueScale - 1) < 1e-6 else {
      throw misfit(value.target.node, "the values are scaled by \(valueScale)", expected: "no scaling")
    }

    place = "layer \(layer), attention, softmax"
    let (softmax, scoreScale, bias) = try scoresToSoftmax(scores, heads: heads)
    try probabilities(softmax, reach: value.target)
    if let made = output(scores), let entering = root(softmax, 0) {
      let between = path(from: made, to: entering).reversed()
      note("attention", (["MatMul"] + between + ["Softmax", "MatMul"]).joined(separator: ", "))
    }

    let context = value.target.node
    let (output, result) = try mergeHeads(context, heads: heads, layer: layer)
    return Attention(
      query: query.linear, key: key.linear, value: value.linear, output: output, heads: heads,
      scale: queryScale * keyScale * scoreScale, bias: bias, result: result)
  }

  // MARK: - Heads

  /// A product of two computed values, or an attention operator.
  private func isProduct(_ use: Use) -> Bool {
    let node = graph.nodes[use.node]
    if node.operation == "Attention" { return true }
    return node.operation == "MatMul" && !node.inputs.contains { id in id.map { graph.constant($0) != nil } ?? true }
  }

  /// How a projection [B, S, D] is split into the heads that `target` uses: [B, H, S, d], or [B, H, d, S] where
  /// `transposed`. Computed from a projection of known elements, in every probe.
  private func headSplit(_ projection: ValueID, _ target: Use, transposed: Bool) throws(ClozeError) -> (
    heads: Int, scale: Double
  ) {
    let expected = "[B, S, D] split into heads [B, H, S, d]" + (transposed ? ", transposed" : "")
    guard let operand = root(target.node, target.index) else {
      throw misfit(target.node, "an operand is missing", expected: expected)
    }
    var heads: Int?
    var scale: Double?
    for probe in probes {
      let (batch, sequence) = (probe.batch, probe.sequence)
      let total = batch * sequence * hiddenSize
      guard total <= Probe.maximumElements else {
        throw misfit(target.node, "the graph is fixed to too many tokens to be checked", expected: expected)
      }
      // From 1 on, so that the first element gives the scale.
      let numbers = (0..<total).map { Double($0 + 1) }
      // The shape in the graph: [B, S, D], or [B S, D].
      var shape = probe.values[projection]?.shape ?? []
      if Probe.count(shape) != total { shape = [batch, sequence, hiddenSize] }
      let given = [projection: Probe.Value(.float32, shape, numbers)]
      let computed: Probe.Value
      switch probe.evaluate(operand, given: given) {
      case .known(let value, _): computed = value
      case .unknown(let node):
        throw misfit(node ?? target.node, "the heads cannot be computed from the projection", expected: expected)
      }
      guard let y = computed.elements, y.count == total, computed.shape.count >= 3 else {
        throw misfit(target.node, "the heads have the shape \(computed.shape)", expected: expected)
      }
      let rank = computed.shape.count
      let width = transposed ? computed.shape[rank - 2] : computed.shape[rank - 1]
      guard width > 0, hiddenSize % width == 0 else {
        throw misfit(
          target.node, "heads of size \(width) do not divide a hidden size of \(hiddenSize)", expected: expected)
      }
      let h = hiddenSize / width
      // In every arrangement the first element is the first token's first.
      let factor = y[0]
      var position = 0
      for b in 0..<batch {
        for head in 0..<h {
          for i in 0..<(sequence * width) {
            let s = transposed ? i % sequence : i / width
            let j = transposed ? i / sequence : i % width
            let wanted = Double((b * sequence + s) * hiddenSize + head * width + j + 1) * factor
            guard abs(y[position] - wanted) <= 1e-9 * abs(wanted) else {
              throw misfit(
                target.node, "the heads are arranged in another order: \(computed.shape)", expected: expected)
            }
            position += 1
          }
        }
      }
      guard heads ?? h == h, factor != 0 else {
        throw misfit(target.node, "the number of heads depends on the length", expected: expected)
      }
      heads = h
      scale = factor
    }
    guard let heads, let scale else { throw misfit(target.node, "the heads cannot be computed", expected: expected) }
    return (heads, scale)
  }

  /// The Softmax after the scores, and the factor and the bias before it. Checks the mask.
  private mutating func scoresToSoftmax(_ scores: NodeID, heads: Int) throws(ClozeError) -> (
    softmax: NodeID, scale: Double, bias: Tensor?
  ) {
    let expected = "scaling, the padding mask, then Softmax over the last axis"
    guard let made = output(scores) else { throw misfit(scores, "the scores are not used", expected: expected) }
    let found = exits(from: made, through: Recognizer.scoreOperators)
    guard let first = found.first else { throw misfit(usersOf: made, expected) }
    guard graph.nodes[first.use.node].operation == "Softmax", found.count == 1 else {
      let other = found.first { graph.nodes[$0.use.node].operation != "Softmax" } ?? first
      throw misfit(other.use.node, "\(node(other.use).operation) is unexpected here", expected: expected)
    }
    let softmax = first.use.node
    let rank = probes[0].values[first.value]?.shape.count ?? 4
    let usual = graph.opset >= 13 ? -1 : 1
    guard Probe.axis(graph.nodes[softmax].int("axis") ?? usual, rank) == rank - 1 else {
      throw misfit(softmax, "Softmax is not over the last axis", expected: expected)
    }
    let bias = try attentionBias(from: made, to: first.value, heads: heads)
    let scale = try checkScores(from: made, to: first.value, bias, softmax: softmax)
    return (softmax, scale, bias?.table)
  }

  /// Checks that the probabilities reach the product with the values unchanged, except NaN, which some exports
  /// replace in rows without any key.
  private func probabilities(_ softmax: NodeID, reach target: Use) throws(ClozeError) {
    let expected = "MatMul(probabilities, value)"
    guard let made = output(softmax), let operand = root(target.node, 0) else {
      throw misfit(softmax, "the probabilities are not used", expected: expected)
    }
    if operand == made { return }
    guard let shape = probes[0].values[made]?.shape, let n = Probe.count(shape), n <= Probe.maximumElements else {
      throw misfit(target.node, "the probabilities have no known shape", expected: expected)
    }
    let numbers = (0..<n).map { Double($0 + 1) / Double(n + 1) }
    let given = [made: Probe.Value(.float32, shape, numbers)]
    guard case .known(let value, _) = probes[0].evaluate(operand, given: given), value.elements == numbers else {
      throw misfit(producer(operand) ?? target.node, "the probabilities are changed after Softmax", expected: expected)
    }
  }

  /// The output projection of the heads' results [B, H, S, d], merged to [B, S, D].
  private mutating func mergeHeads(_ context: NodeID, heads: Int, layer: Int) throws(ClozeError) -> (
    output: Linear, result: ValueID
  ) {
    place = "layer \(layer), attention, output"
    let expected = "Transpose and Reshape back to [B, S, D], then a linear layer"
    guard let made = output(context) else {
      throw misfit(context, "the result of attention is not used", expected: expected)
    }
    let found = exits(from: made, through: Recognizer.headOperators)
    guard let first = found.first else { throw misfit(usersOf: made, expected) }
    guard found.count == 1, isLinear(first.use) else {
      let other = found.first { !isLinear($0.use) } ?? first
      throw misfit(other.use.node, "\(node(other.use).operation) is unexpected here", expected: expected)
    }
    let width = hiddenSize / heads
    for probe in probes {
      let (batch, sequence) = (probe.batch, probe.sequence)
      let total = batch * sequence * hiddenSize
      // The shape in the graph: [B, H, S, d], or [B H, S, d].
      guard let shape = probe.values[made]?.shape, Probe.count(shape) == total, shape.last == width else {
        throw misfit(
          context, "the result of attention has the shape \(probe.values[made]?.shape ?? []), not [B, H, S, d]",
          expected: expected)
      }
      let given = [made: Probe.Value(.float32, shape, (0..<total).map { Double($0) })]
      guard case .known(let merged, _) = probe.evaluate(first.value, given: given), let y = merged.elements,
        y.count == total, merged.shape.last == hiddenSize
      else { throw misfit(producer(first.value), "the heads are not merged", expected: expected) }
      for position in 0..<total {
        let column = position % hiddenSize
        let (b, s) = (position / hiddenSize / sequence, position / hiddenSize % sequence)
        let wanted = ((b * heads + column / width) * sequence + s) * width + column % width
        guard y[position] == Double(wanted) else {
          throw misfit(producer(first.value), "the heads are merged in another order", expected: expected)
        }
      }
    }
    let (linear, result) = try linear(first.use, inputSize: hiddenSize, outputSize: hiddenSize)
    return (linear, result)
  }

  /// The operator `Attention` of operator set 23, with queries, keys and values of four dimensions.
  private mutating func fusedAttention(_ fused: NodeID, _ projections: [Projection], layer: Int) throws(ClozeError)
    -> Attention
  {
    let node = graph.nodes[fused]
    let expected = "Attention(query, key, value, padding mask)"
    guard let query = projections.first(where: { $0.target.index == 0 }),
      let key = projections.first(where: { $0.target.index == 1 }),
      let value = projections.first(where: { $0.target.index == 2 })
    else { throw misfit(fused, "query, key and value do not meet as in attention", expected: expected) }
    guard (node.int("is_causal") ?? 0) == 0 else { throw causal(fused) }
    guard node.float("softcap") ?? 0 == 0, node.input(4) == nil, node.input(5) == nil else {
      throw misfit(fused, "Attention caps its scores or has a past", expected: expected)
    }
    let (heads, queryScale) = try headSplit(query.value, query.target, transposed: false)
    let (keyHeads, keyScale) = try headSplit(key.value, key.target, transposed: false)
    let (valueHeads, valueScale) = try headSplit(value.value, value.target, transposed: false)
    guard heads == keyHeads, heads == valueHeads, abs(valueScale - 1) < 1e-6 else {
      throw contradiction("query has \(heads) heads, key \(keyHeads), value \(valueHeads)", node: fused)
    }
    place = "layer \(layer), attention, mask"
    var bias: AttentionBias?
    if let mask = node.input(3) {
      bias = try attentionBias(from: nil, to: mask, heads: heads)
      try checkFusedMask(mask, bias, node: fused)
    }
    let scale = node.float("scale") ?? 1 / (Double(hiddenSize) / Double(heads)).squareRoot()
    note("attention", "\(node.origin ?? "Attention"), \(heads) heads")
    let (output, result) = try mergeHeads(fused, heads: heads, layer: layer)
    return Attention(
      query: query.linear, key: key.linear, value: value.linear, output: output, heads: heads,
      scale: queryScale * keyScale * scale, bias: bias?.table, result: result)
  }
}
