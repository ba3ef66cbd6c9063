public import ClozeIO
internal import ClozeTokenizer

extension Session {
  /// What the model's trained head says of texts: labels, numbers, tags or answers.
  ///
  /// For `answer`, the first text of each pair is the question, the second the passage; a passage
  /// longer than the model takes is read in windows.
  ///
  /// - Throws: `.noHead` where no trained head is on the model, else as `embed`.
  public func predict(_ texts: [Text]) throws(ClozeError) -> [Prediction] {
    guard let runner = model.trained else { throw model.lacks("trained head") }
    let head = runner.head
    let tokenizer = try model.requiredTokenizer()
    for (index, text) in texts.enumerated() where head.task.takesPairs && text.second == nil {
      throw ClozeError(
        .invalidArgument, "text \(index) is no pair; the head reads two texts")
    }
    return try exclusively { () throws(ClozeError) in
      switch head.task {
      case .tag: try tags(of: texts, runner, tokenizer)
      case .answer: try answers(to: texts, runner, tokenizer)
      case .mlm:
        throw ClozeError(.invalidArgument, "a head for masked words is asked with fillMask")
      default: try pooled(texts, runner)
      }
    }
  }

  /// Tags of a sentence that is given as words; words that were cut off are "O".
  public func predict(words: [String]) throws(ClozeError) -> Prediction {
    guard let runner = model.trained, runner.head.task == .tag else {
      throw model.lacks("trained head for tags")
    }
    let tokenizer = try model.requiredTokenizer()
    let encoded: WordEncoding
    encoded = try WordEncoding(words, tokenizer, maxTokens: runner.head.maxTokens)
    var batch = TokenBatch()
    batch.append(encoded.ids, encoded.typeIDs, reading: encoded.pieces.map(\.token))
    var spans: [Prediction.Span] = []
    var at = 0
    for word in words {
      spans.append(Prediction.Span(begin: at, end: at + word.utf8.count, text: "O", probability: 0))
      at += word.utf8.count + 1
    }
    return try exclusively { () throws(ClozeError) in
      let logits = try self.logits(runner, batch)
      for (row, piece) in encoded.pieces.enumerated() {
        let (label, probability) = best(logits, row, runner.head.labels)
        spans[piece.word].text = label
        spans[piece.word].probability = probability
      }
      return prediction(spans, truncated: encoded.truncated)
    }
  }

  /// Predictions about whole texts; within `exclusively`.
  private func pooled(_ texts: [Text], _ runner: HeadRunner) throws(ClozeError) -> [Prediction] {
    let head = runner.head
    var embedding = EmbeddingOptions(pooling: head.pooling, normalize: false)
    embedding.isMixed = head.mix != nil
    var truncated = [UInt8](repeating: 0, count: texts.count)
    let vectors = try filled(bytes(texts.count, head.inputs)) { values throws(ClozeError) in
      try truncated.withUnsafeMutableBufferPointer { truncated throws(ClozeError) in
        try embedGathered(
          SwiftTexts(texts: texts), TextOptions(maxTokens: head.maxTokens), embedding, into: values,
          truncated: truncated.baseAddress)
      }
    }
    let logits = try run(runner, vectors, rows: texts.count)
    let count = head.outputs
    var predictions: [Prediction] = []
    for (i, truncated) in truncated.enumerated() {
      var row = Array(logits[(i * count)..<((i + 1) * count)])
      var prediction = Prediction()
      prediction.truncated = truncated != 0
      switch head.task {
      case .regress, .regressPairs: prediction.value = row.first
      case .multilabel:
        prediction.probabilities = row.map { 1 / (1 + exponential(-$0)) }
        for (label, p) in zip(head.labels, prediction.probabilities) where p >= 0.5 {
          prediction.labels.append(label)
        }
      default:
        softmax(&row)
        prediction.probabilities = row
        prediction.label = best(row, 0, head.labels, areProbabilities: true).label
      }
      predictions.append(prediction)
    }
    return predictions
  }

  func run(_ runner: HeadRunner, _ rows: [Float], rows count: Int) throws(ClozeError)
    -> [Float]
  {
    guard count > 0 else { return [] }
    return try filled(bytes(count, runner.head.outputs)) { values throws(ClozeError) in
      let failure = rows.withUnsafeBufferPointer { rows -> ClozeError? in
        guard let base = rows.baseAddress else { return nil }
        do throws(ClozeError) {
          try runner.run(base, count, to: values)
          return nil
        } catch { return error }
      }
      if let failure { throw failure }
    }
  }

  /// The best label of a row of logits, with its probability.
  func best(
    _ values: [Float], _ row: Int, _ labels: [String], areProbabilities: Bool = false
  ) -> (label: String, probability: Float) {
    let count = labels.count
    var part = Array(values[(row * count)..<((row + 1) * count)])
    if !areProbabilities { softmax(&part) }
    var index = 0
    for i in part.indices where part[i] > part[index] { index = i }
    return (labels[index], part[index])
  }

  private func softmax(_ values: inout [Float]) {
    values.withUnsafeMutableBufferPointer { buffer in
      if let base = buffer.baseAddress { model.kernels.rows.softmax(base, buffer.count) }
    }
  }

  func exponential(_ x: Float) -> Float {
    // softmax of (x, 0) is (s, 1 - s) with s / (1 - s) = exp(x); for large x the ratio is infinite.
    var pair: [Float] = [x, 0]
    softmax(&pair)
    return pair[1] > 0 ? pair[0] / pair[1] : .infinity
  }
}
