internal import ClozeIO

/// Encoder layers.
extension Recognizer {
  /// Whether an encoder layer begins at `x`; otherwise the heads begin.
  func startsLayer(_ x: ValueID) -> Bool {
    uses[x].contains { isResidual($0) } || uses[x].filter { isLinear($0) }.count >= 2
  }

  /// Encoder layer `index` on `x`, and its result.
  mutating func layer(_ x: ValueID, index: Int) throws(ClozeError) -> (
    layer: BERTGraph.Layer, heads: Int, activation: Activation, bias: Tensor?, output: ValueID
  ) {
    let attention = try attention(x, layer: index)
    place = "layer \(index), attention, residual"
    let attended = try residual(attention.result, x)
    place = "layer \(index), attention, layer norm"
    let (attentionNorm, middle) = try layerNorm(attended)

    place = "layer \(index), feed-forward"
    let expected = "a linear layer, an activation, a linear layer, and an addition"
    let starts = uses[middle].filter { isLinear($0) }
    guard let start = starts.first, starts.count == 1 else { throw misfit(usersOf: middle, expected) }
    if let other = uses[middle].first(where: { !isLinear($0) && !isResidual($0) }) {
      throw misfit(other.node, "\(node(other).operation) is unexpected here", expected: expected)
    }
    let (intermediate, wide) = try linear(start, inputSize: hiddenSize, outputSize: nil)
    let (activation, activated) = try activation(wide, next: .linear, expected: "an activation, then a linear layer")
    guard uses[activated].count == 1 else { throw misfit(usersOf: activated, "one linear layer") }
    let (output, narrow) = try linear(
      uses[activated][0], inputSize: intermediate.weight.outputSize, outputSize: hiddenSize)
    place = "layer \(index), feed-forward, residual"
    let sum = try residual(narrow, middle)
    place = "layer \(index), feed-forward, layer norm"
    let (outputNorm, result) = try layerNorm(sum)

    let layer = BERTGraph.Layer(
      query: attention.query, key: attention.key, value: attention.value, attentionOutput: attention.output,
      attentionNorm: attentionNorm, intermediate: intermediate, output: output, outputNorm: outputNorm,
      attentionScale: attention.scale)
    return (layer, attention.heads, activation, attention.bias, result)
  }

  /// The sum of a block's result and input, which only a normalisation may use.
  private func residual(_ result: ValueID, _ input: ValueID) throws(ClozeError) -> ValueID {
    let expected = "an addition of the block's result and its input, then a layer normalisation"
    guard let add = uses[result].first, uses[result].count == 1, graph.nodes[add.node].operation == "Add",
      otherOperand(add) == input, let sum = output(add.node)
    else { throw misfit(usersOf: result, expected) }
    guard uses[sum].contains(where: { startsNorm($0) }) else { throw misfit(usersOf: sum, expected) }
    if let again = uses[sum].first(where: { isResidual($0) }) { throw preNorm(again) }
    return sum
  }
}
