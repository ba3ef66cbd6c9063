public import Cloze
public import ClozeIO

/// Judging the head of a model, trained or of its file, by labelled examples.
extension Session {
  /// Predicts the examples' labels and compares them, by the code and under the names of training's validation.
  ///
  ///     let head = try Head(path: "sentiment")
  ///     let session = try Session(model: Model(model, head: head))
  ///     let result = try session.evaluate(Dataset(path: "test.tsv", task: head.task))
  ///     print(result.metrics["accuracy"] ?? 0, result.baseline?.value ?? 0)
  ///
  /// What is judged is what `predict` predicts. Baselines are counted in the head's training examples, or, for a head
  /// that does not know them, in `data`. Of a masked language model the tokens to predict are chosen as by a training
  /// with the seed 0, and so are the pairs of next sentences.
  ///
  /// - Parameters:
  ///   - data: examples for `model.evaluationTask`; `skipBad` leaves out those with labels that the head does not know.
  ///   - task: nil: that of the model's head; mlm and nsp are for the heads that a model has of its own.
  ///   - maxTokens: the most tokens of a text or window; nil: as `predict`.
  ///   - progress: called on this thread with the number of texts, windows or sentences done, and of all.
  /// - Throws: `.invalidText` for an example that cannot be judged, with its place, and where there is none; `.noHead`;
  ///   `.invalidArgument` for a task that the head does not answer; `.cancelled`, `.busy`.
  public func evaluate(
    _ data: Dataset, task: Head.Task? = nil, skipBad: Bool = false, maxTokens: Int? = nil,
    progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws(ClozeError) -> Evaluation {
    var head = try model.evaluatedHead(task)
    if let maxTokens { head = try head.limited(to: maxTokens, model.info) }
    let training = head.task.training
    let tokenizer = try model.requiredTokenizer()
    guard !data.examples.isEmpty else { throw ClozeError(.invalidText, "there is no example to evaluate") }
    let (given, remarks) = (data, data.remarks(for: head.task))
    var (data, unknown) = (try training.examples(data, seed: 1), [String]())
    try check(&data, head, skipBad ? { unknown.append($0) } : nil)
    var preparation = Preparation(
      tokenizer: tokenizer, maxTokens: head.maxTokens, stride: head.stride,
      pairs: head.trained?.pairs ?? .joint, labels: head.labels, rows: model.info.vocabSize)
    preparation.splitsSentences = true
    return try exclusively { () throws(ClozeError) in
      var items = try preparation.prepare(data, for: training) { () throws(ClozeError) in try checkCancellation() }
      var prior = head.trained.flatMap { Prior($0) } ?? Prior(data, labels: head.labels, isOfTraining: false)
      if let masking = try training.masking(model) {
        let tokens = items.ids.filter { !masking.special.contains($0) }
        prior = Prior(tokens: tokens, vocabulary: head.outputs, isOfTraining: false)
        items = masking.masked(items, seed: 0, epoch: 0)
      }
      guard items.rows > 0 else { throw ClozeError(.invalidText, "the examples have nothing to predict") }
      begin(texts: items.items)
      let predictions = try Predictions(self, head, items, data.examples) {
        finish(texts: $0)
        progress($0, items.items)
      }
      var evaluation = predictions.evaluation(of: training, metric: training.metrics[0], prior)
      evaluation.skipped = given.skipped + unknown
      evaluation.unknown = unknown
      evaluation.dataRemarks = remarks
      return evaluation
    }
  }

  /// Refuses examples that the head cannot be judged by, or leaves them out.
  ///
  /// - Parameter skip: takes the reason; nil: the first such example is an error.
  private func check(_ data: inout Dataset, _ head: EvaluatedHead, _ skip: ((String) -> Void)?) throws(ClozeError) {
    let known = Set(head.labels)
    var kept: [Example] = []
    for (index, example) in data.examples.enumerated() {
      guard let reason = reason(against: example.content, head, known) else {
        kept.append(example)
        continue
      }
      let message = "\(example.place.isEmpty ? "example \(index)" : example.place): \(reason)"
      guard let skip else { throw ClozeError(.invalidText, message) }
      skip(message)
      guard index < data.examples.count - 1 || !kept.isEmpty else {
        throw ClozeError(.invalidText, "no example has labels that the head knows; \(message)")
      }
    }
    data.examples = kept
  }

  /// Why a head cannot be judged by an example; nil: it can.
  private func reason(against content: Example.Content, _ head: EvaluatedHead, _ known: Set<String>) -> String? {
    switch content {
    case .text(let text, _), .labelled(let text, _), .scored(let text, _):
      if text.second != nil, !head.takesBoth, !head.task.takesPairs {
        return "a pair of texts; the head was trained to \(head.task.rawValue) single texts"
      }
    case .words, .question, .document: break
    }
    if case .text(_, nil) = content { return "there is no label" }
    if head.labels.isEmpty { return nil }
    guard let label = content.labels.first(where: { !known.contains($0) }) else { return nil }
    let twin = head.labels.first { $0.trimmed == label.trimmed || $0.lowercased() == label.lowercased() }
    let list = head.labels.prefix(20).map { "\"\($0)\"" }.joined(separator: ", ")
    let more = head.labels.count > 20 ? " and \(head.labels.count - 20) more" : ""
    return "the head has no label \"\(label)\"; "
      + (twin.map { "there is \"\($0)\"" } ?? "its labels are \(list)\(more)")
  }
}

extension Model {
  /// The task whose examples `Session.evaluate` judges this model's head by: that of the head, or the one of pairs where
  /// the head, of a model's file, takes both and the format names a second text.
  ///
  /// - Parameter task: nil: that of the head.
  /// - Throws: as `Session.evaluate`.
  public func evaluationTask(_ task: Head.Task? = nil, format: DataFormat = DataFormat()) throws(ClozeError)
    -> Head.Task
  {
    let head = try evaluatedHead(task)
    guard head.takesBoth, format.pair != nil || task?.takesPairs ?? false else { return head.task }
    switch head.task {
    case .classify: return .classifyPairs
    case .regress: return .regressPairs
    default: return head.task
    }
  }
}
