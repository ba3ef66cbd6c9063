internal import ClozeIO

/// Biases of attention scores by relative position.
extension Recognizer {
  /// A table of biases and its elements, [32, H].
  struct AttentionBias {
    var table: Tensor
    var heads: Int
    var values: [Float]

    /// What is added to the score of a query and a key of a head.
    func value(head: Int, query: Int, key: Int) -> Double {
      Double(values[RelativePosition.bucket(key - query) * heads + head])
    }
  }

  static let biasExpected = "the padding mask, and a bias [\(RelativePosition.buckets), H] by the buckets of MPNet"

  /// The table of biases that `input` is computed from besides `scores`; nil where there is none.
  ///
  /// - Parameters:
  ///   - scores: where the walk backward ends.
  ///   - input: the scores as the softmax gets them, or the mask of an attention operator.
  mutating func attentionBias(from scores: ValueID?, to input: ValueID, heads: Int) throws(ClozeError) -> AttentionBias?
  {
    var tables: [(node: NodeID, tensor: Tensor)] = []
    var pending = [input]
    var visited: Set<ValueID> = []
    while let value = pending.popLast(), visited.count < 4096 {
      guard value != scores, visited.insert(value).inserted, let index = graph.producer(of: value) else { continue }
      let node = graph.nodes[index]
      // They read no element, and lead back to the embeddings.
      if node.operation == "Shape" || node.operation == "Size" { continue }
      if node.operation == "Gather", let data = node.input(0), let table = graph.constant(data), table.tensor.isReal,
        table.tensor.shape.count == 2
      {
        guard !table.transposed, (node.int("axis") ?? 0) == 0 else {
          throw misfit(index, "\(table.tensor.label) is added to scores by columns", expected: Self.biasExpected)
        }
        tables.append((index, table.tensor))
        continue
      }
      for case let next? in node.inputs { pending.append(next) }
    }
    guard let (node, table) = tables.first else { return nil }
    if let (other, second) = tables.first(where: { $0.tensor.place.baseAddress != table.place.baseAddress }) {
      throw misfit(
        other, "both \(table.label) and \(second.label) are added to the scores of a layer", expected: Self.biasExpected
      )
    }
    guard table.shape == [RelativePosition.buckets, heads] else {
      throw contradiction(
        "the bias of scores \(table.label) should have the shape [\(RelativePosition.buckets), \(heads)]: a row for "
          + "each bucket, a column for each head", node: node)
    }
    var values = [Float](repeating: 0, count: table.count)
    try values.withUnsafeMutableBufferPointer { buffer throws(ClozeError) in try table.copyFloat32(to: buffer) }
    return AttentionBias(table: table, heads: heads, values: values)
  }

  /// The error for a number that is added to a score which is not masked, where another was expected.
  func strayBias(_ number: Double, _ bias: AttentionBias?, query: Int, key: Int, node: NodeID?) -> ClozeError {
    guard let bias else {
      return misfit(node, "\(number) is added to scores that are not masked", expected: "0, or a very low number")
    }
    return misfit(
      node,
      "\(number) is added to the score of a key \(abs(key - query)) tokens \(key < query ? "before" : "after") its "
        + "query, which is not bucket \(RelativePosition.bucket(key - query)) of \(bias.table.label)",
      expected: Self.biasExpected)
  }

  /// Makes sure that a layer has the bias of the layers before it.
  mutating func share(_ bias: Tensor?, layer: Int, _ first: Tensor?) throws(ClozeError) {
    place = "layer \(layer), attention"
    if layer == 0 {
      guard let bias else { return }
      note("attention bias", "relative positions, \(RelativePosition.buckets) buckets, \"\(bias.name)\"")
      return try count(bias)
    }
    guard let bias, let first else {
      if let one = bias ?? first {
        throw contradiction(
          "\(one.label) is added to the scores of layer \(bias == nil ? 0 : layer) and not of layer "
            + "\(bias == nil ? layer : 0)", node: nil)
      }
      return
    }
    if bias.place.baseAddress == first.place.baseAddress { return }
    guard bias.elementType == first.elementType, bias.quantization?.scales == first.quantization?.scales,
      try bias.bytes().elementsEqual(first.bytes())
    else {
      throw contradiction(
        "\(bias.label) is added to the scores of layer \(layer), \(first.label) to those of layer 0; one bias for all "
          + "layers was expected", node: nil)
    }
  }
}
