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
    switch head.task {
    case .tag: return try texts.map { text throws(ClozeError) in try tag(text, runner, tokenizer) }
    case .answer:
      var predictions: [Prediction] = []
      for text in texts { predictions.append(try answer(text, runner, tokenizer)) }
      return predictions
    case .mlm:
      throw ClozeError(.invalidArgument, "a masked language model is asked with fillMask")
    default:
      return try pooled(texts, runner)
    }
  }

  /// Tags of a sentence that is given as words; words that were cut off are "O".
  public func predict(words: [String]) throws(ClozeError) -> Prediction {
    guard let runner = model.trained, runner.head.task == .tag else {
      throw model.lacks("trained head for tags")
    }
    let tokenizer = try model.requiredTokenizer()
    let encoded: WordEncoding
    do throws(TokenizerError) {
      encoded = try WordEncoding(words, tokenizer, maxTokens: runner.head.maxTokens)
    } catch { throw ClozeError(error) }
    let logits = try logits(
      runner, encoded.ids, encoded.typeIDs, encoded.pieces.map { Int64($0.token) })
    var spans: [Prediction.Span] = []
    var at = 0
    for word in words {
      spans.append(Prediction.Span(begin: at, end: at + word.utf8.count, text: "O", probability: 0))
      at += word.utf8.count + 1
    }
    for (row, piece) in encoded.pieces.enumerated() {
      let (label, probability) = best(logits, row, runner.head.labels)
      spans[piece.word].text = label
      spans[piece.word].probability = probability
    }
    return prediction(spans, truncated: encoded.truncated)
  }

  private func pooled(_ texts: [Text], _ runner: HeadRunner) throws(ClozeError) -> [Prediction] {
    let head = runner.head
    let embedded = try embed(
      texts, text: TextOptions(maxTokens: head.maxTokens),
      embedding: EmbeddingOptions(pooling: head.pooling, normalize: false))
    let logits = try run(runner, embedded.values, rows: texts.count)
    let count = head.outputs
    var predictions: [Prediction] = []
    for (i, truncated) in embedded.truncated.enumerated() {
      var row = Array(logits[(i * count)..<((i + 1) * count)])
      var prediction = Prediction()
      prediction.truncated = truncated
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

  private func tag(
    _ text: Text, _ runner: HeadRunner, _ tokenizer: Tokenizer
  ) throws(ClozeError) -> Prediction {
    let encoding: Encoding
    do throws(TokenizerError) {
      encoding = try tokenizer.encode(
        text.first, maxTokens: runner.head.maxTokens, truncation: .longestFirst)
    } catch { throw ClozeError(error) }
    // A token that goes on where the one before ended, and begins with ##, belongs to its word.
    var words: [(token: Int64, begin: Int, end: Int)] = []
    for (token, range) in encoding.offsets.enumerated() where range.end > range.begin {
      let goesOn = tokenizer.token(for: encoding.ids[token])?.hasPrefix("##") ?? false
      if goesOn, let last = words.indices.last {
        words[last].end = Int(range.end)
      } else {
        words.append((Int64(token), Int(range.begin), Int(range.end)))
      }
    }
    let logits = try logits(runner, encoding.ids, encoding.typeIDs, words.map(\.token))
    var spans: [Prediction.Span] = []
    for (row, word) in words.enumerated() {
      let (label, probability) = best(logits, row, runner.head.labels)
      spans.append(
        Prediction.Span(begin: word.begin, end: word.end, text: label, probability: probability))
    }
    return prediction(spans, truncated: encoding.truncated)
  }

  private func prediction(_ words: [Prediction.Span], truncated: Bool) -> Prediction {
    var prediction = Prediction()
    prediction.tags = words
    prediction.truncated = truncated
    for entity in Entity.all(in: words.map(\.text)) {
      let lowest = words[entity.first...entity.last].reduce(1) { min($0, $1.probability) }
      prediction.entities.append(
        Prediction.Span(
          begin: words[entity.first].begin, end: words[entity.last].end, text: entity.type,
          probability: lowest))
    }
    return prediction
  }

  private func answer(
    _ text: Text, _ runner: HeadRunner, _ tokenizer: Tokenizer
  ) throws(ClozeError) -> Prediction {
    let head = runner.head
    let passage = text.second ?? ""
    let windows: PassageWindows
    do throws(TokenizerError) {
      windows = try PassageWindows(
        text.first, passage, tokenizer, maxTokens: head.maxTokens, stride: head.stride)
    } catch { throw ClozeError(error) }
    var search = AnswerSearch()
    for window in windows.windows {
      let logits = try logits(
        runner, window.ids, window.typeIDs, (0..<window.ids.count).map(Int64.init))
      let offsets = Array(windows.offsets[window.passage])
      logits.withUnsafeBufferPointer {
        search.add(
          $0, first: window.first, last: window.first + window.passage.count, offsets: offsets)
      }
    }
    var prediction = Prediction()
    guard let span = search.answer(threshold: head.noAnswerThreshold) else { return prediction }
    let bytes = passage.utf8.dropFirst(span.begin).prefix(max(0, span.end - span.begin))
    prediction.answer = Prediction.Span(
      begin: span.begin, end: span.end, text: String(decoding: Array(bytes), as: UTF8.self),
      probability: 1 / (1 + exponential(-search.margin)))
    return prediction
  }

  /// The head's outputs for some tokens of one sequence.
  private func logits(
    _ runner: HeadRunner, _ ids: [Int32], _ types: [Int32], _ positions: [Int64]
  ) throws(ClozeError) -> [Float] {
    guard !positions.isEmpty else { return [] }
    let width = model.info.hiddenSize
    let rows = try filled(bytes(positions.count, width)) { values throws(ClozeError) in
      let failure = positions.withUnsafeBufferPointer { positions -> ClozeError? in
        ids.withUnsafeBufferPointer { ids in
          types.withUnsafeBufferPointer { types in
            var output = Output(.hidden, values: values)
            output.positions = positions
            return withUnsafePointer(to: output) { output -> ClozeError? in
              do throws(ClozeError) {
                try exclusively { () throws(ClozeError) in
                  try run(
                    ids, types, [0, ids.count], UnsafeBufferPointer(start: output, count: 1))
                }
                return nil
              } catch { return error }
            }
          }
        }
      }
      if let failure { throw failure }
    }
    return try run(runner, rows, rows: positions.count)
  }

  private func run(_ runner: HeadRunner, _ rows: [Float], rows count: Int) throws(ClozeError)
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
  private func best(
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

  private func exponential(_ x: Float) -> Float {
    // softmax of (x, 0) is (s, 1 - s) with s / (1 - s) = exp(x); for large x the ratio is infinite.
    var pair: [Float] = [x, 0]
    softmax(&pair)
    return pair[1] > 0 ? pair[0] / pair[1] : .infinity
  }
}
