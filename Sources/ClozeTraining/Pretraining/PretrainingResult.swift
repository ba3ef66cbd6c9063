public import Cloze

/// Progress of a pre-training.
public enum PretrainingEvent: Sendable {
  /// Bytes of the corpus that are tokenized, of those of regular files.
  case corpus(done: Int, total: Int)
  /// A step of the optimizer.
  case step(PretrainingStep)
  /// An evaluation on the validation set.
  case validation(PretrainingValidation)
}

/// A step of the optimizer.
public struct PretrainingStep: Sendable {
  /// Counted from 1.
  public var step: Int
  /// The share of the training that is done, 0 to 1.
  public var share: Double
  /// The sum of the two below.
  public var loss: Double
  /// Mean over the masked tokens.
  public var maskedLMLoss: Double
  /// Mean over the sequences; nil where the next sentence is not learned.
  public var nextSentenceLoss: Double?
  /// Tokens trained on so far.
  public var tokens: Int
  /// Of training so far, without validation and checkpoints.
  public var seconds: Double
  public var learningRate: Double
  /// L2 norm of the gradient, before clipping.
  public var gradientNorm: Double
}

/// The metrics of held-out sequences.
public struct PretrainingValidation: Sendable {
  /// Steps before it.
  public var step: Int
  /// `mlm_loss`, `mlm_perplexity`, `mlm_accuracy`; with pairs `nsp_loss` and `nsp_accuracy`.
  public var metrics: Metrics
}

/// A pre-trained model's course and figures. The model itself is in the output folder.
public struct PretrainingResult: Sendable {
  /// The folder.
  public var folder: String
  /// Of the matrix products in training; the model's weights are float32.
  public var precision: TrainingPrecision
  /// Of the last validation.
  public var metrics: Metrics
  public var validations: [PretrainingValidation]
  public var steps: Int
  public var tokens: Int
  /// As in `PretrainingStep`.
  public var seconds: Double
  /// Documents, sentences and tokens of the training files, without what was held out.
  public var corpus: (documents: Int, sentences: Int, tokens: Int)
  /// Sequences of the validation.
  public var validSequences: Int
  /// What a user should know of the corpus, in sentences.
  public var remarks: [String]
}
