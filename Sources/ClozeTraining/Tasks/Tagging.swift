internal import Cloze
internal import ClozeIO

/// A tag for every word of a sentence, read from the vector of the word's first token.
struct Tagging: TrainingTask {
  var task: Head.Task { .tag }
  var formats: [DataFormat.Kind] { [.conll, .jsonl, .json] }
  var readsTokens: Bool { true }
  var hasClasses: Bool { true }
  var metrics: [String] { ["f1", "precision", "recall", "accuracy"] }

  func content(_ line: JSONField, _ format: DataFormat) throws(ClozeError) -> Example.Content {
    let words = try line.wanted(format.text, "words", "--text").scalars()
    let tags = try line.wanted(format.label, "tags", "--label").scalars()
    try check(words, tags)
    return .words(words, tags: tags)
  }

  private func check(_ words: [String], _ tags: [String]) throws(ClozeError) {
    guard words.count == tags.count, !words.isEmpty else {
      throw ClozeError(.invalidText, "\(words.count) words and \(tags.count) tags")
    }
  }

  func labels(of dataset: Dataset) throws(ClozeError) -> [String] { try dataset.labels(atLeast: 2) }

  func append(_ content: Example.Content, _ index: Int, to data: inout TokenizedDataset, _ preparation: Preparation)
    throws(ClozeError)
  {
    guard case .words(let words, let tags) = content else { throw mismatch() }
    try check(words, tags)
    let classes = try tags.map { tag throws(ClozeError) in try preparation.classIndex(tag) }
    let limit = preparation.splitsSentences ? nil : preparation.maxTokens
    let encoded = try WordEncoding(words, preparation.tokenizer, maxTokens: limit)
    let (encoding, pieces) = (encoded.encoding, encoded.pieces)
    func append(words: some Sequence<Int>) {
      for word in words {
        data.words.append(TokenizedDataset.Word(example: index, word: word))
        data.classes.append(classes[word])
      }
    }
    guard preparation.splitsSentences else {
      data.append(encoding.ids, encoding.typeIDs, truncated: encoding.truncated, rows: pieces.map(\.token))
      append(words: pieces.lazy.map(\.word))
      return
    }
    let split = try WordWindows(
      encoding, firsts: pieces.map(\.token), maxTokens: preparation.maxTokens, stride: preparation.stride)
    for window in split.windows {
      data.append(window.ids, window.typeIDs, truncated: false, rows: window.words.map(\.token))
      append(words: window.words.lazy.map { pieces[$0.word].word })
    }
  }

  /// Words that were cut off, or have no token, count as predicted `O`.
  func evaluate(_ predictions: Predictions) -> TaskScores {
    let (truth, predicted) = tags(predictions) { predictions.labels[predictions.predictedClass($0)] }
    return TaskScores(metrics: .tags(truth: truth, predicted: predicted), confusion: predictions.confusion)
  }

  func entityScores(_ predictions: Predictions) -> [ClassScore] {
    let (truth, predicted) = tags(predictions) { predictions.labels[predictions.predictedClass($0)] }
    return ClassScore.entities(truth: truth, predicted: predicted)
  }

  func baseline(_ predictions: Predictions, _ prior: Prior) -> (rule: Baseline.Rule, metrics: Metrics)? {
    guard let best = prior.mostFrequent, predictions.labels.indices.contains(best) else { return nil }
    let tag = predictions.labels[best]
    let (truth, predicted) = tags(predictions) { _ in tag }
    var metrics = Metrics.tags(truth: truth, predicted: predicted)
    metrics.values.append(("loss", prior.crossEntropy(predictions.data.classes)))
    return (.label(tag), metrics)
  }

  /// The tags of all words of each example, and those that `predicted` gives for rows.
  private func tags(_ predictions: Predictions, _ predicted: (_ row: Int) -> String) -> (
    truth: [[String]], predicted: [[String]]
  ) {
    var (truth, guesses): ([[String]], [[String]]) = ([], [])
    for example in predictions.examples {
      guard case .words(let words, let tags) = example.content else { continue }
      truth.append(tags)
      guesses.append(Array(repeating: "O", count: words.count))
    }
    for (row, place) in predictions.data.words.enumerated() { guesses[place.example][place.word] = predicted(row) }
    return (truth, guesses)
  }

  func mistakes(_ predictions: Predictions) -> [WrongPrediction] {
    let (data, labels) = (predictions.data, predictions.labels)
    var wrong = predictions.examples.indices.map { WrongPrediction(example: $0, truth: "", predicted: "", loss: 0) }
    for (row, place) in data.words.enumerated() {
      guard case .words(let words, _) = predictions.examples[place.example].content else { continue }
      let (truth, guess) = (Int(data.classes[row]), predictions.predictedClass(row))
      guard truth >= 0, guess != truth else { continue }
      let comma = wrong[place.example].truth.isEmpty ? "" : ", "
      wrong[place.example].loss += predictions.crossEntropy(row, truth)
      wrong[place.example].truth += "\(comma)\(words[place.word]): \(labels[truth])"
      wrong[place.example].predicted += "\(comma)\(words[place.word]): \(labels[guess])"
    }
    return wrong.filter { !$0.truth.isEmpty }
  }
}
