internal import Cloze
public import ClozeIO

/// How a BERT is pre-trained (Devlin et al. 2019). Everything has a default.
public struct PretrainingOptions: Sendable {
  /// What is learned.
  public enum Objective: String, Sendable, CaseIterable {
    /// Masked words, and whether the second text follows the first.
    case maskedLMAndNextSentence = "mlm+nsp"
    /// Masked words.
    case maskedLM = "mlm"
  }

  /// How long training goes on.
  public enum Length: Sendable, Equatable {
    /// Steps of the optimizer.
    case steps(Int)
    /// Passes over the corpus.
    case epochs(Int)
    /// Minutes of training; the learning rate has come down when they are over.
    case minutes(Double)
  }

  /// The initial weights of a new model.
  public enum Start: String, Sendable, CaseIterable {
    /// As BERT's: all matrices and tables from a normal distribution.
    case normal
    /// Positions as sinusoids, and query and key of a layer from one matrix, so that neighbours attend to each other
    /// from the first step.
    case structured
  }

  /// The tokenizer of a new model: a folder, a tokenizer.json or a vocab.txt.
  public var tokenizer: String?
  /// The size of a vocabulary to learn for a new model; nil: 8,000, unless a tokenizer is named.
  public var vocabularySize: Int?
  /// Whether that vocabulary is of lower-cased text.
  public var lowercase = true
  /// The sizes of a new model.
  public var shape = Shape()
  /// Its initial weights.
  public var start = Start.normal
  /// What is learned.
  public var objective = Objective.maskedLMAndNextSentence
  /// Whether the tokens of a word are masked together.
  public var wholeWords = false
  /// How long.
  public var length = Length.epochs(1)
  /// Sequences of a batch.
  public var batchSize = 32
  /// Tokens of a sequence; nil: 128, or the positions of the model where these are fewer.
  public var maxTokens: Int?
  /// The share of sequences that are shorter, of random length, so that the model sees such too.
  public var shortShare = 0.1
  /// AdamW's.
  public var learningRate = 1e-3
  /// The share of all steps in which the learning rate rises from zero.
  public var warmup = 0.1
  /// How the learning rate changes afterwards.
  public var schedule = Schedule.linear
  /// The share of the embeddings, of each layer's two outputs and of attention's probabilities that is set to zero in
  /// training.
  public var dropout = 0.0
  /// AdamW's weight decay, of matrices and tables.
  public var weightDecay = 0.01
  /// Gradients are scaled down to this L2 norm; 0: never.
  public var clip = 1.0
  /// What the network's matrix products take.
  public var precision = TrainingPrecision.float32
  /// Of all random numbers: initial weights, pairs, order, masking.
  public var seed: UInt64 = 0
  /// The share of documents held out where no validation files are given.
  public var holdout = 0.01
  /// Steps between two checkpoints; nil: one every five minutes.
  public var checkpointSteps: Int?
  /// Threads; nil: as many as the process may use. The result does not depend on it.
  public var threads: Int?
  /// Whether to resume from the checkpoint in the output folder.
  public var resume = false
  /// Whether a model that is in the output folder already is replaced; else it is an error.
  public var overwrite = false

  /// The sizes of a network, as the keys of a Hugging Face config.json.
  public struct Shape: Sendable, Equatable {
    /// num_hidden_layers
    public var layers = 4
    /// hidden_size
    public var hidden = 256
    /// num_attention_heads; nil: one for 64 elements of `hidden`.
    public var heads: Int?
    /// intermediate_size; nil: 4 `hidden`.
    public var intermediate: Int?
    /// max_position_embeddings; nil: `maxTokens`.
    public var positions: Int?

    /// All defaults.
    public init() {}
  }

  /// All defaults.
  public init() {}

  /// Refuses numbers out of range, and options that contradict each other.
  func check() throws(ClozeError) {
    func fail(_ reason: String) -> ClozeError { ClozeError(.invalidArgument, reason) }
    func between(_ value: Double, _ low: Double, _ high: Double, _ name: String) throws(ClozeError) {
      guard value >= low, value <= high else { throw fail("\(name) = \(value), expected \(low) to \(high)") }
    }
    let (steps, epochs, minutes): (Int?, Int?, Double?) =
      switch length {
      case .steps(let count): (count, nil, nil)
      case .epochs(let count): (nil, count, nil)
      case .minutes(let count): (nil, nil, count)
      }
    let counts: [(Int?, String, Int)] = [
      (steps, "steps", 1 << 40), (epochs, "epochs", 1 << 20), (batchSize, "batch size", 1 << 16),
      (checkpointSteps, "checkpoint steps", 1 << 40), (vocabularySize, "vocab size", 1 << 24),
      (shape.layers, "layers", 256), (shape.hidden, "hidden", 1 << 14), (shape.heads, "heads", 1 << 10),
      (shape.intermediate, "intermediate", 1 << 16), (shape.positions, "positions", 1 << 16),
      (maxTokens, "max tokens", 1 << 16),
    ]
    for (value, name, limit) in counts {
      if let value, value < 1 || value > limit { throw fail("\(name) = \(value), expected 1 to \(limit)") }
    }
    if let maxTokens, maxTokens < 8 { throw fail("max tokens = \(maxTokens), expected 8 or more") }
    if let minutes, !(minutes > 0 && minutes < 1e6) { throw fail("minutes = \(minutes), expected more than 0") }
    if let threads, !(1...Team.maxThreads).contains(threads) {
      throw fail("threads = \(threads), expected 1 to \(Team.maxThreads)")
    }
    try between(learningRate, 0, 1e3, "learning rate")
    try between(warmup, 0, 1, "warmup")
    try between(dropout, 0, 0.95, "dropout")
    try between(weightDecay, 0, 1e6, "weight decay")
    try between(clip, 0, 1e12, "clip")
    try between(shortShare, 0, 1, "short share")
    try between(holdout, 0, 0.9, "holdout")
    if tokenizer != nil, vocabularySize != nil { throw fail("a tokenizer and a vocabulary's size are both given") }
  }

  /// Refuses what is for a new model where one is continued.
  func checkContinuing() throws(ClozeError) {
    guard tokenizer == nil, vocabularySize == nil, shape == Shape(), start == .normal else {
      throw ClozeError(
        .invalidArgument,
        "a model that is continued keeps its tokenizer, sizes and weights: tokenizer, vocab size, layers, hidden, "
          + "heads, intermediate, positions and start are for a new one")
    }
  }
}
