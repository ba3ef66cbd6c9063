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
    let encoded = try WordEncoding(words, preparation.tokenizer, maxTokens: preparation.maxTokens)
    let encoding = encoded.encoding
    data.append(encoding.ids, encoding.typeIDs, truncated: encoding.truncated, rows: encoded.pieces.map(\.token))
    data.wordOfRow += encoded.pieces.map(\.word)
    data.classes += encoded.pieces.map { classes[$0.word] }
  }

  /// Words that were cut off count as predicted `O`.
  func evaluate(_ predictions: Predictions) -> Evaluation {
    let data = predictions.data
    var (truth, predicted): ([[String]], [[String]]) = ([], [])
    for (item, example) in predictions.examples.enumerated() {
      guard case .words(let words, let tags) = example.content else { continue }
      var guesses = Array(repeating: "O", count: words.count)
      for row in data.rowOffsets[item]..<data.rowOffsets[item + 1] {
        guesses[data.wordOfRow[row]] = predictions.labels[predictions.predictedClass(row)]
      }
      truth.append(tags)
      predicted.append(guesses)
    }
    return Evaluation(metrics: .tags(truth: truth, predicted: predicted), confusion: predictions.confusion)
  }

  func mistakes(_ predictions: Predictions) -> [WrongPrediction] {
    let (data, labels) = (predictions.data, predictions.labels)
    return predictions.examples.enumerated().compactMap { item, example in
      guard case .words(let words, _) = example.content else { return nil }
      var wrong = WrongPrediction(example: item, truth: "", predicted: "", loss: 0)
      var (truths, guesses): ([String], [String]) = ([], [])
      for row in data.rowOffsets[item]..<data.rowOffsets[item + 1] {
        let (truth, guess) = (Int(data.classes[row]), predictions.predictedClass(row))
        guard truth >= 0, guess != truth else { continue }
        wrong.loss += predictions.crossEntropy(row, truth)
        truths.append("\(words[data.wordOfRow[row]]): \(labels[truth])")
        guesses.append("\(words[data.wordOfRow[row]]): \(labels[guess])")
      }
      guard !truths.isEmpty else { return nil }
      wrong.truth = truths.joined(separator: ", ")
      wrong.predicted = guesses.joined(separator: ", ")
      return wrong
    }
  }
}
