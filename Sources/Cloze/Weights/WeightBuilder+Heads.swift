internal import CClozeKernels
internal import ClozeIO
internal import ClozeONNX

/// Heads, of a graph or trained.
extension WeightBuilder {
  /// The heads of a graph. Their layers stay in float32, but for the decoder over the vocabulary: they take next to
  /// none of the time, and the transform before the decoder alone would change three in a hundred masked words in int8.
  func heads(_ graph: BERTGraph, word: Weights.WordTable) throws(ClozeError) -> [OutputHead: PackedHead] {
    func layer(_ linear: Linear, _ activation: Activation = .identity) throws(ClozeError) -> PackedHead.Layer {
      PackedHead.Layer(dense: try inFloat32.dense([linear]), activation: activation)
    }
    func head(_ rows: PackedHead.Rows, _ layers: PackedHead.Layer...) -> PackedHead {
      PackedHead(rows: rows, layers: layers, memory: memory)
    }
    var heads: [OutputHead: PackedHead] = [:]
    let pooler = try graph.pooler.map { linear throws(ClozeError) in try layer(linear, .tanh) }
    if let pooler { heads[.pooler] = head(.pooled(.cls), pooler) }
    if let mlm = graph.mlm {
      var transform = try layer(mlm.transform, mlm.activation)
      transform.norm = try norm(mlm.norm, transform.dense.outputs)
      heads[.maskedLM] = head(.tokens, transform, PackedHead.Layer(dense: try decoder(mlm, graph.configuration, word)))
    }
    if let pooler, let nsp = graph.nsp { heads[.nextSentence] = head(.pooled(.cls), pooler, try layer(nsp)) }
    if let classifier = graph.classifier {
      let output = classifier.output
      heads[.classes] =
        if let transform = classifier.transform {
          head(.pooled(.cls), try layer(transform, classifier.activation), try layer(output))
        } else { head(.pooled(.cls), try layer(output)) }
    }
    if let linear = graph.tokenClassifier { heads[.tags] = head(.tokens, try layer(linear)) }
    if let linear = graph.answer { heads[.answer] = head(.tokens, try layer(linear)) }
    return heads
  }

  private func decoder(_ head: BERTGraph.MaskedLMHead, _ c: BERTConfiguration, _ word: Weights.WordTable)
    throws(ClozeError) -> Weights.Dense
  {
    switch head.decoder {
    case .separate(let weight): return try dense([Linear(weight: weight, bias: head.bias)])
    case .tied:
      guard let columns = word.columns else { throw ClozeError(.internal, "the tied decoder was not packed") }
      return Weights.Dense(
        inputs: c.hiddenSize, outputs: c.vocabSize, columns: columns, bias: try bias([head.bias], [c.vocabSize]),
        inverseSmoothing: nil)
    }
  }

  /// A trained head, by a builder of float32.
  func head(_ head: Head) throws(ClozeError) -> PackedHead {
    var layers: [PackedHead.Layer] = []
    for layer in head.layers {
      let norm = try layer.norm.map { norm throws(ClozeError) in try self.norm(norm.gamma, norm.beta, norm.epsilon) }
      layers.append(
        PackedHead.Layer(
          dense: try dense(layer.weight, layer.bias, inputs: layer.inputs), activation: layer.activation, norm: norm))
    }
    var mix: UnsafePointer<Float>?
    if let weights = head.mix?.weights {
      let factors = try memory.floats(weights.count)
      for (i, weight) in weights.enumerated() { factors[i] = weight }
      mix = UnsafePointer(factors)
    }
    let readsTokens = head.task == .tag || head.task == .answer || head.task == .mlm
    return PackedHead(
      rows: readsTokens ? .tokens : .pooled(head.pooling), layers: layers, arithmetic: .float32, mix: mix,
      memory: memory)
  }
}
