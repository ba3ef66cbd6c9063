internal import ClozeIO
internal import ClozeTokenizer

/// Predictions about parts of texts: the tags of words, and answers in passages; within `exclusively`. Texts of any
/// length are read in windows.
extension Session {
  /// The tag of each word of each text, words as the tokenizer separates them.
  func tags<Source: TextSource>(of texts: Source, _ task: TaskHead, truncated: UnsafeMutablePointer<UInt8>?)
    throws(ClozeError) -> [ScoredLabel]
  {
    let tokenizer = try model.requiredTokenizer()
    var scored: [ScoredLabel] = []
    // Of each text, the index of its first word.
    var begins: [Int] = []
    try forEachTag(count: texts.count, task) { text throws(ClozeError) in
      truncated?[text] = 0
      begins.append(scored.count)
      do throws(ClozeError) {
        let (encoding, beginnings) = try texts.withText(text) { first, _ throws(ClozeError) in
          let encoding = try tokenizer.encode(first)
          return (encoding, tokenizer.wordBeginnings(encoding, in: first))
        }
        try tokenizer.check(encoding.ids, rows: model.info.vocabSize)
        var firsts: [Int] = []
        for (token, place) in encoding.offsets.enumerated() where place.end > place.begin {
          if let begin = beginnings[token] {
            firsts.append(token)
            scored.append(ScoredLabel(text: text, bytes: begin..<max(begin, Int(place.end)), score: 0))
          } else if !firsts.isEmpty {
            let begin = scored[scored.count - 1].bytes.lowerBound
            scored[scored.count - 1].bytes = begin..<max(begin, Int(place.end))
          }
        }
        return try WordWindows(encoding, firsts: firsts, maxTokens: task.maxTokens, stride: task.stride).windows
      } catch { throw error.prefixed(texts.prefix(text)) }
    } _: { text, word, label, probability in
      scored[begins[text] + word].label = label
      scored[begins[text] + word].score = probability
    }
    return scored
  }

  /// The same for one text that is given as words, without those that have no token.
  func tags(of words: [String], _ task: TaskHead) throws(ClozeError) -> [(word: Int, tag: ScoredLabel)] {
    let tokenizer = try model.requiredTokenizer()
    let encoded = try WordEncoding(words, tokenizer, maxTokens: nil)
    try tokenizer.check(encoded.encoding.ids, rows: model.info.vocabSize)
    var tags: [(word: Int, tag: ScoredLabel)] = []
    try forEachTag(count: 1, task) { _ throws(ClozeError) in
      let firsts = encoded.pieces.map(\.token)
      return try WordWindows(encoded.encoding, firsts: firsts, maxTokens: task.maxTokens, stride: task.stride).windows
    } _: { text, piece, label, probability in
      tags.append((encoded.pieces[piece].word, ScoredLabel(text: text, label: label, score: probability)))
    }
    return tags
  }

  /// Calls `body` with the best tag of each word in the windows of `count` texts.
  private func forEachTag(
    count: Int, _ task: TaskHead, _ windows: (_ text: Int) throws(ClozeError) -> [WordWindows.Window],
    _ body: (_ text: Int, _ word: Int, _ label: Int, _ probability: Float) -> Void
  ) throws(ClozeError) {
    try forEachWindow(count: count, windows) { batch, gathered throws(ClozeError) in
      var positions: [Int64] = []
      for (i, entry) in gathered.enumerated() {
        for (_, token) in entry.window.words { positions.append(Int64(batch.offsets[i] + token)) }
      }
      var logits = try outputs(of: task, batch, at: positions)
      var row = 0
      for (text, window) in gathered {
        for (word, _) in window.words {
          let (label, probability) = best(&logits, row, task.head.outputs)
          body(text, word, label, probability)
          row += 1
        }
      }
    }
  }

  /// The answer to each question in its passage.
  func answers<Source: TextSource>(to texts: Source, _ task: TaskHead, truncated: UnsafeMutablePointer<UInt8>?)
    throws(ClozeError) -> [ScoredLabel]
  {
    let tokenizer = try model.requiredTokenizer()
    var searches = Array(repeating: AnswerSearch(), count: texts.count)
    var probabilities = Array(repeating: Float(0), count: texts.count)
    try forEachWindow(count: texts.count) { text throws(ClozeError) in
      truncated?[text] = 0
      let passage = try texts.withText(text) { question, passage throws(ClozeError) in
        guard let passage else { throw Self.noPair(text) }
        do throws(ClozeError) {
          let windows = try PassageWindows(
            question, passage, tokenizer, maxTokens: task.maxTokens, stride: task.stride)
          for window in windows.windows { try tokenizer.check(window.ids, rows: model.info.vocabSize) }
          return windows
        } catch { throw error.prefixed(texts.prefix(text)) }
      }
      return passage.windows.map { AnswerWindow($0, offsets: Array(passage.offsets[$0.passage])) }
    } _: { batch, gathered throws(ClozeError) in
      let logits = try outputs(of: task, batch, at: (0..<batch.tokens).map { Int64($0) })
      logits.withUnsafeBufferPointer { logits in
        for (i, (text, window)) in gathered.enumerated() {
          let rows = UnsafeBufferPointer(rebasing: logits[(2 * batch.offsets[i])..<(2 * batch.offsets[i + 1])])
          let (first, last) = (window.first, window.first + window.offsets.count)
          if let best = searches[text].add(rows, first: first, last: last, offsets: window.offsets) {
            probabilities[text] =
              probability(rows, 0, first..<last, best.start) * probability(rows, 1, first..<last, best.end)
          }
        }
      }
    }
    return searches.enumerated().map { text, search in
      guard let span = search.answer(threshold: task.noAnswerThreshold) else {
        return ScoredLabel(text: text, label: nil, score: 0)
      }
      return ScoredLabel(
        text: text, bytes: span.begin..<max(span.begin, span.end), label: 0, score: probabilities[text])
    }
  }

  /// The softmax of one column of logits [tokens, 2] at a token, over `[CLS]`, which stands for no answer, and the
  /// passage's tokens.
  private func probability(
    _ logits: UnsafeBufferPointer<Float>, _ column: Int, _ passage: Range<Int>, _ token: Int
  ) -> Float {
    var values = [logits[column]] + passage.map { logits[2 * $0 + column] }
    softmax(&values, values.indices)
    return values[1 + token - passage.lowerBound]
  }

  /// Runs the windows of `count` texts, one text after another.
  ///
  /// - Parameters:
  ///   - windows: the windows of a text, at least one.
  ///   - body: a batch, and its sequences' windows with the texts that they are of.
  private func forEachWindow<Window: TokenWindow>(
    count: Int, _ windows: (_ text: Int) throws(ClozeError) -> [Window],
    _ body: (_ batch: RaggedBatch, _ gathered: ArraySlice<(text: Int, window: Window)>) throws(ClozeError) -> Void
  ) throws(ClozeError) {
    // Windows that are in the buffer.
    var gathered: [(text: Int, window: Window)] = []
    // Those of the current text that are not, the next one last.
    var (text, pending) = (-1, [Window]())
    try forEachBatch(in: tokens) { _ throws(ClozeError) in
      while pending.isEmpty {
        text += 1
        guard text < count else { return false }
        pending = try windows(text).reversed()
      }
      let window = pending.removeLast()
      guard !window.ids.isEmpty else { throw Self.noToken }
      tokens.append(window.ids, typeIDs: window.typeIDs)
      gathered.append((text, window))
      return true
    } _: { batch, range throws(ClozeError) in
      try body(batch, gathered.prefix(range.count))
      gathered.removeFirst(range.count)
    }
  }
}

/// Tokens that go through the encoder as one sequence.
protocol TokenWindow {
  var ids: [Int32] { get }
  var typeIDs: [Int32] { get }
}

extension WordWindows.Window: TokenWindow {}

/// A window over a passage, with what an answer is found by.
private struct AnswerWindow: TokenWindow {
  let ids: [Int32]
  let typeIDs: [Int32]
  /// The place of the first token of the passage.
  let first: Int
  /// Of each token of the passage, the bytes.
  let offsets: [ByteRange]

  init(_ window: PassageWindows.Window, offsets: [ByteRange]) {
    ids = window.ids
    typeIDs = window.typeIDs
    first = window.first
    self.offsets = offsets
  }
}
