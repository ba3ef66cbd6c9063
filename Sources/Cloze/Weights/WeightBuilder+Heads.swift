internal import CClozeKernels
internal import ClozeIO
internal import ClozeONNX

/// What a graph has beside the pre-training heads.
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
          .unsupportedModel, "a dense layer after pooling takes \(layer.linear.weight.inputSize) numbers"
        )
      }
      heads.sentence.append(
        FileHeads.Layer(
          dense: try dense([layer.linear]), activation: layer.activation))
    }
    return heads
  }
}

extension ModelSettings {
  /// Takes over how the graph itself makes embeddings, which goes before what files beside it say,
  /// and gives classes and tags their labels.
  mutating func follow(_ graph: BERTGraph) {
    if let sentence = graph.sentence {
      obstacle = nil
      normalize = sentence.normalize
      pooling =
        switch sentence.pooling {
        case .mean: .mean
        case .cls: .cls
        case .max: .max
        case .meanSqrtLen: .meanSqrtLen
        case .pooler: .pooler
        }
    }
    let count = (graph.classifier?.output ?? graph.tokenClassifier)?.weight.outputSize ?? 0
    if labels.count != count {
      // As transformers names classes that have no names.
      labels = count <= 65536 ? (0..<count).map { "LABEL_\($0)" } : []
    }
  }
}
