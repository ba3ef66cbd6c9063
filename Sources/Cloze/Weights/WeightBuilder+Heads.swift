internal import CClozeKernels
internal import ClozeIO
internal import ClozeONNX

/// The heads of a graph other than those of pre-training.
extension WeightBuilder {
  func heads(_ graph: BERTGraph) throws(ClozeError) -> FileHeads {
    var heads = FileHeads()
    if let classifier = graph.classifier {
      var transform: FileHeads.Layer?
      if let linear = classifier.transform {
        transform = FileHeads.Layer(
          dense: try dense([linear]), activation: classifier.activation)
      }
      heads.classes = FileHeads.Classes(
        transform: transform, output: try dense([classifier.output]))
    }
    if let linear = graph.tokenClassifier { heads.tags = try dense([linear]) }
    if let linear = graph.answer { heads.answer = try dense([linear]) }
    let c = graph.configuration
    for layer in graph.sentence?.dense ?? [] {
      guard layer.linear.weight.inputSize <= max(c.hiddenSize, c.intermediateSize) else {
        throw ClozeError(
          .unsupportedModel,
          "a dense layer after pooling has \(layer.linear.weight.inputSize) inputs, more than the encoder's layers")
      }
      heads.sentence.append(
        FileHeads.Layer(
          dense: try dense([layer.linear]), activation: layer.activation))
    }
    return heads
  }
}
