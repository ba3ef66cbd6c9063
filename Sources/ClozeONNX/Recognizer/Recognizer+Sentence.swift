internal import ClozeIO

/// Sentence embeddings.
extension Recognizer {
  /// An output with one vector per sequence: the last hidden state `x`, pooled, optionally through linear layers,
  /// optionally normalized to length 1.
  ///
  /// The pooling is computed on known states and compared with each supported one; the output of another pooling
  /// stays unrecognised.
  mutating func sentence(_ x: ValueID, heads: inout Heads, outputs: inout BERTGraph.OutputNames) throws(ClozeError) {
    place = "sentence embedding"
    let known = Set(outputs.all)
    let open = graph.outputs.filter { !known.contains($0.name) }
    if open.isEmpty { return }
    for output in open {
      if let (pooling, normalize) = pooling(of: output.value, from: x) {
        heads.sentence = BERTGraph.SentenceHead(pooling: pooling, dense: [], normalize: normalize)
        outputs.sentenceEmbedding = output.name
        noteSentence(heads.sentence)
        return
      }
    }
    // With linear layers: each one on a pooled value is followed to an output.
    var pending = [x]
    var visited: Set<ValueID> = [x]
    var steps = 0
    while let value = pending.popLast(), steps < 512 {
      steps += 1
      for use in uses[value] {
        if isLinear(use) {
          guard value != x, let (pooling, normalized) = pooling(of: value, from: x), !normalized else { continue }
          if let head = try dense(use, pooling, to: open, outputs: &outputs) {
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

  private mutating func noteSentence(_ head: BERTGraph.SentenceHead?) {
    guard let head else { return }
    let dense = head.dense.map { layer in
      ", linear layer to \(layer.linear.weight.outputSize)"
        + (layer.activation == .identity ? "" : " with \(layer.activation.configKey)")
    }
    note("sentence embedding", head.pooling.name + dense.joined() + (head.normalize ? ", normalized" : ""))
  }

  /// The linear layers from `use` to an output; nil where they lead to none.
  private mutating func dense(
    _ use: Use, _ pooling: Pooling, to open: [Graph.Input], outputs: inout BERTGraph.OutputNames
  ) throws(ClozeError) -> BERTGraph.SentenceHead? {
    var head = BERTGraph.SentenceHead(pooling: pooling, dense: [], normalize: false)
    var use = use
    var width = hiddenSize
    while head.dense.count < 4 {
      let (linear, made) = try linear(use, inputSize: width, outputSize: nil)
      width = linear.weight.outputSize
      guard width <= 1 << 16 else { return nil }
      for output in open {
        // Layers on the first token alone may be classes: only a normalized or so named output is a vector.
        guard let (activation, normalize) = ending(output.value, from: made, width: width),
          pooling != .cls || normalize || output.name.utf8.starts(with: "sentence".utf8)
        else { continue }
        head.dense.append(.init(linear: linear, activation: activation))
        head.normalize = normalize
        outputs.sentenceEmbedding = output.name
        return head
      }
      let after = exits(from: made, through: Recognizer.activationOperators)
      guard let next = after.first, after.count == 1, isLinear(next.use) else { return nil }
      var function = Activation.identity
      if next.value != made {
        function = try activation(made, next: .linear, expected: "an activation, then a linear layer").activation
      }
      head.dense.append(.init(linear: linear, activation: function))
      use = next.use
    }
    return nil
  }

  /// The activation and normalization between the last linear layer's result and an output; nil: another function.
  private func ending(_ output: ValueID, from value: ValueID, width: Int) -> (activation: Activation, normalize: Bool)?
  {
    guard let probe = probes.first else { return nil }
    let count = probe.batch * width
    let numbers: [Double] = Recognizer.varied(count)
    let given = [value: Probe.Value(.float32, [probe.batch, width], numbers)]
    guard case .known(let result, _) = probe.evaluate(output, given: given), let y = result.elements, y.count == count
    else { return nil }
    for function in Activation.allCases {
      let plain = numbers.map { function($0) }
      for normalize in [false, true] where matches(y, normalize ? normalized(plain, width) : plain) {
        return (function, normalize)
      }
    }
    return nil
  }

  /// The pooling that computes a value [B, D] from the states `x`, and whether its rows are normalized; nil where
  /// it is unsupported.
  private func pooling(of value: ValueID, from x: ValueID) -> (Pooling, normalize: Bool)? {
    var candidates: [(Pooling, normalize: Bool)] = []
    for (index, probe) in probes.enumerated() {
      let (batch, sequence) = (probe.batch, probe.sequence)
      let total = batch * sequence * hiddenSize
      guard total <= Probe.maximumElements else { return nil }
      let numbers: [Double] = Recognizer.varied(total)
      guard case .known(let result, _) = probe.evaluate(value, given: [x: state(x, probe, numbers)]),
        let y = result.elements, y.count == batch * hiddenSize, result.shape.last == hiddenSize
      else { return nil }
      var found: [(Pooling, normalize: Bool)] = []
      for pooling in [Pooling.mean, .cls, .max, .meanSqrtLen, .lastToken, .weightedMean] {
        // With the mask or without: the encoder never gets padding.
        for masked in [true, false] {
          let pooled = pool(numbers, pooling, probe, masked: masked)
          for normalize in [false, true] where matches(y, normalize ? normalized(pooled, hiddenSize) : pooled) {
            found.append((pooling, normalize))
          }
        }
      }
      candidates = index == 0 ? found : candidates.filter { c in found.contains { $0 == c } }
    }
    return candidates.first
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
