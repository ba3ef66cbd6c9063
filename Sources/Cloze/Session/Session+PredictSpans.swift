internal import CClozeSupport
internal import ClozeIO
internal import ClozeTokenizer

/// Sequences that go through the encoder together, end to end, and which of their tokens a head
/// reads.
struct TokenBatch {
  private(set) var ids: [Int32] = []
  private(set) var typeIDs: [Int32] = []
  private(set) var offsets = [0]
  private(set) var positions: [Int64] = []

  /// - Parameter read: counted within the sequence.
  mutating func append(_ ids: [Int32], _ typeIDs: [Int32], reading read: some Sequence<Int>) {
    for place in read { positions.append(Int64(self.ids.count + place)) }
    self.ids += ids
    self.typeIDs += typeIDs
    offsets.append(self.ids.count)
  }

  mutating func removeAll() {
    ids.removeAll(keepingCapacity: true)
    typeIDs.removeAll(keepingCapacity: true)
    positions.removeAll(keepingCapacity: true)
    offsets = [0]
  }
}

/// Predictions about tokens: tags, and answers in passages. A prediction depends on nothing but its
/// text, however many are asked for at once.
extension Session {
  /// Tags of texts; within `exclusively`.
  func tags(
    of texts: [Text], _ runner: HeadRunner, _ tokenizer: Tokenizer
  ) throws(ClozeError) -> [Prediction] {
    var predictions: [Prediction] = []
    var batch = TokenBatch()
    /// Of the texts in the batch.
    var waiting: [(words: [Prediction.Span], truncated: Bool)] = []
    for (index, text) in texts.enumerated() {
      guard !encoder.team.isStopped else { throw ClozeError(.cancelled, "cancelled") }
      let encoding: Encoding
      do throws(ClozeError) {
        encoding = try tokenizer.encode(
          text.first, maxTokens: runner.head.maxTokens, truncation: .longestFirst)
      } catch { throw error.prefixed(texts.count > 1 ? "text \(index): " : "") }
      // A token that goes on where the one before ended, and begins with ##, belongs to its word.
      var words: [Prediction.Span] = []
      var first: [Int] = []
      for (token, range) in encoding.offsets.enumerated() where range.end > range.begin {
        let goesOn = tokenizer.token(for: encoding.ids[token])?.hasPrefix("##") ?? false
        if goesOn, let last = words.indices.last {
          words[last].end = Int(range.end)
        } else {
          first.append(token)
          words.append(
            Prediction.Span(
              begin: Int(range.begin), end: Int(range.end), text: "O", probability: 0))
        }
      }
      batch.append(encoding.ids, encoding.typeIDs, reading: first)
      waiting.append((words, encoding.truncated))
      guard batch.ids.count >= Self.chunkTokens || index == texts.count - 1 else { continue }
      let logits = try logits(runner, batch)
      var row = 0
      for (words, truncated) in waiting {
        var words = words
        for place in words.indices {
          (words[place].text, words[place].probability) = best(logits, row, runner.head.labels)
          row += 1
        }
        predictions.append(prediction(words, truncated: truncated))
      }
      batch.removeAll()
      waiting.removeAll(keepingCapacity: true)
    }
    return predictions
  }

  func prediction(_ words: [Prediction.Span], truncated: Bool) -> Prediction {
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

  /// Answers to questions, each with its passage; within `exclusively`.
  func answers(
    to texts: [Text], _ runner: HeadRunner, _ tokenizer: Tokenizer
  ) throws(ClozeError) -> [Prediction] {
    let head = runner.head
    var searches = Array(repeating: AnswerSearch(), count: texts.count)
    var batch = TokenBatch()
    /// Of the windows in the batch.
    var waiting: [(text: Int, first: Int, offsets: [ByteRange])] = []
    for (index, text) in texts.enumerated() {
      let windows: PassageWindows
      do throws(ClozeError) {
        windows = try PassageWindows(
          text.first, text.second ?? "", tokenizer, maxTokens: head.maxTokens, stride: head.stride)
      } catch { throw error.prefixed(texts.count > 1 ? "text \(index): " : "") }
      for (number, window) in windows.windows.enumerated() {
        guard !encoder.team.isStopped else {
          throw ClozeError(.cancelled, "cancelled")
        }
        batch.append(window.ids, window.typeIDs, reading: window.ids.indices)
        waiting.append((index, window.first, Array(windows.offsets[window.passage])))
        let isLast = index == texts.count - 1 && number == windows.windows.count - 1
        guard batch.ids.count >= Self.chunkTokens || isLast else { continue }
        let logits = try logits(runner, batch)
        logits.withUnsafeBufferPointer { logits in
          for (item, (text, first, offsets)) in waiting.enumerated() {
            let (begin, end) = (batch.offsets[item], batch.offsets[item + 1])
            guard 2 * end <= logits.count else { continue }
            searches[text].add(
              UnsafeBufferPointer(rebasing: logits[(2 * begin)..<(2 * end)]), first: first,
              last: first + offsets.count, offsets: offsets)
          }
        }
        batch.removeAll()
        waiting.removeAll(keepingCapacity: true)
      }
    }
    return zip(texts, searches).map { text, search in
      var prediction = Prediction()
      if let span = search.answer(threshold: head.noAnswerThreshold) {
        let passage = (text.second ?? "").utf8
        let bytes = passage.dropFirst(span.begin).prefix(max(0, span.end - span.begin))
        prediction.answer = Prediction.Span(
          begin: span.begin, end: span.end, text: String(decoding: Array(bytes), as: UTF8.self),
          probability: 1 / (1 + exponential(-search.margin)))
      }
      return prediction
    }
  }

  /// The head's outputs for the tokens of a batch that it reads, [positions, outputs]; within
  /// `exclusively`.
  func logits(_ runner: HeadRunner, _ batch: TokenBatch) throws(ClozeError) -> [Float] {
    guard !batch.positions.isEmpty else { return [] }
    let width = model.info.hiddenSize
    let rows = try filled(bytes(batch.positions.count, width)) { values throws(ClozeError) in
      let failure = batch.positions.withUnsafeBufferPointer { positions in
        batch.ids.withUnsafeBufferPointer { ids in
          batch.typeIDs.withUnsafeBufferPointer { types -> ClozeError? in
            var output = Output(.hidden, values: values)
            output.positions = positions
            output.isMixed = runner.mix != nil
            return withUnsafePointer(to: output) { output -> ClozeError? in
              do throws(ClozeError) {
                try run(ids, types, batch.offsets, UnsafeBufferPointer(start: output, count: 1))
                return nil
              } catch { return error }
            }
          }
        }
      }
      if let failure { throw failure }
    }
    return try run(runner, rows, rows: batch.positions.count)
  }
}
