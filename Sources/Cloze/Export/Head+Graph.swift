internal import ClozeIO
internal import ClozeONNX

/// Trained heads on a graph.
extension BERTGraph {
  /// Puts a trained head on the graph, with the encoder layers and embeddings trained with it, in place of a
  /// head of the same kind.
  ///
  /// - Returns: the head, unless it became a part of this graph.
  mutating func take(_ head: Head) throws(ClozeError) -> [AddedHead] {
    let first = layers.count - head.encoderLayers.count
    for (i, layer) in head.encoderLayers.enumerated() where layers.indices.contains(first + i) {
      let old = layers[first + i]
      layers[first + i] = try Layer(
        layer, configuration, old.attentionScale, (old.attentionNorm.epsilon, old.outputNorm.epsilon))
    }
    if let trained = head.embeddings {
      embeddings = try Embeddings(trained, configuration, epsilon: embeddings.norm.epsilon)
    }
    try take(attentionBias: head.attentionBias)
    var added: [AddedHead.Layer] = []
    for layer in head.layers { added.append(try AddedHead.Layer(layer)) }
    // The labels are those of the trained head.
    classifier = nil
    tokenClassifier = nil
    answer = nil
    let source = head.pairs == .apart ? AddedHead.Source.pairs(head.pooling) : .pooled(head.pooling)
    let mix = head.mix?.weights
    switch head.task {
    case .classify, .classifyPairs, .multilabel, .regress, .regressPairs:
      return [AddedHead(name: "classifier", source: source, layers: added, result: .output("logits"), mix: mix)]
    case .tag:
      return [AddedHead(name: "classifier", source: .tokens, layers: added, result: .output("logits"), mix: mix)]
    case .answer: return [AddedHead(name: "qa_outputs", source: .tokens, layers: added, result: .answer, mix: mix)]
    case .mlm:
      mlm = nil
      if head.layers.count == 2, let norm = added[0].norm {
        let decoder = added[1].linear
        let isTied = head.embeddings?.word == head.layers[1].weight
        mlm = BERTGraph.MaskedLMHead(
          transform: added[0].linear, activation: added[0].activation, norm: norm,
          decoder: isTied ? .tied : .separate(decoder.weight), bias: decoder.bias)
        return []
      }
      return [AddedHead(name: "cls.predictions", source: .tokens, layers: added, result: .output("logits"))]
    case .nsp:
      nsp = nil
      // The head has its own pooler, on the first token.
      return [
        AddedHead(
          name: "cls.seq_relationship", source: .pooled(.cls), layers: added, result: .output("seq_relationship_logits")
        )
      ]
    }
  }
}

/// The bias of attention scores of a head.
extension BERTGraph {
  /// Replaces the bias, where a head has one of its own.
  mutating func take(attentionBias values: [Float]?) throws(ClozeError) {
    guard let values else { return }
    let shape = [RelativePosition.buckets, configuration.numAttentionHeads]
    guard values.count == shape[0] * shape[1] else {
      throw ClozeError(.shape, "the attention bias of the head does not have the model's sizes")
    }
    attentionBias = try Tensor.floats(values, shape: shape, name: "")
  }
}

/// Encoder layers of a head.
extension BERTGraph.Layer {
  /// A layer of a head's weights; attention scale and epsilons are not trained.
  init(_ layer: EncoderLayer, _ c: BERTConfiguration, _ scale: Double, _ epsilons: (Double, Double)) throws(ClozeError)
  {
    let (d, f) = (c.hiddenSize, c.intermediateSize)
    guard layer.fits(d, f) else {
      throw ClozeError(.shape, "an encoder layer of the head does not have the model's sizes")
    }
    func linear(_ parameters: LinearParameters<[Float]>, _ inputs: Int, _ outputs: Int) throws(ClozeError) -> Linear {
      try Linear(rows: parameters.weight, bias: parameters.bias, inputs, outputs)
    }
    self.init(
      query: try linear(layer.query, d, d), key: try linear(layer.key, d, d), value: try linear(layer.value, d, d),
      attentionOutput: try linear(layer.attentionOutput, d, d),
      attentionNorm: try LayerNorm(layer.attentionNorm, epsilons.0), intermediate: try linear(layer.intermediate, d, f),
      output: try linear(layer.output, f, d), outputNorm: try LayerNorm(layer.outputNorm, epsilons.1),
      attentionScale: scale)
  }
}

/// Embeddings of a head.
extension BERTGraph.Embeddings {
  /// The embeddings of a head's weights; the epsilon is not trained.
  init(_ trained: EncoderEmbeddings, _ c: BERTConfiguration, epsilon: Double) throws(ClozeError) {
    let (d, positions, types) = (c.hiddenSize, c.maxPositionEmbeddings, max(c.typeVocabSize, 1))
    guard trained.fits(d, vocabulary: c.vocabSize, positions: positions, types: types) else {
      throw ClozeError(.shape, "the embeddings of the head do not have the model's sizes")
    }
    self.init(
      word: try Tensor.floats(trained.word, shape: [c.vocabSize, d], name: ""),
      position: try Tensor.floats(trained.position, shape: [positions, d], name: ""),
      tokenType: try Tensor.floats(trained.tokenType, shape: [types, d], name: ""),
      norm: try LayerNorm(trained.norm, epsilon))
  }
}

/// Norms of arrays.
extension LayerNorm {
  fileprivate init(_ norm: NormParameters<[Float]>, _ epsilon: Double) throws(ClozeError) {
    self.init(
      gamma: try Tensor.floats(norm.gamma, shape: [norm.gamma.count], name: ""),
      beta: try Tensor.floats(norm.beta, shape: [norm.beta.count], name: ""), epsilon: epsilon)
  }
}

/// Linear layers of arrays.
extension Linear {
  init(rows: [Float], bias: [Float], _ inputs: Int, _ outputs: Int) throws(ClozeError) {
    self.init(
      weight: Matrix(
        tensor: try Tensor.floats(rows, shape: [outputs, inputs], name: ""), layout: .outIn, inputSize: inputs,
        outputSize: outputs), bias: try Tensor.floats(bias, shape: [outputs], name: ""))
  }
}

/// Layers of a trained head.
extension AddedHead.Layer {
  fileprivate init(_ layer: Head.Dense) throws(ClozeError) {
    let linear = try Linear(rows: layer.weight, bias: layer.bias, layer.inputs, layer.outputs)
    var norm: LayerNorm?
    if let source = layer.norm {
      norm = try LayerNorm(NormParameters(gamma: source.gamma, beta: source.beta), Double(source.epsilon))
    }
    self.init(linear: linear, activation: layer.activation, norm: norm)
  }
}
