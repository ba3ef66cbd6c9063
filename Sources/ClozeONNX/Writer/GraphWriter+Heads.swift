internal import ClozeIO

/// Heads on the last hidden state.
extension GraphWriter {
  /// The graph's classes, tags and answer heads, in the form of added heads.
  func ownHeads() throws(ClozeError) -> [AddedHead] {
    var heads: [AddedHead] = []
    if let head = graph.classifier {
      let output = AddedHead.Layer(linear: head.output, activation: .identity)
      if let transform = head.transform {
        if let pooler = graph.pooler, head.activation == .tanh, try pooler.isSame(as: transform) {
          heads.append(
            AddedHead(name: "classifier", source: .pooled(.pooler), layers: [output], result: .output("logits")))
        } else {
          let first = AddedHead.Layer(linear: transform, activation: head.activation)
          heads.append(
            AddedHead(name: "classifier", source: .pooled(.cls), layers: [first, output], result: .output("logits")))
        }
      } else {
        heads.append(AddedHead(name: "classifier", source: .pooled(.cls), layers: [output], result: .output("logits")))
      }
    }
    if let linear = graph.tokenClassifier {
      heads.append(
        AddedHead(
          name: "classifier", source: .tokens, layers: [AddedHead.Layer(linear: linear, activation: .identity)],
          result: .output("logits")))
    }
    if let linear = graph.answer {
      heads.append(
        AddedHead(
          name: "qa_outputs", source: .tokens, layers: [AddedHead.Layer(linear: linear, activation: .identity)],
          result: .answer))
    }
    return heads
  }

  mutating func heads(_ x: Value, _ added: [AddedHead]) throws(ClozeError) {
    quantizedRows = [:]
    let width = configuration.hiddenSize
    if let pooler = graph.pooler {
      let first = try pooled(x, .cls)
      scope = prefix + "pooler"
      let dense = try linear(first, pooler, "\(scope).dense")
      _ = node("Tanh", [dense], to: "pooler_output")
      publish("pooler_output", [.free("batch"), .fixed(width)])
    }
    if let mlm = graph.mlm {
      let plain = graph.nsp == nil && !added.contains { if case .output("logits") = $0.result { true } else { false } }
      try maskedLM(x, mlm, to: plain ? "logits" : "prediction_logits")
    }
    if let nsp = graph.nsp, graph.pooler != nil {
      scope = "cls.seq_relationship"
      _ = try linear("pooler_output", nsp, scope, to: "seq_relationship_logits")
      publish("seq_relationship_logits", [.free("batch"), .fixed(nsp.weight.outputSize)])
    }
    for head in added { try self.head(x, head) }
    if let sentence = graph.sentence, sentence.pooling != .pooler || graph.pooler != nil {
      try self.sentence(x, sentence)
    }
  }

  private mutating func maskedLM(_ x: Value, _ head: BERTGraph.MaskedLMHead, to output: Value) throws(ClozeError) {
    scope = "cls.predictions.transform"
    let dense = try activation(linear(x, head.transform, "\(scope).dense"), head.activation)
    let normed = try norm(dense, head.norm, head.transform.weight.outputSize, "\(scope).LayerNorm")
    scope = "cls.predictions"
    switch head.decoder {
    case .tied:
      let logits = try decode(normed)
      if let bias = head.bias {
        _ = node("Add", [logits, try vector(bias, "\(scope).bias")], to: output)
      } else {
        _ = node("Identity", [logits], to: output)
      }
    case .separate(let matrix):
      _ = try linear(normed, Linear(weight: matrix, bias: head.bias), "\(scope).decoder", to: output)
    }
    publish(output, [.free("batch"), .free("sequence"), .fixed(configuration.vocabSize)])
  }

  private mutating func head(_ x: Value, _ head: AddedHead) throws(ClozeError) {
    var sizes: [ONNXDocument.Dimension] = [.free("batch")]
    var value = x
    var width = configuration.hiddenSize
    if let weights = head.mix { value = try mixed(weights, head.name) }
    // `pools` has vectors of the last hidden state, not of a mix.
    let known = pools
    if head.mix != nil { pools = [:] }
    defer { pools = known }
    switch head.source {
    case .tokens: sizes.append(.free("sequence"))
    case .pooled(let pooling): value = try pooled(value, pooling)
    case .pairs(let pooling):
      sizes = [.free("pairs")]
      value = try pairFeatures(normalized(pooled(value, pooling)))
      width *= 4
    }
    scope = head.name
    for (i, layer) in head.layers.enumerated() {
      let isLast = i == head.layers.count - 1
      let name = AddedHead.layer(i, of: head.layers.count, head.name)
      var output: Value?
      if isLast, layer.activation == .identity, layer.norm == nil, case .output(let name) = head.result {
        output = name
      }
      value = try linear(value, layer.linear, name, to: output)
      width = layer.linear.weight.outputSize
      value = try activation(value, layer.activation)
      if let norm = layer.norm { value = try self.norm(value, norm, width, "\(name).LayerNorm") }
    }
    switch head.result {
    case .output(let name):
      if value != name { _ = node("Identity", [value], to: name) }
      publish(name, sizes + [.fixed(width)])
    case .answer:
      for (column, name) in head.outputs.enumerated() {
        _ = node("Gather", [value, try constant(column)], [("axis", .int(-1))], to: name)
        publish(name, sizes)
      }
    }
  }

  /// [B / 2, 4 D] of vectors [B, D]: u, v, |u - v|, u v of every two.
  private mutating func pairFeatures(_ vectors: Value) throws(ClozeError) -> Value {
    let pairs = node("Reshape", [vectors, try constant([-1, 2, configuration.hiddenSize])])
    let first = node("Gather", [pairs, try constant(0)], [("axis", .int(1))])
    let second = node("Gather", [pairs, try constant(1)], [("axis", .int(1))])
    let difference = node("Abs", [node("Sub", [first, second])])
    let product = node("Mul", [first, second])
    return node("Concat", [first, second, difference, product], [("axis", .int(-1))])
  }

  /// The weighted sum of all states.
  private mutating func mixed(_ weights: [Float], _ name: String) throws(ClozeError) -> Value {
    scope = "\(name).mix"
    var sum: Value?
    for (i, (state, weight)) in zip(states, weights).enumerated() {
      let factor = "\(scope).\(i)"
      try document.tensor(factor, .float32, []) { () throws(ClozeError) in
        try Tensor.floats([weight], shape: [], name: factor)
      }
      let part = node("Mul", [state, factor])
      sum = sum.map { node("Add", [$0, part]) } ?? part
    }
    return sum ?? "last_hidden_state"
  }

  private mutating func sentence(_ x: Value, _ head: BERTGraph.SentenceHead) throws(ClozeError) {
    var value = try pooled(x, head.pooling)
    var width = configuration.hiddenSize
    scope = "sentence"
    for (i, step) in head.steps.enumerated() {
      switch step {
      case .dense(let linear, let activation):
        value = try self.activation(self.linear(value, linear, "\(scope).dense.\(i)"), activation)
        width = linear.weight.outputSize
      case .norm(let norm): value = try self.norm(value, norm, width, "\(scope).norm.\(i)")
      case .normalize: value = try normalized(value)
      case .truncate(let kept):
        value = node("Slice", [value, try constant([0]), try constant([kept]), try constant([1])])
        width = kept
      }
    }
    if head.normalize { value = try normalized(value) }
    _ = node("Identity", [value], to: "sentence_embedding")
    publish("sentence_embedding", [.free("batch"), .fixed(width)])
  }

  /// Rows of length 1.
  private mutating func normalized(_ x: Value) throws(ClozeError) -> Value {
    let length = node("ReduceL2", [x], [("axes", .ints([-1])), ("keepdims", .int(1))])
    return node("Div", [x, node("Max", [length, try constant(1e-12 as Float)])])
  }

  /// One vector per sequence [B, D], pooled from the states of its tokens.
  private mutating func pooled(_ x: Value, _ pooling: Pooling) throws(ClozeError) -> Value {
    if let known = pools[pooling] { return known }
    scope = "pooling.\(pooling.name)"
    var result: Value
    switch pooling {
    case .pooler: result = "pooler_output"
    case .cls:
      result = node("Gather", [x, try constant(0)], [("axis", .int(1))])
    case .lastToken:
      let kept = node("Cast", ["attention_mask"], [("to", .int(6))])
      let last = node("ArgMax", [kept], [("axis", .int(1)), ("select_last_index", .int(1))])
      result = node("GatherND", [x, last], [("batch_dims", .int(1))])
    case .max:
      let kept = node("Cast", [node("Unsqueeze", ["attention_mask", try constant([2])])], [("to", .int(9))])
      let rows = node("Where", [kept, x, try constant(-Float.greatestFiniteMagnitude)])
      result = node("ReduceMax", [rows], [("axes", .ints([1])), ("keepdims", .int(0))])
    case .mean, .meanSqrtLen, .weightedMean:
      var kept = node("Cast", [node("Unsqueeze", ["attention_mask", try constant([2])])], [("to", .int(1))])
      if pooling == .weightedMean { kept = node("Mul", [kept, try tokenNumbers()]) }
      let axis = try constant([1])
      let sum = node("ReduceSum", [node("Mul", [x, kept]), axis], [("keepdims", .int(0))])
      let count = node("ReduceSum", [kept, axis], [("keepdims", .int(0))])
      var divisor = node("Max", [count, try constant(1e-9 as Float)])
      if pooling == .meanSqrtLen { divisor = node("Sqrt", [divisor]) }
      result = node("Div", [sum, divisor])
    }
    pools[pooling] = result
    return result
  }

  /// The numbers of the tokens from 1, [1, S, 1].
  private mutating func tokenNumbers() throws(ClozeError) -> Value {
    let length = node("Squeeze", [node("Shape", ["attention_mask"], [("start", .int(1)), ("end", .int(2))])])
    let one = try constant(1)
    let numbers = node("Range", [one, node("Add", [length, one]), one])
    return node("Cast", [node("Unsqueeze", [numbers, try constant([0, 2])])], [("to", .int(1))])
  }
}

/// Comparing layers.
extension Linear {
  /// Whether weights and biases are equal.
  fileprivate func isSame(as other: Linear) throws(ClozeError) -> Bool {
    guard weight.layout == other.weight.layout, try weight.tensor.isSame(as: other.weight.tensor) else { return false }
    guard let bias, let another = other.bias else { return bias == nil && other.bias == nil }
    return try bias.isSame(as: another)
  }
}

/// Comparing tensors.
extension Tensor {
  fileprivate func isSame(as other: Tensor) throws(ClozeError) -> Bool {
    guard elementType == other.elementType, shape == other.shape, quantization?.scales == other.quantization?.scales,
      quantization?.zeroPoints == other.quantization?.zeroPoints
    else { return false }
    return try bytes().elementsEqual(other.bytes())
  }
}
