internal import ClozeIO

/// Sentence embeddings.
extension Recognizer {
  /// More than a sentence embedding has.
  private static let maximumSteps = 16

  /// An output with one vector per sequence: the last hidden state `x`, pooled, optionally through linear layers and
  /// layer normalisations, optionally normalized to length 1 or truncated before, between and after them.
  ///
  /// The pooling is computed on known states and compared with each supported one; the output of another pooling
  /// stays unrecognised.
  mutating func sentence(_ x: ValueID, heads: inout Heads, outputs: inout BERTGraph.OutputNames) throws(ClozeError) {
    place = "sentence embedding"
    let known = Set(outputs.all)
    let open = graph.outputs.filter { !known.contains($0.name) }
    if open.isEmpty { return }
    for output in open {
      if let pooled = pooling(of: output.value, from: x) {
        heads.sentence = BERTGraph.SentenceHead(
          pooling: pooled.pooling, steps: pooled.tail.steps(pooled.kept), normalize: pooled.tail.normalizes)
        outputs.sentenceEmbedding = output.name
        noteSentence(heads.sentence)
        return
      }
    }
    // With layers: each one on a pooled value is followed to an output.
    var pending = [x]
    var visited: Set<ValueID> = [x]
    var steps = 0
    while let value = pending.popLast(), steps < 512 {
      steps += 1
      for use in uses[value] {
        if isLayer(use) {
          guard value != x, let pooled = pooling(of: value, from: x) else { continue }
          if let head = try layers(use, pooled, to: open, outputs: &outputs) {
            heads.sentence = head
            noteSentence(head)
            return
          }
        } else {
          for case let output? in graph.nodes[use.node].outputs where visited.insert(roots[output]).inserted {
            pending.append(roots[output])
          }
        }
      }
    }
  }

  /// Whether a use is a linear layer or a layer normalisation.
  private func isLayer(_ use: Use) -> Bool {
    isLinear(use) || use.index == 0 && graph.nodes[use.node].operation == "LayerNormalization"
  }

  private mutating func noteSentence(_ head: BERTGraph.SentenceHead?) {
    guard let head else { return }
    let steps = head.steps.map { step in
      switch step {
      case .dense(let linear, let activation):
        ", linear layer to \(linear.weight.outputSize)"
          + (activation == .identity ? "" : " with \(activation.configKey)")
      case .norm: ", layer norm"
      case .normalize: ", normalized"
      case .truncate(let kept): ", the first \(kept)"
      }
    }
    note("sentence embedding", head.pooling.name + steps.joined() + (head.normalize ? ", normalized" : ""))
  }

  /// The layers from `use` to an output; nil where they lead to none.
  private mutating func layers(
    _ use: Use, _ pooled: Pooled, to open: [Graph.Input], outputs: inout BERTGraph.OutputNames
  ) throws(ClozeError) -> BERTGraph.SentenceHead? {
    var head = BERTGraph.SentenceHead(
      pooling: pooled.pooling, steps: pooled.tail.inner(pooled.kept), normalize: false)
    var (use, width) = (use, pooled.kept)
    while head.steps.count < Self.maximumSteps {
      var (linear, norm): (Linear?, LayerNorm?)
      let made: ValueID
      if isLinear(use) {
        let found = try self.linear(use, inputSize: width, outputSize: nil)
        (linear, made, width) = (found.linear, found.output, found.linear.weight.outputSize)
      } else {
        let found = try nativeNorm(use, width: width)
        (norm, made) = (found.norm, found.output)
      }
      guard width <= 1 << 16 else { return nil }
      func append(_ activation: Activation) -> Bool {
        if let linear { head.steps.append(.dense(linear, activation)) }
        if let norm { head.steps.append(.norm(norm)) }
        return norm == nil || activation == .identity
      }
      for output in open {
        // Layers on the first token alone may be classes: only a normalized or so named output is a vector.
        guard let ending = ending(output.value, from: made, width: width),
          pooled.pooling != .cls || ending.tail.normalizes || output.name.utf8.starts(with: "sentence".utf8)
        else { continue }
        guard append(ending.activation) else { return nil }
        head.steps += ending.tail.steps(ending.kept)
        head.normalize = ending.tail.normalizes
        outputs.sentenceEmbedding = output.name
        return head
      }
      guard let next = following(made, width: width) else {
        let after = exits(from: made, through: Recognizer.activationOperators)
        if after.count == 1, let next = after.first, isLinear(next.use), next.value != made {
          _ = try activation(made, next: .linear, expected: "an activation, then a linear layer")
        }
        return nil
      }
      guard append(next.ending.activation) else { return nil }
      head.steps += next.ending.tail.inner(next.ending.kept)
      (use, width) = (next.use, next.ending.kept)
    }
    return nil
  }

  /// The next layer after the result of one, and what is between them; nil where there is none, or another function.
  private func following(_ made: ValueID, width: Int) -> (use: Use, ending: Ending)? {
    var pending = [made]
    var visited: Set<ValueID> = [made]
    while let value = pending.popLast(), visited.count <= 256 {
      for use in uses[value] {
        if isLayer(use) {
          if value == made { return (use, Ending(activation: .identity, tail: .whole, kept: width)) }
          if let ending = ending(value, from: made, width: width) { return (use, ending) }
        } else {
          for case let output? in graph.nodes[use.node].outputs where visited.insert(roots[output]).inserted {
            pending.append(roots[output])
          }
        }
      }
    }
    return nil
  }

  // MARK: - Functions of vectors

  /// What follows a vector: scaling to length 1, and its first elements, in either order.
  private enum Tail: CaseIterable {
    case whole
    case normalized
    case truncated
    case normalizedThenTruncated
    case truncatedThenNormalized

    var truncates: Bool { self != .whole && self != .normalized }
    /// Whether the vector has length 1 in the end.
    var normalizes: Bool { self == .normalized || self == .truncatedThenNormalized }

    /// Its steps without a final normalization.
    func steps(_ kept: Int) -> [BERTGraph.SentenceHead.Step] {
      (self == .normalizedThenTruncated ? [.normalize] : []) + (truncates ? [.truncate(kept)] : [])
    }

    /// All of its steps, before a layer.
    func inner(_ kept: Int) -> [BERTGraph.SentenceHead.Step] { steps(kept) + (normalizes ? [.normalize] : []) }
  }

  /// A pooling, and what follows it up to a value of `kept` columns.
  private struct Pooled: Equatable {
    var pooling: Pooling
    var tail: Tail
    var kept: Int
  }

  /// What follows a layer up to a value of `kept` columns.
  private struct Ending {
    var activation: Activation
    var tail: Tail
    var kept: Int
  }

  /// The activation and tail between a layer's result and a value; nil: another function.
  private func ending(_ value: ValueID, from made: ValueID, width: Int) -> Ending? {
    guard let probe = probes.first else { return nil }
    let count = probe.batch * width
    let numbers: [Double] = Recognizer.varied(count)
    let given = [made: Probe.Value(.float32, [probe.batch, width], numbers)]
    guard case .known(let result, _) = probe.evaluate(value, given: given), let y = result.elements,
      let kept = columns(y, of: width, probe)
    else { return nil }
    for function in Activation.allCases {
      let plain = numbers.map { function($0) }
      if let tail = tails(y, of: plain, width, kept).first {
        return Ending(activation: function, tail: tail, kept: kept)
      }
    }
    return nil
  }

  /// The pooling that computes a value [B, D] from the states `x`, and what follows it; nil where it is unsupported.
  private func pooling(of value: ValueID, from x: ValueID) -> Pooled? {
    var candidates: [Pooled] = []
    for (index, probe) in probes.enumerated() {
      let (batch, sequence) = (probe.batch, probe.sequence)
      let total = batch * sequence * hiddenSize
      guard total <= Probe.maximumElements else { return nil }
      let numbers: [Double] = Recognizer.varied(total)
      guard case .known(let result, _) = probe.evaluate(value, given: [x: state(x, probe, numbers)]),
        let y = result.elements, let kept = columns(y, of: hiddenSize, probe), result.shape.last == kept
      else { return nil }
      var found: [Pooled] = []
      for pooling in [Pooling.mean, .cls, .max, .meanSqrtLen, .lastToken, .weightedMean] {
        // With the mask or without: the encoder never gets padding.
        for masked in [true, false] {
          let pooled = pool(numbers, pooling, probe, masked: masked)
          for tail in tails(y, of: pooled, hiddenSize, kept) {
            found.append(Pooled(pooling: pooling, tail: tail, kept: kept))
          }
        }
      }
      candidates = index == 0 ? found : candidates.filter { found.contains($0) }
    }
    return candidates.first
  }

  /// The columns of `y`, a matrix with a row for each sequence; nil where they are more than `width`.
  private func columns(_ y: [Double], of width: Int, _ probe: Probe) -> Int? {
    let kept = y.count / Swift.max(probe.batch, 1)
    return kept > 0 && kept <= width && kept * probe.batch == y.count ? kept : nil
  }

  /// The tails that make `y` of `numbers` [B, width].
  private func tails(_ y: [Double], of numbers: [Double], _ width: Int, _ kept: Int) -> [Tail] {
    Tail.allCases.filter { tail in
      guard tail.truncates == (kept < width) else { return false }
      var row = numbers
      if tail == .normalized || tail == .normalizedThenTruncated { row = normalized(row, width) }
      if tail.truncates { row = row.indices.filter { $0 % width < kept }.map { row[$0] } }
      if tail == .truncatedThenNormalized { row = normalized(row, kept) }
      return matches(y, row)
    }
  }

  /// Irregular numbers of both signs.
  private static func varied(_ count: Int) -> [Double] {
    (0..<count).map { (i: Int) -> Double in
      let coarse = Double((i * 31) % 101) / 25
      return coarse - 2 + Double(i % 7) / 16
    }
  }

  private func pool(_ numbers: [Double], _ pooling: Pooling, _ probe: Probe, masked: Bool) -> [Double] {
    var result: [Double] = []
    for b in 0..<probe.batch {
      let rows = (0..<probe.sequence).filter { !masked || probe.mask[b * probe.sequence + $0] == 1 }
      for c in 0..<hiddenSize {
        let column = rows.map { numbers[(b * probe.sequence + $0) * hiddenSize + c] }
        let sum = column.reduce(0, +)
        switch pooling {
        case .mean: result.append(sum / Double(rows.count))
        case .meanSqrtLen: result.append(sum / Double(rows.count).squareRoot())
        case .max: result.append(column.max() ?? 0)
        case .cls, .pooler: result.append(column.first ?? 0)
        case .lastToken: result.append(column.last ?? 0)
        case .weightedMean:
          let weights = rows.map { Double($0 + 1) }
          result.append(zip(weights, column).reduce(0) { $0 + $1.0 * $1.1 } / weights.reduce(0, +))
        }
      }
    }
    return result
  }

  private func normalized(_ numbers: [Double], _ width: Int) -> [Double] {
    var result = numbers
    for row in stride(from: 0, to: numbers.count, by: width) {
      let length = numbers[row..<(row + width)].reduce(0) { $0 + $1 * $1 }.squareRoot()
      for i in row..<(row + width) { result[i] /= Swift.max(length, 1e-12) }
    }
    return result
  }

  private func matches(_ a: [Double], _ b: [Double]) -> Bool {
    a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) <= 1e-5 * Swift.max(1, abs($1)) }
  }
}
