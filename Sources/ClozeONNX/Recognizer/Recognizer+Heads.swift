internal import ClozeIO
internal import Glibc

/// Heads on the last hidden state.
extension Recognizer {
  struct Heads {
    var pooler: Linear?
    var mlm: BERTGraph.MaskedLMHead?
    var nsp: Linear?
    var classifier: BERTGraph.SequenceHead?
    var tokenClassifier: Linear?
    var answer: Linear?
    var sentence: BERTGraph.SentenceHead?
  }

  static let headList = "masked LM, next sentence, pooler, classes, tags, answer, sentence embedding"

  /// The heads on the last hidden state `x`. The outputs of an unknown head stay unrecognised; an inconsistent
  /// head is an error.
  mutating func heads(_ x: ValueID, word: Tensor, outputs: inout BERTGraph.OutputNames) throws(ClozeError) -> Heads {
    var heads = Heads()
    for use in uses[x].sorted(by: { $0.node < $1.node }) {
      if isLinear(use) {
        try tokenHead(use, word: word, heads: &heads, outputs: &outputs)
      } else if graph.nodes[use.node].operation == "Gather" || graph.nodes[use.node].operation == "Slice" {
        try firstToken(use, x, heads: &heads, outputs: &outputs)
      }
    }
    try sentence(x, heads: &heads, outputs: &outputs)
    return heads
  }

  // MARK: - On every token

  private mutating func tokenHead(_ use: Use, word: Tensor, heads: inout Heads, outputs: inout BERTGraph.OutputNames)
    throws(ClozeError)
  {
    place = "head on every token"
    let (first, value) = try linear(use, inputSize: hiddenSize, outputSize: nil)
    if uses[value].isEmpty {
      if let name = outputNames[value]?.first, heads.tokenClassifier == nil {
        heads.tokenClassifier = first
        outputs.tokenLogits = name
      }
      return
    }
    if first.weight.outputSize == 2, heads.answer == nil, answer(value, outputs: &outputs) {
      heads.answer = first
      note("answer", "start and end from one linear layer on every token")
      return
    }
    // A masked-LM head begins with an activation and a normalisation; others are unknown.
    let found = exits(from: value, through: Recognizer.activationOperators)
    guard let next = found.first, startsNorm(next.use), heads.mlm == nil, first.weight.outputSize == hiddenSize else {
      return
    }

    place = "masked-LM head"
    let (activation, activated) = try activation(
      value, next: .norm, expected: "an activation, then a layer normalisation")
    let (norm, normed) = try layerNorm(activated)
    guard let decode = uses[normed].first, uses[normed].count == 1, isLinear(decode) else {
      throw misfit(usersOf: normed, "the decoder, a linear layer to the vocabulary")
    }
    let (decoder, logits) = try linear(decode, inputSize: hiddenSize, outputSize: word.shape[0])
    guard let name = outputNames[logits]?.first else {
      throw misfit(usersOf: logits, "the logits as an output of the graph")
    }
    let tied = try Recognizer.isSameMatrix(decoder.weight, word)
    heads.mlm = BERTGraph.MaskedLMHead(
      transform: first, activation: activation, norm: norm, decoder: tied ? .tied : .separate(decoder.weight),
      bias: decoder.bias)
    outputs.predictionLogits = name
    note("masked-LM decoder", tied ? "tied to the word embeddings" : "a separate matrix")
  }

  /// Whether a matrix D -> V equals the table [V, D] in type and every element.
  static func isSameMatrix(_ matrix: Matrix, _ table: Tensor) throws(ClozeError) -> Bool {
    let tensor = matrix.tensor
    let rows = matrix.outputSize
    let columns = matrix.inputSize
    guard tensor.elementType == table.elementType, tensor.count == table.count, rows * columns == tensor.count else {
      return false
    }
    if matrix.layout == .outIn, tensor.place.baseAddress == table.place.baseAddress { return true }
    guard let a = try tensor.bytes().baseAddress, let b = try table.bytes().baseAddress else { return false }
    if matrix.layout == .outIn { return memcmp(a, b, tensor.place.count) == 0 }
    switch tensor.elementType.size {
    case 2: return isTransposed(a, b, rows, columns, as: UInt16.self)
    case 4: return isTransposed(a, b, rows, columns, as: UInt32.self)
    case 8: return isTransposed(a, b, rows, columns, as: UInt64.self)
    default: return false
    }
  }

  /// Whether a [columns, rows] is the transpose of b [rows, columns]; compared in squares, so that both stay in
  /// the cache.
  private static func isTransposed<T: FixedWidthInteger & BitwiseCopyable>(
    _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ rows: Int, _ columns: Int, as type: T.Type
  ) -> Bool {
    let size = MemoryLayout<T>.size
    let side = 32
    for top in stride(from: 0, to: rows, by: side) {
      for left in stride(from: 0, to: columns, by: side) {
        var difference: T = 0
        for row in top..<Swift.min(top + side, rows) {
          for column in left..<Swift.min(left + side, columns) {
            let x = a.loadUnaligned(fromByteOffset: (column &* rows &+ row) &* size, as: T.self)
            let y = b.loadUnaligned(fromByteOffset: (row &* columns &+ column) &* size, as: T.self)
            difference |= x ^ y
          }
        }
        if difference != 0 { return false }
      }
    }
    return true
  }

  // MARK: - On the first token

  private mutating func firstToken(_ use: Use, _ x: ValueID, heads: inout Heads, outputs: inout BERTGraph.OutputNames)
    throws(ClozeError)
  {
    place = "pooler"
    let found = exits(from: x, through: ["Gather", "Slice", "Squeeze", "Reshape"]).filter {
      isLinear($0.use) && $0.value != x
    }
    guard let start = found.first, heads.pooler == nil, heads.classifier == nil, isFirstToken(start.value, of: x) else {
      return
    }
    let (linear, value) = try linear(start.use, inputSize: hiddenSize, outputSize: nil)
    if uses[value].isEmpty, let name = outputNames[value]?.first {
      heads.classifier = BERTGraph.SequenceHead(transform: nil, activation: .identity, output: linear)
      outputs.classLogits = name
      note("classes", "first token, linear layer")
      return
    }
    guard linear.weight.outputSize == hiddenSize else { return }
    if let tanh = uses[value].first, uses[value].count == 1, graph.nodes[tanh.node].operation == "Tanh",
      let pooled = output(tanh.node)
    {
      heads.pooler = linear
      note("pooler", "first token, linear layer, Tanh")
      outputs.poolerOutput = outputNames[pooled]?.first
      place = "head on the pooler"
      for use in uses[pooled] where isLinear(use) {
        try classes(use, on: linear, .tanh, heads: &heads, outputs: &outputs)
      }
      return
    }
    place = "head on the first token"
    let after = exits(from: value, through: Recognizer.activationOperators)
    guard let next = after.first, after.count == 1, isLinear(next.use) else { return }
    let (activation, _) = try activation(
      value, next: .linear, expected: "an activation, then a linear layer to the classes")
    try classes(next.use, on: linear, activation, heads: &heads, outputs: &outputs)
  }

  /// A linear layer to logits: next-sentence prediction, or classes of the model's own.
  private mutating func classes(
    _ use: Use, on transform: Linear, _ activation: Activation, heads: inout Heads, outputs: inout BERTGraph.OutputNames
  ) throws(ClozeError) {
    let (head, logits) = try linear(use, inputSize: hiddenSize, outputSize: nil)
    guard uses[logits].isEmpty, let name = outputNames[logits]?.first else { return }
    if head.weight.outputSize == 2, heads.nsp == nil, activation == .tanh {
      let (isNext, reason) = isNextSentence(name, withMaskedLM: heads.mlm != nil)
      if isNext {
        heads.nsp = head
        outputs.seqRelationshipLogits = name
        note("next sentence", "two classes on the pooler; \(reason)")
        return
      }
      note("classes", "2 classes on the pooler; not next sentence: \(reason)")
    } else if heads.classifier == nil {
      note("classes", "\(head.weight.outputSize) classes, linear layer, \(activation.configKey)")
    }
    guard heads.classifier == nil else { return }
    heads.classifier = BERTGraph.SequenceHead(transform: transform, activation: activation, output: head)
    outputs.classLogits = name
  }

  /// Whether two classes on the pooler are next-sentence prediction, which the graph alone does not tell.
  private func isNextSentence(_ name: String, withMaskedLM: Bool) -> (Bool, reason: String) {
    if let architecture {
      let next = architecture.hasSuffix("ForNextSentencePrediction") || architecture.hasSuffix("ForPreTraining")
      return (next, "config.json says \(architecture)")
    }
    if name.utf8.starts(with: "seq_relationship".utf8) { return (true, "by the output's name") }
    if withMaskedLM { return (true, "the graph has a masked LM too") }
    return (false, "the output's name is \"\(name)\"")
  }

  /// Finds two outputs of the graph that are the columns of `value` [B, S, 2]; false where there are none.
  private func answer(_ value: ValueID, outputs: inout BERTGraph.OutputNames) -> Bool {
    guard let probe = probes.first else { return false }
    let count = probe.batch * probe.sequence
    var shape = probe.values[value]?.shape ?? []
    if Probe.count(shape) != 2 * count { shape = [probe.batch, probe.sequence, 2] }
    let given = [value: Probe.Value(.float32, shape, (0..<(2 * count)).map { Double($0) })]
    for output in graph.outputs {
      guard case .known(let result, _) = probe.evaluate(output.value, given: given), let y = result.elements,
        y.count == count
      else { continue }
      if y.indices.allSatisfy({ y[$0] == Double(2 * $0) }) { outputs.startLogits = output.name }
      if y.indices.allSatisfy({ y[$0] == Double(2 * $0 + 1) }) { outputs.endLogits = output.name }
    }
    return outputs.startLogits != nil && outputs.endLogits != nil
  }

  /// Whether `value` is the first row of every sequence of `x`.
  private func isFirstToken(_ value: ValueID, of x: ValueID) -> Bool {
    probes.allSatisfy { probe in
      let total = probe.batch * probe.sequence * hiddenSize
      guard total <= Probe.maximumElements else { return false }
      let given = [x: state(x, probe, (0..<total).map { Double($0) })]
      guard case .known(let result, _) = probe.evaluate(value, given: given), let y = result.elements,
        y.count == probe.batch * hiddenSize
      else { return false }
      return y.indices.allSatisfy { y[$0] == Double($0 / hiddenSize * probe.sequence * hiddenSize + $0 % hiddenSize) }
    }
  }

  /// States [B, S, D], in the shape that they have in the graph.
  func state(_ x: ValueID, _ probe: Probe, _ numbers: [Double]) -> Probe.Value {
    var shape = probe.values[x]?.shape ?? []
    if Probe.count(shape) != numbers.count { shape = [probe.batch, probe.sequence, hiddenSize] }
    return Probe.Value(.float32, shape, numbers)
  }
}
