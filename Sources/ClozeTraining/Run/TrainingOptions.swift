public import Cloze
internal import ClozeIO

/// How a head is made and trained. Everything has a default; nil takes the task's.
public struct TrainingOptions: Sendable {
  /// What minimizes the loss.
  public enum Optimizer: String, Sendable, CaseIterable {
    /// AdamW, batch by batch.
    case adamw
    /// L-BFGS, over all examples at once: exact for linear heads, and needs no seed.
    case lbfgs
  }

  /// Which states of the encoder a head reads.
  public enum Layers: String, Sendable, CaseIterable {
    /// The last.
    case last
    /// A learned mix of all.
    case mix
  }

  /// What the head reads; a mix, of a frozen encoder only.
  public var layers = Layers.last
  /// How a text's vectors become the one that the head reads.
  public var pooling: Pooling?
  /// Outputs of each dense layer before the last; empty: a linear head.
  public var hidden: [Int] = []
  /// The function after these.
  public var activation: Activation = .gelu
  /// The share of inputs of each layer that is set to zero in training; nil: 0 with L-BFGS, else
  /// 0.1.
  public var dropout: Double?
  /// nil: L-BFGS for a linear head without dropout over a text's vector, else AdamW.
  public var optimizer: Optimizer?
  /// Passes over the examples; with L-BFGS, iterations. nil: 20 with AdamW, 5 where encoder layers
  /// are trained too, 1000 with L-BFGS.
  public var epochs: Int?
  /// Examples of a batch; nil: 32.
  public var batchSize: Int?
  /// Batches whose gradients are added up for one step.
  public var accumulation = 1
  /// AdamW's; nil: 1e-3; 1e-2 for linear heads of `tag` and `answer`; 4e-4 / N where N encoder
  /// layers are trained too.
  public var learningRate: Double?
  /// How it changes.
  public var schedule: Schedule = .linear
  /// The share of all steps in which it rises from zero.
  public var warmup = 0.1
  /// AdamW's, of matrices.
  public var weightDecay = 0.01
  /// With L-BFGS, how strongly weights are drawn to zero: scikit-learn's 1 / C, and its alpha of
  /// ridge regression.
  public var l2 = 1.0
  /// Gradients are scaled down to this L2 norm; 0: never.
  public var clip = 1.0
  /// The share of a class's probability that is spread over all classes.
  public var labelSmoothing = 0.0
  /// Weights of classes by label; those not named count 1. With `balanced` they are computed.
  public var classWeights: [String: Float] = [:]
  /// Classes weigh inversely to their number of examples.
  public var balanced = false
  /// Training ends when so many epochs in a row brought no better metric; 0: never. With AdamW.
  public var patience = 10
  /// The metric that decides which weights are kept; nil: the task's first.
  public var metric: String?
  /// Decides initial weights, order, dropout and what is held out.
  public var seed: UInt64 = 0
  /// The share of examples held out where no validation set is given.
  public var holdout = 0.1
  /// Most tokens of a text; nil: `ModelInfo.maxTokens`; `answer`: at most 384.
  public var maxTokens: Int?
  /// `answer`: tokens that two windows over a passage share.
  public var stride = 128
  /// The last layers of the encoder that are trained too; the model must be float32. `.max`, or as
  /// many as there are: all of them, and the embeddings.
  public var unfreeze = 0
  /// `mlm`: whether the decoder stays the word embeddings, which are frozen, or is trained.
  public var tied = true
  /// Threads; nil: as many as the process may use. The result does not depend on it.
  public var threads: Int?
  /// Bytes of features that are kept in memory; more go to a file.
  public var memoryLimit = 1 << 30
  /// Where that file, checkpoints, record and report go; nil: no checkpoints, and the file to /tmp.
  public var folder: String?
  /// Whether training goes on from the checkpoint in `folder`.
  public var resume = false

  /// All defaults.
  public init() {}

  /// Makes sure that numbers are in range, and that no option is set that would do nothing.
  func check(for task: Head.Task) throws(ClozeError) {
    try check()
    func fail(_ reason: String) -> ClozeError { ClozeError(.invalidArgument, reason) }
    let name = task.rawValue
    let hasClasses =
      task == .classify || task == .classifyPairs || task == .tag || task == .nsp
    if !hidden.isEmpty, task == .mlm || task == .nsp {
      throw fail("hidden layers are not for \(name), whose head has the model's own")
    }
    if !tied, task != .mlm { throw fail("only mlm has a decoder that can be untied") }
    if balanced || !classWeights.isEmpty, !hasClasses {
      throw fail("class weights are not for \(name): an example has no single class")
    }
    if labelSmoothing > 0, !hasClasses, task != .multilabel, task != .mlm {
      throw fail("label smoothing is not for \(name)")
    }
    guard optimizer == .lbfgs else { return }
    if task == .mlm { throw fail("L-BFGS is not for mlm, which masks other tokens in every epoch") }
    if (dropout ?? 0) > 0 || learningRate != nil || batchSize != nil || accumulation > 1 {
      throw fail(
        "L-BFGS sees all examples at once: it has no learning rate, no batches and no dropout")
    }
  }

  /// Makes sure that numbers are in range.
  func check() throws(ClozeError) {
    func fail(_ reason: String) -> ClozeError { ClozeError(.invalidArgument, reason) }
    func between(_ value: Double, _ low: Double, _ high: Double, _ name: String) throws(ClozeError)
    {
      guard value >= low, value <= high else {
        throw fail("\(name) = \(value), expected \(low) to \(high)")
      }
    }
    for size in hidden where size < 1 || size > 65536 {
      throw fail("a hidden layer of \(size), expected 1 to 65536")
    }
    for (value, name) in [
      (epochs, "epochs"), (batchSize, "batch size"), (accumulation, "accumulation"),
      (maxTokens, "max tokens"),
    ] {
      if let value, value < 1 || value > 1 << 30 {
        throw fail("\(name) = \(value), expected 1 or more")
      }
    }
    for (value, name) in [(patience, "patience"), (stride, "stride"), (unfreeze, "unfreeze")]
    where value < 0 || value > 1 << 30 && value != .max { throw fail("\(name) = \(value), expected 0 or more") }
    if let threads, threads < 1 || threads > 256 {
      throw fail("\(threads) threads were asked for; 1 to 256 can be had")
    }
    if let dropout { try between(dropout, 0, 0.95, "dropout") }
    if let learningRate { try between(learningRate, 0, 1e3, "learning rate") }
    try between(warmup, 0, 1, "warmup")
    try between(weightDecay, 0, 1e6, "weight decay")
    try between(l2, 0, 1e12, "l2")
    try between(clip, 0, 1e12, "clip")
    try between(labelSmoothing, 0, 0.99, "label smoothing")
    try between(holdout, 0.001, 0.9, "holdout")
    for (label, weight) in classWeights where !(weight >= 0 && weight.isFinite) {
      throw fail("the weight of class \"\(label)\" is \(weight), expected 0 or more")
    }
  }
}
