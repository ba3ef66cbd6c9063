public import Cloze

/// What happens while a head is trained.
public enum TrainingEvent: Sendable {
  /// The encoder has run over so many texts.
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
  /// In all, as far as is known.
  public var steps: Int
  /// Counted from 1.
  public var epoch: Int
  /// Of the step's examples.
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

/// A trained head, and how it came to be.
public struct TrainingResult: Sendable {
  /// With the best weights.
  public var head: Head
  /// Of the best weights, on the validation set.
  public var metrics: Metrics
  /// The metric that decided.
  public var metric: String
  /// In their order.
  public var epochs: [TrainingEpoch]
  /// In their order; of an epoch at most 1000, evenly chosen.
  public var steps: [TrainingStep]
  /// Examples trained on, and judged by.
  public var counts: (train: Int, valid: Int)
  /// Texts that were cut, of both.
  public var truncated: Int
  /// Of classes or tags: truth by prediction.
  public var confusion: [[Int]]
  /// Of numbers: truth and prediction.
  public var scatter: [(truth: Float, predicted: Float)]
  /// The examples that the head gets most wrong, worst first.
  public var mistakes: [Mistake]
}

/// An example that a head gets wrong.
public struct Mistake: Sendable {
  /// Where it stands, as far as is known.
  public var place: String
  /// Its text or texts.
  public var text: String
  /// What it should be.
  public var truth: String
  /// What it is taken for.
  public var predicted: String
  /// The larger, the worse: the loss, or the distance of numbers.
  public var loss: Double
}
