internal import ClozeIO

/// The whole recognition.
extension Recognizer {
  /// The length of the sequence for checking masks: longer than common windows of local attention, and cheap.
  private static let longSequence = 192

  /// Recognises embeddings, layers and heads.
  mutating func recognize() throws(ClozeError) -> BERTGraph {
    var outputs = BERTGraph.OutputNames()
    let (embeddings, first) = try embeddings()
    let fixed = inputRoles.fixedSize
    let sequence = Swift.min(embeddings.position.shape[0], Recognizer.longSequence)
    if fixed.sequence == nil, sequence > 5, fixed.batch ?? 1 <= 8 {
      longProbe = inputRoles.probe(graph, batch: fixed.batch ?? 1, sequence: sequence)
    }

    var layers: [BERTGraph.Layer] = []
    var heads: Int?
    var activation: Activation?
    var bias: Tensor?
    var x = first
    while startsLayer(x) {
      let found = try layer(x, index: layers.count)
      if let heads, heads != found.heads {
        throw contradiction("layer \(layers.count) has \(found.heads) heads, those before have \(heads)", node: nil)
      }
      if let activation, activation != found.activation {
        throw misfit(
          nil, "layer \(layers.count) has the activation \(found.activation.configKey)",
          expected: "\(activation.configKey), as in the layers before")
      }
      if let known = layers.first?.intermediate.weight, known.outputSize != found.layer.intermediate.weight.outputSize {
        throw contradiction(
          "weights \(found.layer.intermediate.weight.tensor.label) and \(known.tensor.label) "
            + "differ in the intermediate size", node: nil)
      }
      try share(found.bias, layer: layers.count, bias)
      if bias == nil { bias = found.bias }
      if let name = outputNames[x]?.first { outputs.hiddenStates[layers.count] = name }
      heads = found.heads
      activation = found.activation
      layers.append(found.layer)
      x = found.output
    }
    guard let last = layers.last, let heads, let activation else {
      place = "layer 0, attention"
      throw misfit(usersOf: x, "three linear layers (query, key and value) and an addition")
    }
    outputs.lastHiddenState = outputNames[x]?.first

    let found = try self.heads(x, word: embeddings.word, outputs: &outputs)
    place = "outputs"
    let known = Set(outputs.all)
    let knownRoots = Set(graph.outputs.filter { known.contains($0.name) }.map { roots[$0.value] })
    outputs.unrecognized = graph.outputs.filter { !knownRoots.contains(roots[$0.value]) }.map { $0.name }
    guard !known.isEmpty else {
      throw misfit(usersOf: x, "the last hidden state or a head of it (\(Recognizer.headList)) as an output")
    }

    let configuration = BERTConfiguration(
      hiddenSize: hiddenSize, numHiddenLayers: layers.count, numAttentionHeads: heads,
      intermediateSize: last.intermediate.weight.outputSize, vocabSize: embeddings.word.shape[0],
      maxPositionEmbeddings: embeddings.position.shape[0], typeVocabSize: embeddings.tokenType?.shape[0] ?? 0,
      layerNormEps: embeddings.norm.epsilon, hiddenAct: activation)
    var result = BERTGraph(
      configuration: configuration, embeddings: embeddings, layers: layers, inputs: inputRoles.names, outputs: outputs,
      summary: summary(outputs))
    result.attentionBias = bias
    result.pooler = found.pooler
    result.mlm = found.mlm
    result.nsp = found.nsp
    result.classifier = found.classifier
    result.tokenClassifier = found.tokenClassifier
    result.answer = found.answer
    result.sentence = found.sentence
    return result
  }

  private func summary(_ outputs: BERTGraph.OutputNames) -> GraphSummary {
    func describe(_ input: Graph.Input) -> GraphSummary.Value {
      let type = Tensor.ElementType(rawValue: Int32(truncatingIfNeeded: input.elementType))
      return GraphSummary.Value(name: input.name, elementType: type?.description ?? "", shape: input.dimensionNames)
    }
    var warnings: [String] = []
    // The newest operator set among the tests' graphs.
    if graph.opset > 23 { warnings.append("operator set \(graph.opset) is newer than any tested") }
    if graph.irVersion > 13 { warnings.append("IR version \(graph.irVersion) is newer than any tested") }
    for name in outputs.unrecognized { warnings.append("output \"\(name)\" is not computed by this library") }
    return GraphSummary(
      producer: graph.producer, producerVersion: graph.producerVersion, irVersion: graph.irVersion, opset: graph.opset,
      otherOpsets: graph.otherOpsets, nodeCount: graph.nodeCount, inputs: graph.inputs.map(describe),
      outputs: graph.outputs.map(describe), forms: forms,
      weightTypes: weightBytes.sorted { $0.value > $1.value }.map { $0.key.description },
      tensorBytes: graph.tensorBytes, metadata: graph.metadata, warnings: warnings)
  }
}
