internal import ClozeIO

/// Packing of plain float32 weights, those that a head brings with it.
extension WeightBuilder {
  /// An encoder layer; what is not trained is that of the layer it replaces.
  func layer(_ layer: EncoderLayer, replacing old: Weights.Layer, _ info: ModelInfo) throws(ClozeError) -> Weights.Layer
  {
    let (d, f) = (info.hiddenSize, info.intermediateSize)
    return Weights.Layer(
      queryKeyValue: try dense(
        layer.query.weight + layer.key.weight + layer.value.weight,
        layer.query.bias + layer.key.bias + layer.value.bias, inputs: d),
      attentionOutput: try dense(layer.attentionOutput, inputs: d),
      attentionNorm: try norm(layer.attentionNorm, old.attentionNorm.epsilon),
      intermediate: try dense(layer.intermediate, inputs: d), output: try dense(layer.output, inputs: f),
      outputNorm: try norm(layer.outputNorm, old.outputNorm.epsilon), attentionScale: old.attentionScale,
      activation: old.activation)
  }

  private func dense(_ linear: LinearParameters<[Float]>, inputs: Int) throws(ClozeError) -> Weights.Dense {
    try dense(linear.weight, linear.bias, inputs: inputs)
  }

  private func norm(_ norm: NormParameters<[Float]>, _ epsilon: Float) throws(ClozeError) -> Weights.Norm {
    try self.norm(norm.gamma, norm.beta, epsilon)
  }

  /// A linear layer of rows, `weight` [outputs, inputs].
  func dense(_ weight: [Float], _ bias: [Float], inputs: Int) throws(ClozeError) -> Weights.Dense {
    let staged = try AlignedMemory(bytes: bytes(weight.count, MemoryLayout<Float>.size))
    defer { withExtendedLifetime(staged) {} }
    for (i, value) in weight.enumerated() { staged.floats()[i] = value }
    return Weights.Dense(
      inputs: inputs, outputs: bias.count,
      columns: try pack(
        [WeightSource(rows: staged.floats(), inputs: inputs, outputs: bias.count)], bias.count, inputs, smoothing: nil),
      bias: try self.bias(bias), inverseSmoothing: nil)
  }

  /// Copies a bias, followed by zeros up to whole panels.
  func bias(_ bias: [Float]) throws(ClozeError) -> UnsafePointer<Float> {
    let copy = try memory.floats(bias.count.roundedUp(to: Int(matrix.nr)))
    copy.update(repeating: 0, count: bias.count.roundedUp(to: Int(matrix.nr)))
    for (i, value) in bias.enumerated() { copy[i] = value }
    return UnsafePointer(copy)
  }

  func norm(_ gamma: [Float], _ beta: [Float], _ epsilon: Float) throws(ClozeError) -> Weights.Norm {
    let copy = try memory.floats(2 * gamma.count)
    for (i, value) in (gamma + beta).enumerated() { copy[i] = value }
    return Weights.Norm(gamma: copy, beta: copy + gamma.count, epsilon: epsilon)
  }
}
