public import Cloze

/// Progress of a training.
public enum TrainingEvent: Sendable {
  /// Progress of the encoder over the texts.
  case features(done: Int, total: Int)
  /// A step of the optimizer, or an iteration of L-BFGS.
  case step(TrainingStep)
  /// An epoch ended, or L-BFGS did.
  case epoch(TrainingEpoch)
  /// The head is trained: the last event.
  case result(TrainingResult)
}

/// A step of the optimizer.
public struct TrainingStep: Sendable {
  /// Counted from 1.
  public var step: Int
  /// Planned.
  public var steps: Int
  /// Counted from 1.
  public var epoch: Int
  /// Mean over the step's examples.
  public var loss: Double
  /// L2 norm of the gradient, before clipping.
  public var gradientNorm: Double
  /// 0 with L-BFGS.
  public var learningRate: Double
}

/// An epoch.
public struct TrainingEpoch: Sendable {
  /// Counted from 1.
  public var epoch: Int
  /// Planned.
  public var epochs: Int
  /// Mean over the epoch's steps.
  public var loss: Double
  /// On the validation set.
  public var metrics: Metrics
  /// Whether its weights are the best so far.
  public var isBest: Bool
}

/// A trained head with its metrics and the course of its training.
public struct TrainingResult: Sendable {
  /// The head with the best weights.
  public var head: Head
  /// Of the best weights, on the validation set.
  public var evaluation: Evaluation
  public var epochs: [TrainingEpoch]
  /// At most 1000 of an epoch, evenly spaced.
  public var steps: [TrainingStep]
  /// Training and validation examples.
  public var counts: (train: Int, valid: Int)
  /// Truncated texts of both sets.
  public var truncated: Int

  /// Those of the evaluation.
  public var metrics: Metrics { evaluation.metrics }
  /// The metric that chose the best weights.
  public var metric: String { evaluation.metric }
}
