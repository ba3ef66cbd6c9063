internal import CClozeKernels

extension Model {
  /// The head that was put on it; nil where there is none.
  public var head: Head? { trained?.head }

  /// Makes sure that a head was trained on this encoder.
  func check(_ head: Head) throws(ClozeError) {
    try head.check()
    guard head.inputs == info.hiddenSize, head.encoder == fingerprint else {
      throw ClozeError(
        .invalidArgument, "the head was trained on another encoder than this model's")
    }
    guard head.maxTokens <= info.maxPositionEmbeddings else {
      throw ClozeError(
        .invalidArgument,
        "the head takes \(head.maxTokens) tokens, the model \(info.maxPositionEmbeddings)")
    }
    if head.task == .mlm, head.outputs != info.vocabSize {
      throw ClozeError(
        .invalidModel, "the head knows \(head.outputs) tokens, the model \(info.vocabSize)")
    }
    if head.pooling == .pooler, !info.heads.contains(.pooler) { throw lacks("pooler") }
    guard head.encoderLayers.count <= info.numHiddenLayers else {
      throw ClozeError(
        .invalidModel,
        "the head has \(head.encoderLayers.count) encoder layers, the model "
          + "\(info.numHiddenLayers)")
    }
    let sizes = EncoderLayer.sizes(info.hiddenSize, info.intermediateSize)
    for layer in head.encoderLayers {
      guard layer.arrays.map(\.count) == sizes,
        layer.arrays.allSatisfy({ $0.allSatisfy(\.isFinite) })
      else {
        throw ClozeError(.invalidModel, "an encoder layer of the head has weights of other sizes")
      }
    }
  }

  /// These weights with others in the place of the last layers'.
  func weights(with layers: [EncoderLayer]) throws(ClozeError) -> Weights {
    guard !layers.isEmpty else { return weights }
    let saved = cloze_float_environment_enter()
    defer { cloze_float_environment_restore(saved) }
    let builder = try WeightBuilder(
      kernels: kernels, precision: info.precision, threads: LoadOptions().loadingThreads)
    let first = weights.layers.count - layers.count
    var all = weights.layers
    let (d, f) = (info.hiddenSize, info.intermediateSize)
    for (i, layer) in layers.enumerated() {
      let a = layer.arrays
      let old = all[first + i]
      all[first + i] = Weights.Layer(
        queryKeyValue: try builder.dense(a[0] + a[2] + a[4], a[1] + a[3] + a[5], inputs: d),
        attentionOutput: try builder.dense(a[6], a[7], inputs: d),
        attentionNorm: try builder.norm(a[8], a[9], old.attentionNorm.epsilon),
        intermediate: try builder.dense(a[10], a[11], inputs: d),
        output: try builder.dense(a[12], a[13], inputs: f),
        outputNorm: try builder.norm(a[14], a[15], old.outputNorm.epsilon),
        attentionScale: old.attentionScale, activation: old.activation)
    }
    // The other weights live as long as the model that they came with.
    return Weights(
      word: weights.word, position: weights.position, tokenType: weights.tokenType,
      norm: weights.norm, layers: all, pooler: weights.pooler, maskedLM: weights.maskedLM,
      nextSentence: weights.nextSentence, memory: builder.memory, heads: weights.heads,
      projection: weights.projection)
  }
}

extension WeightBuilder {
  /// A layer of plain rows [outputs, inputs].
  func dense(_ weight: [Float], _ bias: [Float], inputs: Int) throws(ClozeError) -> Weights.Dense {
    let staged = try AlignedMemory(bytes: bytes(weight.count, MemoryLayout<Float>.size))
    defer { withExtendedLifetime(staged) {} }
    for (i, value) in weight.enumerated() { staged.floats()[i] = value }
    let room = try memory.floats(bias.count.roundedUp(to: Int(matrix.nr)))
    room.update(repeating: 0, count: bias.count.roundedUp(to: Int(matrix.nr)))
    for (i, value) in bias.enumerated() { room[i] = value }
    return Weights.Dense(
      inputs: inputs, outputs: bias.count,
      columns: try pack(
        [WeightSource(rows: staged.floats(), inputs: inputs, outputs: bias.count)], bias.count,
        inputs,
        smoothing: nil),
      bias: room,
      inverseSmoothing: nil)
  }

  func norm(_ gamma: [Float], _ beta: [Float], _ epsilon: Float) throws(ClozeError) -> Weights.Norm
  {
    let room = try memory.floats(2 * gamma.count)
    for (i, value) in (gamma + beta).enumerated() { room[i] = value }
    return Weights.Norm(gamma: room, beta: room + gamma.count, epsilon: epsilon)
  }
}
