internal import ClozeIO
internal import ClozeTokenizer

/// Predictions about parts of texts: the tags of words, and answers in passages; within `exclusively`.
extension Session {
  /// The tag of each word of each text.
  func tags<Source: TextSource>(of texts: Source, _ task: TaskHead, truncated: UnsafeMutablePointer<UInt8>?)
    throws(ClozeError) -> [ScoredLabel]
  {
    let tokenizer = try model.requiredTokenizer()
    let buffer = EncodingBuffer()
    var scored: [ScoredLabel] = []
    try forEachBatch(
      of: FirstTexts(texts: texts), TextOptions(maxTokens: task.maxTokens), in: buffer, truncated: truncated
    ) { batch, range throws(ClozeError) in
      let start = scored.count
      var positions: [Int64] = []
      for (i, text) in range.enumerated() {
        let first = scored.count
        for token in batch.offsets[i]..<batch.offsets[i + 1] {
          let place = buffer.offsets[token]
          guard place.end > place.begin else { continue }
          let isContinuation = tokenizer.token(for: batch.ids[token])?.hasPrefix("##") ?? false
          if isContinuation, scored.count > first {
            let begin = scored[scored.count - 1].bytes.lowerBound
            scored[scored.count - 1].bytes = begin..<max(begin, Int(place.end))
          } else {
            positions.append(Int64(token))
            scored.append(ScoredLabel(text: text, bytes: Int(place.begin)..<Int(place.end), score: 0))
          }
        }
      }
      var logits = try outputs(of: task, batch, at: positions)
      for row in positions.indices {
        let (label, probability) = best(&logits, row, task.head.outputs)
        scored[start + row].label = label
        scored[start + row].score = probability
      }
    }
    return scored
  }

  /// The answer to each question in its passage.
  func answers<Source: TextSource>(to texts: Source, _ task: TaskHead, truncated: UnsafeMutablePointer<UInt8>?)
    throws(ClozeError) -> [ScoredLabel]
  {
    let tokenizer = try model.requiredTokenizer()
    var searches = Array(repeating: AnswerSearch(), count: texts.count)
    // Windows that are in the buffer, with the indices of their texts.
    var gathered: [(text: Int, first: Int, offsets: [ByteRange])] = []
    // The next window to gather, of the text after it where it was the last.
    var passage: PassageWindows?
    var (text, number) = (0, 0)
    try forEachBatch(in: tokens) { _ throws(ClozeError) in
      if let windows = passage?.windows, number == windows.count {
        passage = nil
        (text, number) = (text + 1, 0)
      }
      guard text < texts.count else { return false }
      if passage == nil {
        passage = try texts.withText(text) { question, passage throws(ClozeError) in
          guard let passage else { throw Self.noPair(text) }
          do throws(ClozeError) {
            return try PassageWindows(question, passage, tokenizer, maxTokens: task.maxTokens, stride: task.stride)
          } catch { throw error.prefixed(texts.prefix(text)) }
        }
        truncated?[text] = 0
      }
      guard let passage else { return false }
      let window = passage.windows[number]
      do throws(ClozeError) { try tokenizer.check(window.ids, rows: model.info.vocabSize) } catch {
        throw error.prefixed(texts.prefix(text))
      }
      tokens.append(window.ids, typeIDs: window.typeIDs)
      gathered.append((text, window.first, Array(passage.offsets[window.passage])))
      number += 1
      return true
    } _: { batch, range throws(ClozeError) in
      let logits = try outputs(of: task, batch, at: (0..<batch.tokens).map { Int64($0) })
      logits.withUnsafeBufferPointer { logits in
        for (i, window) in gathered.prefix(range.count).enumerated() {
          let rows = (2 * batch.offsets[i])..<(2 * batch.offsets[i + 1])
          searches[window.text].add(
            UnsafeBufferPointer(rebasing: logits[rows]), first: window.first, last: window.first + window.offsets.count,
            offsets: window.offsets)
        }
      }
      gathered.removeFirst(range.count)
    }
    return searches.enumerated().map { text, search in
      guard let span = search.answer(threshold: task.noAnswerThreshold) else {
        return ScoredLabel(text: text, label: nil, score: 0)
      }
      return ScoredLabel(
        text: text, bytes: span.begin..<max(span.begin, span.end), label: 0, score: sigmoid(search.margin))
    }
  }
}

/// The first texts of a list, without their pairs.
private struct FirstTexts<Source: TextSource>: TextSource {
  let texts: Source
  var count: Int { texts.count }

  func withText<Result>(
    _ index: Int, _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer?) throws(ClozeError) -> Result
  ) throws(ClozeError) -> Result { try texts.withText(index) { first, _ throws(ClozeError) in try body(first, nil) } }
}
