internal import CClozeKernels
internal import ClozeIO
internal import ClozeONNX

/// What is done to the pooled vectors of sequences, one step after another.
enum SentenceStep {
  /// In the model's precision, by all threads of a session.
  case dense(PackedHead.Layer)
  case norm(Weights.Norm)
  /// Scaling to length 1.
  case normalize
  /// The first so many elements are kept.
  case truncate(Int)

  /// Elements of a vector after the step.
  func width(after width: Int) -> Int {
    switch self {
    case .dense(let layer): layer.dense.outputs
    case .norm, .normalize: width
    case .truncate(let kept): kept
    }
  }
}

/// Sequences of steps.
extension Collection<SentenceStep> {
  /// Elements of a vector after all steps.
  func width(after width: Int) -> Int { reduce(width) { $1.width(after: $0) } }

  /// The most inputs of a dense layer.
  var widestInput: Int {
    reduce(0) { widest, step in
      if case .dense(let layer) = step { Swift.max(widest, layer.dense.inputs) } else { widest }
    }
  }
}

/// Packing the steps of a graph.
extension WeightBuilder {
  func sentence(_ graph: BERTGraph) throws(ClozeError) -> [SentenceStep] {
    var steps: [SentenceStep] = []
    for step in graph.sentence?.steps ?? [] {
      let width = steps.width(after: graph.configuration.hiddenSize)
      switch step {
      case .dense(let linear, let activation):
        steps.append(.dense(PackedHead.Layer(dense: try inFloat32.dense([linear]), activation: activation)))
      case .norm(let norm): steps.append(.norm(try self.norm(norm, width)))
      case .normalize: steps.append(.normalize)
      case .truncate(let kept): steps.append(.truncate(kept))
      }
    }
    return steps
  }
}
