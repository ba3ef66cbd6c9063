public import Cloze
package import ClozeIO

/// How a head is built and trained. Everything has a default; nil takes the task's.
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
    /// A learned weighted sum of all.
    case mix
  }

  /// The states that the head reads; a mix needs a frozen encoder.
  public var layers = Layers.last
  /// How the vectors of a text's tokens become the one that the head reads; nil: `ModelInfo.pooling`.
  public var pooling: Pooling?
  /// `classifyPairs`, `regressPairs`: how the two texts are read; nil: joint by a model with a next-sentence head or
  /// classes, and where encoder layers or a mix of layers are trained; else apart, as sentence encoders are trained.
  public var pairs: Head.Pairs?
  /// Outputs of each dense layer before the last; empty: a linear head.
  public var hidden: [Int] = []
  /// The activation after these.
  public var activation: Activation = .gelu
  /// The share of values that is set to zero in training: of the inputs of the head's layers and, where encoder layers
  /// are trained too, of their outputs, attention's probabilities and the embeddings; nil: 0 with L-BFGS and in the
  /// heads of `mlm` and `nsp`, else 0.1.
  public var dropout: Double?
  /// nil: L-BFGS for a linear head without dropout over a text's vector, else AdamW.
  public var optimizer: Optimizer?
  /// Passes over the examples; with L-BFGS, iterations; nil: 20 with AdamW, 5 where encoder layers
  /// are trained too, 1000 with L-BFGS.
  public var epochs: Int?
  /// Examples of a batch; nil: 32.
  public var batchSize: Int?
  /// Batches whose gradients are added up for one step.
  public var accumulation = 1
  /// AdamW's; nil: 1e-3; 1e-2 for linear heads of `tag` and `answer`; 4e-4 / N where N encoder
  /// layers are trained too.
  public var learningRate: Double?
  /// Where encoder layers are trained: what the learning rate is multiplied by from one layer to the one below, and from
  /// the head to the last (Clark et al. 2020).
  public var layerDecay = 1.0
  /// How the learning rate changes over the steps.
  public var schedule: Schedule = .linear
  /// The share of all steps in which the learning rate rises from zero.
  public var warmup = 0.1
  /// AdamW's weight decay, of matrices.
  public var weightDecay = 0.01
  /// The L2 penalty of L-BFGS: scikit-learn's 1 / C, and its alpha of ridge regression.
  public var l2 = 1.0
  /// Gradients are scaled down to this L2 norm; 0: never.
  public var clip = 1.0
  /// The share of a class's probability that is spread over all classes.
  public var labelSmoothing = 0.0
  /// Weights of classes in the loss by label, 1 where not named; unused with `balanced`.
  public var classWeights: [String: Float] = [:]
  /// Class weights are inverse to the number of examples.
  public var balanced = false
  /// Early stopping: epochs without a better metric, after which training ends; 0: none. With AdamW.
  public var patience = 10
  /// The metric by which the best weights are chosen; nil: the task's first.
  public var metric: String?
  /// Of all random numbers: initial weights, order, dropout, masking, what is held out.
  public var seed: UInt64 = 0
  /// The share of examples held out where no validation set is given.
  public var holdout = 0.1
  /// Most tokens of a text; nil: `ModelInfo.maxTokens`; `answer`: at most 384.
  public var maxTokens: Int?
  /// `answer`: tokens that two windows over a passage share; nil: 128, or a third of `maxTokens` where that is less.
  public var stride: Int?
  /// How many of the encoder's last layers are trained too; the model must be float32. `.max`, or the number of layers:
  /// all, and the embeddings.
  public var unfreeze = 0
  /// `mlm`: whether the decoder shares its matrix with the word embeddings, frozen where these are.
  public var tied = true
  /// Threads; nil: as many as the process may use. The result does not depend on it.
  public var threads: Int?
  /// Bytes of features that are kept in memory; beyond that they go to a file.
  public var memoryLimit = 1 << 30
  /// Where that file and checkpoints go; nil: no checkpoints, and the file to /tmp.
  public var folder: String?
  /// Whether to resume from the checkpoint in `folder`.
  public var resume = false
  /// Whether a head and a checkpoint that are in `folder` already are replaced; else they are an error.
  public var overwrite = false

  /// All defaults.
  public init() {}

  /// Refuses a folder with a head or a checkpoint of an earlier training, which is neither resumed nor given up.
  package func checkFolder() throws(ClozeError) {
    guard let folder, !overwrite else { return }
    let hasCheckpoint = try FileKind(joined(folder, Checkpoint.fileName)) == .file
    if resume, hasCheckpoint { return }
    if try FileKind(joined(folder, Head.fileName)) == .file {
      throw ClozeError(
        .invalidArgument,
        "\(folder) has a trained head, \(Head.fileName): train to another folder (--overwrite replaces it)")
    }
    if hasCheckpoint {
      throw ClozeError(
        .invalidArgument,
        "\(folder) has the checkpoint of an unfinished training, \(Checkpoint.fileName) (--resume goes on from it, "
          + "--overwrite begins anew)")
    }
  }

  /// Whether training goes on from a checkpoint.
  package func goesOn() throws(ClozeError) -> Bool {
    guard resume, let folder else { return false }
    return try FileKind(joined(folder, Checkpoint.fileName)) == .file
  }

  /// Refuses numbers out of range, and options that contradict each other.
  func check() throws(ClozeError) {
    func fail(_ reason: String) -> ClozeError { ClozeError(.invalidArgument, reason) }
    func between(_ value: Double, _ low: Double, _ high: Double, _ name: String) throws(ClozeError) {
      guard value >= low, value <= high else { throw fail("\(name) = \(value), expected \(low) to \(high)") }
    }
    for size in hidden where size < 1 || size > 65536 { throw fail("a hidden layer of \(size), expected 1 to 65536") }
    for (value, name) in [
      (epochs, "epochs"), (batchSize, "batch size"), (accumulation, "accumulation"), (maxTokens, "max tokens"),
    ] { if let value, value < 1 || value > 1 << 30 { throw fail("\(name) = \(value), expected 1 or more") } }
    for (value, name) in [(patience, "patience"), (stride ?? 0, "stride"), (unfreeze, "unfreeze")]
    where value < 0 || value > 1 << 30 && value != .max { throw fail("\(name) = \(value), expected 0 or more") }
    if let threads, !(1...Team.maxThreads).contains(threads) {
      throw fail("threads = \(threads), expected 1 to \(Team.maxThreads)")
    }
    if let dropout { try between(dropout, 0, 0.95, "dropout") }
    if let learningRate { try between(learningRate, 0, 1e3, "learning rate") }
    try between(layerDecay, 0.01, 1, "layer decay")
    try between(warmup, 0, 1, "warmup")
    try between(weightDecay, 0, 1e6, "weight decay")
    try between(l2, 0, 1e12, "l2")
    try between(clip, 0, 1e12, "clip")
    try between(labelSmoothing, 0, 0.99, "label smoothing")
    try between(holdout, 0.001, 0.9, "holdout")
    if optimizer == .lbfgs, (dropout ?? 0) > 0 || learningRate != nil || batchSize != nil || accumulation > 1 {
      throw fail("L-BFGS sees all examples at once: it has no learning rate, no batches and no dropout")
    }
    for (label, weight) in classWeights where !(weight >= 0 && weight.isFinite) {
      throw fail("the weight of class \"\(label)\" is \(weight), expected 0 or more")
    }
  }
}
