// A BERT that comes from elsewhere than a graph: its parts, put together.

extension BERTGraph {
  /// With its encoder only; heads are set afterwards.
  package init(configuration: Configuration, embeddings: Embeddings, layers: [Layer]) {
    self.init(
      configuration: configuration, embeddings: embeddings, layers: layers, pooler: nil, mlm: nil,
      nsp: nil, classifier: nil, tokenClassifier: nil, answer: nil, sentence: nil,
      inputs: InputNames(inputIDs: "input_ids"), outputs: OutputNames(),
      summary: GraphSummary(
        producer: "", producerVersion: "", irVersion: 0, opset: 0, otherOpsets: [], nodeCount: 0,
        inputs: [], outputs: [], forms: [], weightTypes: [], tensorBytes: 0, warnings: []))
  }
}

extension BERTGraph.Configuration {
  package init(
    hidden: Int, layers: Int, heads: Int, intermediate: Int, vocabulary: Int, positions: Int,
    types: Int, epsilon: Double, activation: Activation, attentionScale: Double
  ) {
    self.init(
      hiddenSize: hidden, numHiddenLayers: layers, numAttentionHeads: heads,
      intermediateSize: intermediate, vocabSize: vocabulary, maxPositionEmbeddings: positions,
      typeVocabSize: types, layerNormEps: epsilon, hiddenAct: activation,
      attentionScale: attentionScale)
  }
}

extension BERTGraph.Embeddings {
  package init(tables: (word: Tensor, position: Tensor, tokenType: Tensor), norm: LayerNorm) {
    self.init(
      word: tables.word, position: tables.position, tokenType: tables.tokenType, norm: norm)
  }
}

extension BERTGraph.Layer {
  package init(
    inputs: (query: Linear, key: Linear, value: Linear), attentionOutput: Linear,
    attentionNorm: LayerNorm, intermediate: Linear, output: Linear, outputNorm: LayerNorm,
    scale: Double
  ) {
    self.init(
      query: inputs.query, key: inputs.key, value: inputs.value, attentionOutput: attentionOutput,
      attentionNorm: attentionNorm, intermediate: intermediate, output: output,
      outputNorm: outputNorm, attentionScale: scale)
  }
}

extension BERTGraph.MaskedLMHead {
  package init(
    _ transform: Linear, _ activation: Activation, _ norm: LayerNorm, _ decoder: BERTGraph.Decoder,
    bias: Tensor?
  ) {
    self.init(
      transform: transform, activation: activation, norm: norm, decoder: decoder, bias: bias)
  }
}

extension BERTGraph.SequenceHead {
  package init(_ transform: Linear?, _ activation: Activation?, _ output: Linear) {
    self.init(transform: transform, activation: activation, output: output)
  }
}

extension BERTGraph.SentenceHead {
  package init(_ pooling: Pooling, _ dense: [(Linear, Activation?)], normalize: Bool) {
    self.init(
      pooling: pooling, dense: dense.map { Dense(linear: $0, activation: $1) }, normalize: normalize)
  }
}

extension LayerNorm {
  package init(_ gamma: Tensor, _ beta: Tensor, _ epsilon: Float) {
    self.init(gamma: gamma, beta: beta, epsilon: Double(epsilon))
  }
}
