#if canImport(Glibc)
  import Glibc
#endif

extension Recognizer {
  struct Heads {
    var pooler: Linear?
    var mlm: BERTGraph.MaskedLMHead?
    var nsp: Linear?
    var classifier: Linear?
    var tokenClassifier: Linear?
  }

  /// What is made of the last hidden state `x`. A head that is not known leaves its outputs among
  /// the unrecognised ones; a head that contradicts itself is an error.
  mutating func heads(
    _ x: ValueID, word: Tensor, outputs: inout BERTGraph.OutputNames
  ) throws(ONNXError) -> Heads {
    var heads = Heads()
    for use in uses[x].sorted(by: { $0.node < $1.node }) {
      if isLinear(use) {
        try tokenHead(use, word: word, heads: &heads, outputs: &outputs)
      } else if graph.nodes[use.node].operation == "Gather"
        || graph.nodes[use.node].operation == "Slice"
      {
        try pooler(use, x, heads: &heads, outputs: &outputs)
      }
    }
    return heads
  }

  // MARK: - On every token

  private mutating func tokenHead(
    _ use: Use, word: Tensor, heads: inout Heads, outputs: inout BERTGraph.OutputNames
  ) throws(ONNXError) {
    place = "head on every token"
    let (first, value) = try linear(use, inputSize: hiddenSize, outputSize: nil)
    if uses[value].isEmpty {
      if let name = outputNames[value]?.first, heads.tokenClassifier == nil {
        heads.tokenClassifier = first
        outputs.tokenLogits = name
      }
      return
    }
    // Anything but an activation and a normalisation is another head.
    let found = exits(from: value, through: Recognizer.activationOperators)
    guard let next = found.first, startsNorm(next.use), heads.mlm == nil,
      first.weight.outputSize == hiddenSize
    else { return }

    place = "masked-LM head"
    let (activation, activated) = try activation(
      value, next: .norm, expected: "an activation, then a layer normalisation")
    let (norm, normed) = try layerNorm(activated)
    guard let decode = uses[normed].first, uses[normed].count == 1, isLinear(decode) else {
      throw misfit(usersOf: normed, "the decoder, a linear layer to the vocabulary")
    }
    let (decoder, logits) = try linear(
      decode, inputSize: hiddenSize, outputSize: word.shape[0])
    guard let name = outputNames[logits]?.first else {
      throw misfit(usersOf: logits, "the logits as an output of the graph")
    }
    let tied = Recognizer.isSameMatrix(decoder.weight, word)
    heads.mlm = BERTGraph.MaskedLMHead(
      transform: first, activation: activation, norm: norm,
      decoder: tied ? .tied : .separate(decoder.weight), bias: decoder.bias)
    outputs.predictionLogits = name
    note("masked-LM decoder", tied ? "tied to the word embeddings" : "a matrix of its own")
  }

  /// Whether a matrix D -> V is the table [V, D], element for element. Types must be the same too.
  static func isSameMatrix(_ matrix: Matrix, _ table: Tensor) -> Bool {
    let tensor = matrix.tensor
    guard tensor.elementType == table.elementType, tensor.count == table.count,
      let a = tensor.bytes.baseAddress, let b = table.bytes.baseAddress
    else { return false }
    let rows = matrix.outputSize
    let columns = matrix.inputSize
    guard rows * columns == tensor.count else { return false }
    if matrix.layout == .outIn {
      return a == b || memcmp(a, b, tensor.bytes.count) == 0
    }
    switch tensor.elementType.size {
    case 2: return isTransposed(a, b, rows, columns, as: UInt16.self)
    case 4: return isTransposed(a, b, rows, columns, as: UInt32.self)
    case 8: return isTransposed(a, b, rows, columns, as: UInt64.self)
    default: return false
    }
  }

  // a [columns, rows], b [rows, columns]; in squares, so that both stay in the cache.
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

  private mutating func pooler(
    _ use: Use, _ x: ValueID, heads: inout Heads, outputs: inout BERTGraph.OutputNames
  ) throws(ONNXError) {
    place = "pooler"
    let found = exits(from: x, through: ["Gather", "Slice", "Squeeze", "Reshape"]).filter {
      isLinear($0.use) && $0.value != x
    }
    guard let start = found.first, heads.pooler == nil, isFirstToken(start.value, of: x) else {
      return
    }
    let (linear, value) = try linear(start.use, inputSize: hiddenSize, outputSize: nil)
    guard let tanh = uses[value].first, uses[value].count == 1,
      graph.nodes[tanh.node].operation == "Tanh", let pooled = output(tanh.node),
      linear.weight.outputSize == hiddenSize
    else { return }
    heads.pooler = linear
    note("pooler", "first token, linear layer, Tanh")
    outputs.poolerOutput = outputNames[pooled]?.first

    place = "head on the pooler"
    for use in uses[pooled] where isLinear(use) {
      let (head, logits) = try self.linear(use, inputSize: hiddenSize, outputSize: nil)
      guard uses[logits].isEmpty, let name = outputNames[logits]?.first else { continue }
      if head.weight.outputSize == 2, heads.nsp == nil {
        heads.nsp = head
        outputs.seqRelationshipLogits = name
      } else if heads.classifier == nil {
        heads.classifier = head
        outputs.classLogits = name
      }
    }
  }

  /// Whether `value` is row 0 of every sequence of `x`.
  private func isFirstToken(_ value: ValueID, of x: ValueID) -> Bool {
    probes.allSatisfy { probe in
      let total = probe.batch * probe.sequence * hiddenSize
      guard total <= Probe.maximumElements else { return false }
      let shape = [probe.batch, probe.sequence, hiddenSize]
      let given = [x: Probe.Value(.float32, shape, (0..<total).map { Double($0) })]
      guard case .known(let result, _) = probe.evaluate(value, given: given),
        let y = result.elements, y.count == probe.batch * hiddenSize
      else { return false }
      return y.indices.allSatisfy {
        y[$0] == Double($0 / hiddenSize * probe.sequence * hiddenSize + $0 % hiddenSize)
      }
    }
  }
}
