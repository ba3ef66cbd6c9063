internal import Cloze
internal import ClozeIO

/// The part of a passage that answers a question. Each window over a passage is an item; its rows are its tokens, its
/// outputs the scores of being the answer's first and last token. A window without the answer points at `[CLS]`.
struct Answering: TrainingTask {
  var task: Head.Task { .answer }
  var formats: [DataFormat.Kind] { [.squad, .json, .jsonl] }
  var readsTokens: Bool { true }
  var splitsTexts: Bool { true }
  var metrics: [String] { ["f1", "exact_match"] }
  var mistakeMeasure: String { "1 − F1" }

  /// A question with its passage and answers, without SQuAD's articles around it.
  func content(_ line: JSONField, _ format: DataFormat) throws(ClozeError) -> Example.Content {
    let question = try line.wanted(format.text, "question", "--text").string()
    let passage = Passage(try line.wanted(format.pair, "context", "--pair").string())
    let id = try line.present("id")?.scalar() ?? ""
    return .question(question, passage: passage.text, answers: try passage.answers(line), id: id)
  }

  func append(_ content: Example.Content, _ index: Int, to data: inout TokenizedDataset, _ preparation: Preparation)
    throws(ClozeError)
  {
    guard case .question(let question, let passage, let answers, _) = content else { throw mismatch() }
    let size = passage.utf8.count
    for answer in answers {
      guard (0..<max(size, 1)).contains(answer.offset), answer.text.utf8.count <= size else {
        throw ClozeError(.invalidText, "an answer lies outside the passage")
      }
    }
    let split = try PassageWindows(
      question, passage, preparation.tokenizer, maxTokens: preparation.maxTokens, stride: preparation.stride)
    // The first answer is trained on; all count when predictions are judged.
    let answer = answers.first.flatMap { split.tokens(of: $0.offset, $0.text.utf8.count) }
    for window in split.windows {
      data.append(window.ids, window.typeIDs, truncated: false, rows: window.ids.indices)
      var target = Targets.Span(first: 0, last: 0)
      if let answer, answer.lowerBound >= window.passage.lowerBound, answer.upperBound < window.passage.upperBound {
        let shift = window.first - window.passage.lowerBound
        target = Targets.Span(first: Int32(answer.lowerBound + shift), last: Int32(answer.upperBound + shift))
      }
      data.spans.append(target)
      data.windows.append(
        TokenizedDataset.Window(
          example: index, first: window.first, last: window.first + window.passage.count,
          ranges: Array(split.offsets[window.passage])))
    }
  }

  func outputs(labels: [String]) -> Int { 2 }

  func evaluate(_ predictions: Predictions) -> TaskScores { TaskScores(metrics: metrics(answers(predictions))) }

  /// The better of two: no answer, and the whole passage.
  func baseline(_ predictions: Predictions, _ prior: Prior) -> (rule: Baseline.Rule, metrics: Metrics)? {
    var (none, whole): ([Judged], [Judged]) = ([], [])
    for example in predictions.examples {
      guard case .question(_, let passage, let answers, _) = example.content else { continue }
      let truths = answers.isEmpty ? [""] : answers.map(\.text)
      none.append(("", truths))
      whole.append((passage, truths))
    }
    let (nothing, everything) = (metrics(none), metrics(whole))
    let isNothing = (nothing["f1"] ?? 0) >= (everything["f1"] ?? 0)
    return isNothing ? (.noAnswer, nothing) : (.wholePassage, everything)
  }

  private func metrics(_ answers: [Judged]) -> Metrics {
    var (exact, overlap) = (0.0, 0.0)
    for (guess, truths) in answers {
      exact += truths.map { SQuAD.exactMatch(guess, $0) }.max() ?? 0
      overlap += truths.map { SQuAD.f1(guess, $0) }.max() ?? 0
    }
    let count = Double(max(answers.count, 1))
    return Metrics([("f1", overlap / count), ("exact_match", exact / count)])
  }

  func mistakes(_ predictions: Predictions) -> [WrongPrediction] {
    answers(predictions).enumerated().compactMap { example, answer in
      let score = answer.truths.map { SQuAD.f1(answer.guess, $0) }.max() ?? 0
      guard score < 1 else { return nil }
      return WrongPrediction(example: example, truth: answer.truths[0], predicted: answer.guess, loss: 1 - score)
    }
  }

  /// The text that is predicted and those that count as right; "" stands for no answer.
  private typealias Judged = (guess: String, truths: [String])

  /// Those of each example.
  private func answers(_ predictions: Predictions) -> [Judged] {
    let data = predictions.data
    var searches = Array(repeating: AnswerSearch(), count: predictions.examples.count)
    predictions.logits.withUnsafeBufferPointer { logits in
      for (item, window) in data.windows.enumerated() {
        let scores = UnsafeBufferPointer(
          rebasing: logits[(2 * data.rowOffsets[item])..<(2 * data.rowOffsets[item + 1])])
        searches[window.example].add(scores, first: window.first, last: window.last, offsets: window.ranges)
      }
    }
    return zip(predictions.examples, searches).compactMap { example, search in
      guard case .question(_, let passage, let answers, _) = example.content else { return nil }
      let span = search.answer(threshold: predictions.noAnswerThreshold)
      let guess = span.map { slice(passage, $0.begin, $0.end) } ?? ""
      return (guess, answers.isEmpty ? [""] : answers.map(\.text))
    }
  }

  /// The bytes from `begin` to `end` of a text.
  private func slice(_ text: String, _ begin: Int, _ end: Int) -> String {
    String(decoding: Array(text.utf8.dropFirst(begin).prefix(max(0, end - begin))), as: UTF8.self)
  }
}

extension Dataset {
  /// Whether a question has no answer in its passage.
  var hasUnanswerable: Bool {
    examples.contains { if case .question(_, _, let answers, _) = $0.content { answers.isEmpty } else { false } }
  }
}
