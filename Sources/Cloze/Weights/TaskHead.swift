/// A task, and the head that answers it, of a model's file or trained: what `Session.predict` runs.
struct TaskHead: Sendable {
  let task: Head.Task
  /// The names of its outputs; empty where they have none.
  let labels: [String]
  /// The length limit of texts; longer ones are read in windows by `tag` and `answer`, and truncated by others.
  private(set) var maxTokens: Int
  /// Tokens that two windows over one text share.
  private(set) var stride: Int
  /// `answer`: see `Head.noAnswerThreshold`.
  let noAnswerThreshold: Float?
  /// Whether it was put on the model, not brought by the model's file.
  let isTrained: Bool
  /// Whether every text must be a pair; a head of a model's file takes both, except for answers.
  let needsPairs: Bool
  /// How the texts of a pair are read.
  let pairs: Head.Pairs
  /// `regress`: whether the number goes through the sigmoid.
  let hasSigmoid: Bool
  let head: PackedHead

  init(_ trained: Head, _ head: PackedHead) {
    task = trained.task
    labels = trained.labels
    maxTokens = trained.maxTokens
    stride = task == .tag ? Self.stride(maxTokens) : trained.stride
    noAnswerThreshold = trained.noAnswerThreshold
    isTrained = true
    needsPairs = task.takesPairs
    pairs = trained.pairs
    hasSigmoid = false
    self.head = head
  }

  /// The head of a model's file that predicts, with the limits of transformers' pipelines; nil where it has none.
  init?(_ settings: HeadSettings, _ heads: [OutputHead: PackedHead], labels: [String], maxTokens: Int) {
    let outputs: [OutputHead] = [.classes, .tags, .answer]
    guard let output = outputs.first(where: { heads[$0] != nil }), let head = heads[output],
      let task = settings.task(of: output, outputs: head.outputs)
    else { return nil }
    self.task = task
    self.labels = labels
    self.maxTokens = task == .answer ? min(384, maxTokens) : maxTokens
    stride = Self.stride(self.maxTokens)
    noAnswerThreshold = nil
    isTrained = false
    needsPairs = task == .answer
    pairs = .joint
    hasSigmoid = head.outputs == 1 && settings.hasSigmoid
    self.head = head
  }

  /// The head with another length limit; windows share at most half of one.
  func limited(to maxTokens: Int) -> TaskHead {
    var head = self
    head.maxTokens = maxTokens
    head.stride = Self.stride(stride, limited: maxTokens)
    return head
  }

  static func stride(_ stride: Int, limited maxTokens: Int) -> Int { min(stride, Self.stride(maxTokens)) }

  private static func stride(_ maxTokens: Int) -> Int { min(128, maxTokens / 2) }
}
