internal import CClozeKernels
internal import ClozeIO
internal import ClozeONNX

/// A loaded model as a graph.
extension Model {
  /// The model's weights, unpacked from the kernels' panels: int8 weights with their scales, others in float32.
  func graph() throws(ClozeError) -> BERTGraph { try Unpacking(self).graph() }
}

/// Unpacks the weights of a model.
private struct Unpacking {
  let model: Model

  init(_ model: Model) { self.model = model }

  func graph() throws(ClozeError) -> BERTGraph {
    let (info, weights) = (model.info, model.weights)
    let width = weights.embeddingWidth(info.hiddenSize)
    var layers: [BERTGraph.Layer] = []
    for layer in weights.layers { layers.append(try self.layer(layer)) }
    let configuration = model.info.configuration
    var embeddings = BERTGraph.Embeddings(
      word: try words(width), position: try floats(weights.position, [info.maxPositionEmbeddings, width]),
      tokenType: try floats(weights.tokenType, [info.typeVocabSize, width]), norm: try norm(weights.norm, width))
    embeddings.projection = try weights.projection.map { dense throws(ClozeError) in try linear(dense) }
    var graph = BERTGraph(configuration: configuration, embeddings: embeddings, layers: layers)
    graph.attentionBias = try weights.attentionBias.map { bias throws(ClozeError) in
      try floats(bias.table, [RelativePosition.buckets, info.numAttentionHeads])
    }
    for (output, head) in weights.heads where head.arithmetic == .model { try put(head, output, on: &graph) }
    // A model whose files name no supported pooling gets no sentence embedding.
    if let pooling = model.sentencePooling {
      graph.sentence = BERTGraph.SentenceHead(pooling: pooling, steps: try sentence(), normalize: info.normalize)
    }
    return graph
  }

  /// What follows the model's own pooling.
  private func sentence() throws(ClozeError) -> [BERTGraph.SentenceHead.Step] {
    var steps: [BERTGraph.SentenceHead.Step] = []
    var width = model.info.hiddenSize
    for step in model.weights.sentence {
      switch step {
      case .dense(let layer): steps.append(.dense(try linear(layer.dense), layer.activation))
      case .norm(let norm): steps.append(.norm(try self.norm(norm, width)))
      case .normalize: steps.append(.normalize)
      case .truncate(let kept): steps.append(.truncate(kept))
      }
      width = step.width(after: width)
    }
    return steps
  }

  private func layer(_ layer: Weights.Layer) throws(ClozeError) -> BERTGraph.Layer {
    let width = model.info.hiddenSize
    func part(_ index: Int) throws(ClozeError) -> Linear {
      try linear(layer.queryKeyValue, (index * width)..<((index + 1) * width))
    }
    return BERTGraph.Layer(
      query: try part(0), key: try part(1), value: try part(2), attentionOutput: try linear(layer.attentionOutput),
      attentionNorm: try norm(layer.attentionNorm, width), intermediate: try linear(layer.intermediate),
      output: try linear(layer.output), outputNorm: try norm(layer.outputNorm, width),
      attentionScale: Double(layer.attentionScale))
  }

  /// A head that is packed in the model's precision; a trained one is exported from its own weights.
  private func put(_ head: PackedHead, _ output: OutputHead, on graph: inout BERTGraph) throws(ClozeError) {
    guard let first = head.layers.first, let last = head.layers.last else { return }
    switch output {
    case .pooler: graph.pooler = try linear(last.dense)
    case .nextSentence: graph.nsp = try linear(last.dense)
    case .tags: graph.tokenClassifier = try linear(last.dense)
    case .answer: graph.answer = try linear(last.dense)
    case .classes:
      let transform = head.layers.count > 1 ? try linear(first.dense) : nil
      graph.classifier = BERTGraph.SequenceHead(
        transform: transform, activation: transform == nil ? .identity : first.activation,
        output: try linear(last.dense))
    case .maskedLM:
      guard let norm = first.norm else { return }
      let decoder = model.weights.isTied ? BERTGraph.Decoder.tied : .separate(try linear(last.dense).weight)
      graph.mlm = BERTGraph.MaskedLMHead(
        transform: try linear(first.dense), activation: first.activation,
        norm: try self.norm(norm, first.dense.outputs), decoder: decoder,
        bias: try floats(last.dense.bias, [last.dense.outputs]))
    }
  }

  // MARK: - Parts

  private func floats(_ values: UnsafePointer<Float>, _ shape: [Int]) throws(ClozeError) -> Tensor {
    try Tensor.made("", shape, UnsafeBufferPointer(start: values, count: shape.reduce(1, *)))
  }

  private func norm(_ norm: Weights.Norm, _ width: Int) throws(ClozeError) -> LayerNorm {
    LayerNorm(
      gamma: try floats(norm.gamma, [width]), beta: try floats(norm.beta, [width]), epsilon: Double(norm.epsilon))
  }

  /// Outputs `range` of a dense layer; nil: all.
  private func linear(_ dense: Weights.Dense, _ range: Range<Int>? = nil) throws(ClozeError) -> Linear {
    let range = range ?? 0..<dense.outputs
    let factors = dense.inverseSmoothing.map { Array(UnsafeBufferPointer(start: $0, count: dense.inputs)) }
    let tensor = try rows(dense.columns, range, dense.inputs, factors)
    return Linear(
      weight: Matrix(tensor: tensor, layout: .outIn, inputSize: dense.inputs, outputSize: range.count),
      bias: try floats(dense.bias + range.lowerBound, [range.count]))
  }

  /// Columns `range` of the panels as rows [range, inputs].
  private func rows(_ columns: cloze_packed_columns, _ range: Range<Int>, _ inputs: Int, _ factors: [Float]?)
    throws(ClozeError) -> Tensor
  {
    var (matrix, element, size) = (model.kernels.float32, Tensor.ElementType.float32, MemoryLayout<Float>.size)
    var quantization: Quantization?
    if let scale = columns.scale {
      (matrix, element, size) = (model.kernels.int8, .int8, 1)
      quantization = Quantization(
        scales: range.map { Self.scale(scale[$0]) }, zeroPoints: Array(repeating: 0, count: range.count), axis: 0,
        factors: factors, factorAxis: 1)
    }
    return try Tensor.made("", element, [range.count, inputs], quantization: quantization) { target in
      guard let base = target.baseAddress else { return }
      for (i, column) in range.enumerated() {
        matrix.unpack_column(columns.panels, inputs, column, base + i &* inputs &* size)
      }
    }
  }

  /// The word table [V, width].
  private func words(_ width: Int) throws(ClozeError) -> Tensor {
    let word = model.weights.word
    let count = model.info.vocabSize
    if let columns = word.columns { return try rows(columns, 0..<count, width, nil) }
    guard let rows = word.rows else { throw ClozeError(.shape, "the model has no word table") }
    guard let scale = word.scale else { return try floats(rows.assumingMemoryBound(to: Float.self), [count, width]) }
    let quantization = Quantization(
      scales: (0..<count).map { Self.scale(scale[$0]) }, zeroPoints: Array(repeating: 0, count: count), axis: 0)
    return try Tensor.made("", .int8, [count, width], quantization: quantization) {
      $0.copyMemory(from: UnsafeRawBufferPointer(start: rows, count: $0.count))
    }
  }

  /// A scale as it is written: a row of zeros may have scale 0, which a reader refuses.
  private static func scale(_ value: Float) -> Float { value > 0 ? value : 1 }
}
