internal import ClozeIO

/// Attention masks.
extension Recognizer {
  /// Below this a key has weight 0 after the softmax: exp of it is 0 in float32, for any score.
  private static let hidden = -1000.0

  /// Checks that the input of the softmax is scale * scores + bias for tokens and below `hidden` for padding, as
  /// attention_mask alone decides; returns the scale.
  ///
  /// Computed with scores of 0 and with known scores, so that all spellings of a mask are the same. A mask that
  /// depends on positions (causal, local) shows in the results.
  mutating func checkScores(from scores: ValueID, to input: ValueID, _ bias: AttentionBias?, softmax: NodeID)
    throws(ClozeError) -> Double
  {
    var scale: Double?
    for probe in probes {
      guard let shape = probe.values[scores]?.shape, shape.count >= 3 else {
        throw misfit(producer(scores), "the scores have no known shape", expected: "[B, H, S, S]")
      }
      scale = try check(probe, scores, shape, input, bias, softmax, scale)
    }
    // On one long sequence, once for each mask of the graph.
    if let longProbe, let known = longProbe.values[scores]?.shape {
      var shape = known
      // One head suffices without a bias, as operators between scores and softmax broadcast.
      if shape.count == 4, bias == nil { shape[1] = 1 }
      let given = [scores: Probe.Value(.float32, [1, 1, 1, 1], [0])]
      if shape.count == 4, case .known(_, let parts) = longProbe.evaluate(input, given: given) {
        let key = parts.filter { longProbe.values[$0]?.count ?? 0 > 1 }
        if checkedMasks.insert(key).inserted {
          scale = try check(longProbe, scores, shape, input, bias, softmax, scale)
        }
      }
    }
    guard let scale else { throw misfit(softmax, "the scores cannot be computed", expected: "scale * scores + mask") }
    return scale
  }

  private mutating func check(
    _ probe: Probe, _ scores: ValueID, _ shape: [Int], _ input: ValueID, _ bias: AttentionBias?, _ softmax: NodeID,
    _ known: Double?
  ) throws(ClozeError) -> Double {
    let expected = "scale * scores + padding mask of attention_mask (1 = keep)"
    let (batch, sequence) = (probe.batch, probe.sequence)
    guard let total = Probe.count(shape), total <= Probe.maximumElements, batch > 0, sequence > 0,
      total % (batch * sequence * sequence) == 0, shape.suffix(2) == [sequence, sequence]
    else { throw misfit(producer(scores), "the scores have the shape \(shape)", expected: "[B, H, S, S]") }
    let heads = total / (batch * sequence * sequence)
    func run(_ numbers: [Double]) throws(ClozeError) -> [Double] {
      let given = [scores: Probe.Value(.float32, shape, numbers)]
      switch probe.evaluate(input, given: given) {
      case .known(let value, _):
        guard let elements = value.elements, elements.count == total else {
          throw misfit(producer(input), "the mask changes the shape of the scores", expected: expected)
        }
        return elements
      case .unknown(let node):
        throw misfit(
          node ?? producer(input), "the mask added to the scores cannot be computed from attention_mask and the length",
          expected: expected)
      }
    }
    let numbers = (0..<total).map { Double($0 % 13) + 1 }
    let still = try run(Array(repeating: 0, count: total))
    let moved = try run(numbers)

    // The pairs of tokens that the graph lets attend.
    var scale = known
    var kept: Set<Int> = []
    var hiddenPairs: Set<Int> = []
    for position in 0..<total {
      let b = position / (heads * sequence * sequence)
      let (q, k) = (position / sequence % sequence, position % sequence)
      let pair = (b * sequence + q) * sequence + k
      if still[position] <= Recognizer.hidden || still[position].isNaN {
        guard moved[position] <= Recognizer.hidden || moved[position].isNaN else {
          throw misfit(producer(input), "a mask depends on the scores", expected: expected)
        }
        hiddenPairs.insert(pair)
        continue
      }
      kept.insert(pair)
      let factor = (moved[position] - still[position]) / numbers[position]
      if scale == nil { scale = factor }
      // A graph may add a bias to scores of all sequences at once, [B H, S, S], too.
      let added = bias?.value(head: position / (sequence * sequence) % (bias?.heads ?? 1), query: q, key: k) ?? 0
      guard abs(still[position] - added) < 1e-6 * max(1, abs(added)), let scale, scale > 0,
        abs(factor - scale) <= 1e-6 * scale
      else { throw strayBias(still[position], bias, query: q, key: k, node: producer(input)) }
    }
    try comparePairs(probe, kept: kept, hidden: hiddenPairs, node: producer(input) ?? softmax)
    guard let scale else { throw misfit(producer(input), "every score is masked", expected: expected) }
    return scale
  }

  /// Compares the pairs that the graph lets attend with the padding mask, for queries that are not padding.
  private mutating func comparePairs(_ probe: Probe, kept: Set<Int>, hidden: Set<Int>, node: NodeID) throws(ClozeError)
  {
    let expected = "a padding mask of attention_mask (1 = keep)"
    let (batch, sequence) = (probe.batch, probe.sequence)
    var ignored = true
    var matches = true
    var inverted = true
    var onlyLater = true
    var onlyFar = true
    for b in 0..<batch {
      for q in 0..<sequence where probe.mask[b * sequence + q] == 1 {
        for k in 0..<sequence {
          let pair = (b * sequence + q) * sequence + k
          let keep = probe.mask[b * sequence + k] == 1
          if kept.contains(pair) == hidden.contains(pair) {
            throw misfit(node, "heads have different masks", expected: expected)
          }
          let isKept = kept.contains(pair)
          if !isKept { ignored = false }
          if isKept == keep { inverted = false } else { matches = false }
          if keep && !isKept {
            if k <= q { onlyLater = false }
            if abs(k - q) <= 8 { onlyFar = false }
          }
        }
      }
    }
    let hasMask = inputRoles.attentionMask != nil
    if ignored {
      note("mask", hasMask ? "attention_mask is not used in attention" : "none")
      return
    }
    if matches && hasMask {
      note("mask", "padding, from attention_mask")
      return
    }
    if inverted { throw misfit(node, "the mask is inverted: 1 hides a token", expected: expected) }
    if onlyLater { throw causal(node) }
    if onlyFar {
      throw misfit(
        node, "this is a model with local attention: a token does not attend to distant tokens", expected: expected)
    }
    throw misfit(node, "the mask is not a padding mask", expected: expected)
  }

  func causal(_ node: NodeID) -> ClozeError {
    misfit(
      node, "this is a causal model, like GPT: a token does not attend to later tokens",
      expected: "a BERT, in which every token attends to all")
  }

  /// Checks the mask operand of an attention operator: true, 0 or the bias keeps a key, false or a very low number
  /// hides it.
  mutating func checkFusedMask(_ mask: ValueID, _ bias: AttentionBias?, node: NodeID) throws(ClozeError) {
    var all = probes
    if let longProbe { all.append(longProbe) }
    for probe in all {
      let (batch, sequence) = (probe.batch, probe.sequence)
      let heads = bias?.heads ?? 1
      let shape = [batch, heads, sequence, sequence]
      guard let value = probe.values[mask], let numbers = Probe.expand(value, to: shape) else {
        throw misfit(
          producer(mask) ?? node, "the mask cannot be computed from attention_mask and the length",
          expected: "a padding mask of attention_mask (1 = keep)")
      }
      var kept: Set<Int> = []
      var hidden: Set<Int> = []
      for (position, number) in numbers.enumerated() {
        let (q, k) = (position / sequence % sequence, position % sequence)
        let pair = (position / (heads * sequence * sequence) * sequence + q) * sequence + k
        let head = position / (sequence * sequence) % heads
        let added = bias?.value(head: head, query: q, key: k) ?? 0
        if value.type == .bool ? number == 0 : number <= Recognizer.hidden {
          hidden.insert(pair)
        } else if value.type == .bool || abs(number - added) < 1e-6 * max(1, abs(added)) {
          kept.insert(pair)
        } else {
          throw strayBias(number, bias, query: q, key: k, node: producer(mask) ?? node)
        }
      }
      try comparePairs(probe, kept: kept, hidden: hidden, node: producer(mask) ?? node)
    }
  }
}
