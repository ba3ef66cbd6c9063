internal import CClozeKernels
internal import ClozeIO
internal import ClozeONNX

/// Putting a trained head on a model.
extension Model {
  /// Makes sure that a head was trained on this encoder.
  func check(_ head: Head) throws(ClozeError) {
    try head.check()
    guard head.vectorSize == info.hiddenSize, head.encoder == fingerprint else {
      let own = name.map { ", \"\($0)\"" } ?? ""
      throw ClozeError(
        .invalidArgument,
        head.model.map { "the head was trained on \"\($0)\", another encoder than this model's\(own)" }
          ?? "the head was trained on another encoder than this model's\(own)")
    }
    guard head.maxTokens <= info.maxPositionEmbeddings else {
      throw ClozeError(
        .invalidArgument, "the head takes \(head.maxTokens) tokens, the model \(info.maxPositionEmbeddings)")
    }
    if head.task == .mlm, head.outputs != info.vocabSize {
      throw ClozeError(.invalidModel, "the head knows \(head.outputs) tokens, the model \(info.vocabSize)")
    }
    if head.pooling == .pooler { _ = try packedHead(.pooler) }
    if let mix = head.mix, mix.shares.count != info.numHiddenLayers + 1 {
      throw ClozeError(
        .invalidModel, "the head mixes \(mix.shares.count) states, the model has \(info.numHiddenLayers + 1)")
    }
    guard head.encoderLayers.count <= info.numHiddenLayers else {
      throw ClozeError(
        .invalidModel, "the head has \(head.encoderLayers.count) encoder layers, the model " + "\(info.numHiddenLayers)"
      )
    }
    for layer in head.encoderLayers {
      guard layer.fits(info.hiddenSize, info.intermediateSize), layer.isFinite else {
        throw ClozeError(.invalidModel, "an encoder layer of the head has weights of other sizes")
      }
    }
    guard let embeddings = head.embeddings else { return }
    guard
      embeddings.fits(
        info.hiddenSize, vocabulary: info.vocabSize, positions: info.maxPositionEmbeddings, types: info.typeVocabSize),
      embeddings.isFinite, head.encoderLayers.count == info.numHiddenLayers, weights.projection == nil,
      head.attentionBias?.count == weights.attentionBias?.count, head.attentionBias?.allSatisfy(\.isFinite) ?? true
    else { throw ClozeError(.invalidModel, "the head's embeddings do not have the model's sizes") }
  }

  /// The model's weights, with encoder layers, embeddings, pooler and decoder replaced where the head trained them.
  func weights(with head: Head) throws(ClozeError) -> Weights {
    let isOwn = head.task == .mlm || head.task == .nsp
    guard isOwn || !head.encoderLayers.isEmpty else { return weights }
    let saved = cloze_float_environment_enter()
    defer { cloze_float_environment_restore(saved) }
    let builder = try WeightBuilder(kernels: kernels, precision: info.precision, threads: LoadOptions().loadingThreads)
    var (word, position, tokenType) = (weights.word, weights.position, weights.tokenType)
    var (norm, all, bias) = (weights.norm, weights.layers, weights.attentionBias)
    if let embeddings = head.embeddings {
      let isTied = head.task == .mlm && head.layers.last?.weight == embeddings.word
      let whole = try builder.encoder(graph(head, embeddings), packsWords: isTied)
      (word, position, tokenType) = (whole.word, whole.position, whole.tokenType)
      (norm, all, bias) = (whole.norm, whole.layers, whole.bias)
    } else {
      let first = all.count - head.encoderLayers.count
      for (i, layer) in head.encoderLayers.enumerated() {
        all[first + i] = try builder.layer(layer, replacing: all[first + i], info)
      }
    }
    // The other weights live as long as the model that they came with.
    var result = Weights(
      word: word, position: position, tokenType: tokenType, norm: norm, layers: all, memory: builder.memory,
      heads: weights.heads, sentence: weights.sentence, projection: weights.projection, attentionBias: bias)
    let own = head.layers
    func layer(_ layer: Head.Dense) throws(ClozeError) -> PackedHead.Layer {
      PackedHead.Layer(
        dense: try builder.inFloat32.dense(layer.weight, layer.bias, inputs: layer.inputs),
        activation: layer.activation)
    }
    if head.task == .nsp, own.count == 2, own[0].activation == .tanh {
      let pooler = try layer(own[0])
      let layers = [pooler, PackedHead.Layer(dense: try layer(own[1]).dense)]
      result.heads[.pooler] = PackedHead(rows: .pooled(.cls), layers: [pooler], memory: builder.memory)
      result.heads[.nextSentence] = PackedHead(rows: .pooled(.cls), layers: layers, memory: builder.memory)
    } else if head.task == .mlm, own.count == 2, let last = own[0].norm, own[0].outputs == info.hiddenSize,
      own[1].outputs == info.vocabSize
    {
      let decoder: Weights.Dense
      if head.embeddings != nil, let columns = word.columns {
        decoder = Weights.Dense(
          inputs: own[1].inputs, outputs: own[1].outputs, columns: columns, bias: try builder.bias(own[1].bias),
          inverseSmoothing: nil)
      } else {
        decoder = try builder.dense(own[1].weight, own[1].bias, inputs: own[1].inputs)
      }
      var transform = try layer(own[0])
      transform.norm = try builder.norm(last.gamma, last.beta, last.epsilon)
      result.heads[.maskedLM] = PackedHead(
        rows: .tokens, layers: [transform, PackedHead.Layer(dense: decoder)], memory: builder.memory)
    }
    return result
  }

  /// The encoder that a head holds whole.
  private func graph(_ head: Head, _ embeddings: EncoderEmbeddings) throws(ClozeError) -> BERTGraph {
    let c = info.configuration
    var layers: [BERTGraph.Layer] = []
    for (own, layer) in zip(weights.layers, head.encoderLayers) {
      layers.append(
        try BERTGraph.Layer(
          layer, c, Double(own.attentionScale), (Double(own.attentionNorm.epsilon), Double(own.outputNorm.epsilon))))
    }
    var graph = BERTGraph(
      configuration: c, embeddings: try BERTGraph.Embeddings(embeddings, c, epsilon: c.layerNormEps), layers: layers)
    try graph.take(attentionBias: head.attentionBias)
    return graph
  }
}
