internal import CClozeKernels
internal import ClozeIO
internal import ClozeONNX

/// Turns the tensors of a graph into `Weights`.
struct WeightBuilder {
  let kernels: Kernels
  private(set) var precision: Precision
  private(set) var matrix: cloze_matrix_kernels
  let memory = WeightMemory()
  let team: Team
  let readBuffer = ReadBuffer()

  init(kernels: Kernels, precision: Precision, threads: Int) throws(ClozeError) {
    team = try Team(threads: threads)
    self.kernels = kernels
    self.precision = precision
    matrix = kernels.matrix(precision)
  }

  /// The same builder for layers that are multiplied in float32.
  var inFloat32: WeightBuilder {
    var builder = self
    builder.precision = .float32
    builder.matrix = kernels.float32
    return builder
  }

  func build(_ graph: BERTGraph) throws(ClozeError) -> Weights {
    let width = graph.embeddings.width
    guard width <= max(graph.configuration.hiddenSize, graph.configuration.intermediateSize) else {
      throw ClozeError(.unsupportedModel, "the embeddings have \(width) columns, more than the layers")
    }
    let tied = if case .tied? = graph.mlm?.decoder { true } else { false }
    let (word, position, tokenType, norm, layers, bias) = try encoder(graph, packsWords: tied)
    var weights = Weights(
      word: word, position: position, tokenType: tokenType, norm: norm, layers: layers, memory: memory)
    weights.attentionBias = bias
    weights.heads = try heads(graph, word: word)
    weights.sentence = try sentence(graph)
    if let projection = graph.embeddings.projection { weights.projection = try dense([projection]) }
    return weights
  }

  /// Packs embeddings and layers.
  ///
  /// - Parameter packsWords: whether the word table becomes columns, for a tied decoder.
  func encoder(_ graph: BERTGraph, packsWords: Bool) throws(ClozeError) -> (
    word: Weights.WordTable, position: UnsafePointer<Float>, tokenType: UnsafePointer<Float>, norm: Weights.Norm,
    layers: [Weights.Layer], bias: AttentionBias?
  ) {
    let width = graph.embeddings.width
    let word = try wordTable(graph.embeddings.word, width: width, packed: packsWords)
    let tokenType: UnsafePointer<Float>
    if let tensor = graph.embeddings.tokenType {
      tokenType = try floats(tensor)
    } else {
      let zeros = try memory.floats(width)
      zeros.update(repeating: 0, count: width)
      tokenType = UnsafePointer(zeros)
    }
    var layers: [Weights.Layer] = []
    layers.reserveCapacity(graph.layers.count)
    let position = try floats(graph.embeddings.position)
    let norm = try self.norm(graph.embeddings.norm, width)
    let bias = try graph.attentionBias.map { tensor throws(ClozeError) in
      try AttentionBias(
        floats(tensor), heads: graph.configuration.numAttentionHeads,
        positions: graph.configuration.maxPositionEmbeddings, memory)
    }
    let probe =
      precision == .int8 && graph.embeddings.projection == nil
      ? try ChannelProbe(graph.configuration, bias, kernels: kernels, team: team) : nil
    try probe?.embed(word, graph.configuration.vocabSize, position, tokenType, norm)
    for layer in graph.layers { layers.append(try self.layer(layer, graph: graph, probe: probe)) }
    return (word, position, tokenType, norm, layers, bias)
  }

  private func layer(_ layer: BERTGraph.Layer, graph: BERTGraph, probe: ChannelProbe?) throws(ClozeError)
    -> Weights.Layer
  {
    let width = graph.configuration.hiddenSize
    let scale = Float(layer.attentionScale)
    let activation = graph.configuration.hiddenAct
    let queryKeyValue = try dense([layer.query, layer.key, layer.value], ranges: probe?.ranges())
    let attentionOutput = try dense([layer.attentionOutput])
    let attentionNorm = try norm(layer.attentionNorm, width)
    try probe?.attend(queryKeyValue, scale: scale, attentionOutput, attentionNorm)
    let intermediate = try dense([layer.intermediate], ranges: probe?.ranges())
    let output = try dense([layer.output])
    let outputNorm = try norm(layer.outputNorm, width)
    try probe?.feedForward(intermediate, activation: activation, output, outputNorm)
    return Weights.Layer(
      queryKeyValue: queryKeyValue, attentionOutput: attentionOutput, attentionNorm: attentionNorm,
      intermediate: intermediate, output: output, outputNorm: outputNorm, attentionScale: scale, activation: activation)
  }

  func norm(_ norm: LayerNorm, _ width: Int) throws(ClozeError) -> Weights.Norm {
    Weights.Norm(
      gamma: try floats(norm.gamma, width, default: 1), beta: try floats(norm.beta, width, default: 0),
      epsilon: Float(norm.epsilon))
  }

  /// A tensor as float32; `width` times the default where it is nil.
  func floats(_ tensor: Tensor?, _ width: Int, default value: Float) throws(ClozeError) -> UnsafePointer<Float> {
    if let tensor { return try floats(tensor) }
    let target = try memory.floats(width)
    target.update(repeating: value, count: width)
    return UnsafePointer(target)
  }

  func floats(_ tensor: Tensor) throws(ClozeError) -> UnsafePointer<Float> {
    let target = try memory.floats(tensor.count)
    try tensor.copyFinite(to: UnsafeMutableBufferPointer(start: target, count: tensor.count))
    return UnsafePointer(target)
  }
}
