internal import ClozeIO
internal import ClozeONNX

extension BERTGraph {
  /// Puts a trained head on the graph, in the place of one of the same kind that the file had, and
  /// the encoder layers that were trained with it.
  ///
  /// - Returns: the head, where it is none of those that a graph has a place for.
  mutating func take(_ head: Head) throws(ClozeError) -> [AddedHead] {
    let first = layers.count - head.encoderLayers.count
    for (i, layer) in head.encoderLayers.enumerated() where layers.indices.contains(first + i) {
      let old = layers[first + i]
      layers[first + i] = try Layer(
        layer, configuration, old.attentionScale,
        (old.attentionNorm.epsilon, old.outputNorm.epsilon))
    }
    if let trained = head.embeddings {
      embeddings = try Embeddings(trained, configuration, epsilon: embeddings.norm.epsilon)
    }
    var added: [AddedHead.Layer] = []
    for layer in head.layers { added.append(try AddedHead.Layer(layer)) }
    // The labels are those of the trained head.
    classifier = nil
    tokenClassifier = nil
    answer = nil
    let source = AddedHead.Source.pooled(head.pooling.graph)
    let mix = head.mix?.weights
    switch head.task {
    case .classify, .classifyPairs, .multilabel, .regress, .regressPairs:
      return [
        AddedHead(name: "classifier", source: source, layers: added, result: .whole("logits"),
          mix: mix)
      ]
    case .tag:
      return [
        AddedHead(name: "classifier", source: .tokens, layers: added, result: .whole("logits"),
          mix: mix)
      ]
    case .answer:
      return [
        AddedHead(name: "qa_outputs", source: .tokens, layers: added, result: .answer, mix: mix)
      ]
    case .mlm:
      mlm = nil
      if head.layers.count == 2, let norm = added[0].norm {
        let decoder = added[1].linear
        let isTied = head.embeddings?.word == head.layers[1].weight
        mlm = BERTGraph.MaskedLMHead(
          transform: added[0].linear, activation: added[0].activation, norm: norm,
          decoder: isTied ? .tied : .separate(decoder.weight),
          bias: decoder.bias)
        return []
      }
      return [
        AddedHead(name: "cls.predictions", source: .tokens, layers: added, result: .whole("logits"))
      ]
    case .nsp:
      nsp = nil
      // The head brings its own pooler, on the first token.
      return [
        AddedHead(
          name: "cls.seq_relationship", source: .pooled(.cls), layers: added,
          result: .whole("seq_relationship_logits"))
      ]
    }
  }
}

extension BERTGraph.Layer {
  /// Of the weights that a head holds.
  init(
    _ layer: EncoderLayer, _ c: BERTConfiguration, _ scale: Double,
    _ epsilons: (Double, Double)
  ) throws(ClozeError) {
    let (d, f) = (c.hiddenSize, c.intermediateSize)
    let arrays = layer.arrays
    guard arrays.map(\.count) == EncoderLayer.sizes(d, f) else {
      throw ClozeError(.shape, "an encoder layer of the head has weights of other sizes")
    }
    func linear(_ index: Int, _ inputs: Int, _ outputs: Int) throws(ClozeError) -> Linear {
      try Linear(rows: arrays[index], bias: arrays[index + 1], inputs, outputs)
    }
    self.init(
      query: try linear(0, d, d), key: try linear(2, d, d), value: try linear(4, d, d),
      attentionOutput: try linear(6, d, d),
      attentionNorm: try LayerNorm(arrays[8], arrays[9], epsilons.0),
      intermediate: try linear(10, d, f), output: try linear(12, f, d),
      outputNorm: try LayerNorm(arrays[14], arrays[15], epsilons.1), attentionScale: scale)
  }
}

extension BERTGraph.Embeddings {
  /// Of the weights that a head holds.
  init(
    _ trained: EncoderEmbeddings, _ c: BERTConfiguration, epsilon: Double
  ) throws(ClozeError) {
    let arrays = trained.arrays
    let d = c.hiddenSize
    func table(_ index: Int, _ rows: Int) throws(ClozeError) -> Tensor {
      guard arrays.count == EncoderEmbeddings.names.count, arrays[index].count == rows * d else {
        throw ClozeError(.shape, "the embeddings of the head have other sizes")
      }
      return try Tensor.floats(arrays[index], shape: [rows, d], name: "")
    }
    self.init(
      word: try table(0, c.vocabSize), position: try table(1, c.maxPositionEmbeddings),
      tokenType: try table(2, max(c.typeVocabSize, 1)), norm: try LayerNorm(arrays[3], arrays[4], epsilon))
  }
}

extension LayerNorm {
  fileprivate init(_ gamma: [Float], _ beta: [Float], _ epsilon: Double) throws(ClozeError) {
    self.init(
      gamma: try Tensor.floats(gamma, shape: [gamma.count], name: ""),
      beta: try Tensor.floats(beta, shape: [beta.count], name: ""), epsilon: epsilon)
  }
}

extension Linear {
  init(
    rows: [Float], bias: [Float], _ inputs: Int, _ outputs: Int
  ) throws(ClozeError) {
    self.init(
      weight: Matrix(
        tensor: try Tensor.floats(rows, shape: [outputs, inputs], name: ""), layout: .outIn,
        inputSize: inputs, outputSize: outputs),
      bias: try Tensor.floats(bias, shape: [outputs], name: ""))
  }
}

extension AddedHead.Layer {
  fileprivate init(_ layer: Head.Dense) throws(ClozeError) {
    let linear = try Linear(rows: layer.weight, bias: layer.bias, layer.inputs, layer.outputs)
    var norm: LayerNorm?
    if let source = layer.norm {
      norm = try LayerNorm(source.gamma, source.beta, Double(source.epsilon))
    }
    self.init(linear: linear, activation: layer.activation, norm: norm)
  }
}
