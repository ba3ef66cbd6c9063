internal import ClozeIO
internal import ClozeTokenizer

/// Gathering sequences into batches of one chunk each; everything here runs within `exclusively`.
extension Session {
  /// The most tokens of a sequence of a text call.
  func limit(_ options: TextOptions) throws(ClozeError) -> Int {
    guard let limit = options.maxTokens else { return model.info.maxTokens }
    try model.info.checkLimit(limit)
    return limit
  }

  /// Tokenizes texts and calls `body` with one batch after another: whole texts, in order, of at most
  /// `tokens` tokens, or one text of more.
  ///
  /// - Parameters:
  ///   - pairs: whether every text must be a pair.
  ///   - buffer: what tokens are gathered in; the session's own keeps no offsets.
  ///   - truncated: [texts.count]
  ///   - body: a batch, and the indices of its texts.
  func forEachBatch<Source: TextSource>(
    of texts: Source, _ options: TextOptions, pairs: Bool = false, tokens limit: Int = Session.chunkTokens,
    in buffer: EncodingBuffer? = nil, truncated: UnsafeMutablePointer<UInt8>?,
    _ body: (_ batch: RaggedBatch, _ texts: Range<Int>) throws(ClozeError) -> Void
  ) throws(ClozeError) {
    let tokenizer = try model.requiredTokenizer()
    let longest = try self.limit(options)
    let buffer = buffer ?? tokens
    begin(texts: texts.count)
    try forEachBatch(in: buffer, tokens: limit) { index throws(ClozeError) in
      guard index < texts.count else { return false }
      let isTruncated = try texts.withText(index) { first, second throws(ClozeError) in
        if pairs, second == nil { throw Self.noPair(index) }
        let start = buffer.ids.count
        do throws(ClozeError) {
          let isTruncated = try tokenizer.append(
            first, pair: second, maxTokens: longest, truncation: options.truncation, into: buffer)
          guard buffer.ids.count > start else { throw Self.noToken }
          try tokenizer.check(buffer.ids[start...], rows: model.info.vocabSize)
          return isTruncated
        } catch { throw error.prefixed(texts.prefix(index)) }
      }
      truncated?[index] = isTruncated ? 1 : 0
      return true
    } _: { batch, texts throws(ClozeError) in
      try body(batch, texts)
      finish(texts: texts.upperBound)
    }
  }

  /// Gathers sequences in a buffer and calls `body` with one batch after another: whole sequences, in
  /// order, of at most `limit` tokens, or one sequence of more.
  ///
  /// A batch within `chunkTokens` goes through the layers as one chunk. How sequences are divided
  /// into batches does not show in results.
  ///
  /// - Parameters:
  ///   - append: appends the sequence of an index to the buffer; returns false where there is none.
  ///   - body: a batch, and the indices of its sequences.
  func forEachBatch(
    in buffer: EncodingBuffer, tokens limit: Int = Session.chunkTokens,
    _ append: (_ index: Int) throws(ClozeError) -> Bool,
    _ body: (_ batch: RaggedBatch, _ sequences: Range<Int>) throws(ClozeError) -> Void
  ) throws(ClozeError) {
    let hasTypes = model.info.typeVocabSize > 1
    let isValid = model.tokenizer.map { isInRange($0) } ?? false
    buffer.removeAll()
    offsets.removeAll(keepingCapacity: true)
    offsets.append(0)
    var first = 0
    var isComplete = false
    while true {
      while !isComplete, buffer.ids.count < limit {
        // Long texts take long to tokenize, and counting tokens runs no model that would notice.
        try checkCancellation()
        if try append(first + offsets.count - 1) { offsets.append(buffer.ids.count) } else { isComplete = true }
      }
      let gathered = offsets.count - 1
      if gathered == 0 { return }
      // The last one may not fit, and then begins the next batch.
      let count = gathered > 1 && offsets[gathered] > limit ? gathered - 1 : gathered
      let size = offsets[count]
      try buffer.ids.withUnsafeBufferPointer { ids throws(ClozeError) in
        try buffer.typeIDs.withUnsafeBufferPointer { types throws(ClozeError) in
          try offsets.withUnsafeBufferPointer { offsets throws(ClozeError) in
            var batch = RaggedBatch(
              ids: UnsafeBufferPointer(rebasing: ids[..<size]),
              // A model without token types reads a pair as one text.
              typeIDs: hasTypes ? UnsafeBufferPointer(rebasing: types[..<size]) : nil,
              offsets: UnsafeBufferPointer(rebasing: offsets[...count]))
            batch.isValid = isValid
            try body(batch, first..<(first + count))
          }
        }
      }
      buffer.removeFirst(size)
      offsets.removeAll(keepingCapacity: true)
      offsets.append(0)
      if count < gathered { offsets.append(buffer.ids.count) }
      first += count
    }
  }

  /// Whether every token that the tokenizer makes has a row in the model's tables.
  private func isInRange(_ tokenizer: Tokenizer) -> Bool {
    let info = model.info
    return tokenizer.vocabularySize <= info.vocabSize
      && (info.typeVocabSize <= 1 || tokenizer.largestTypeID < info.typeVocabSize)
  }

  static func noPair(_ index: Int) -> ClozeError {
    ClozeError(.invalidArgument, "text \(index) is not a pair; two texts are needed")
  }

  static var noToken: ClozeError {
    ClozeError(.invalidText, "the text has no token; the tokenizer adds none to an empty text")
  }
}

extension ModelInfo {
  /// Refuses a length limit that the model's positions do not cover.
  func checkLimit(_ maxTokens: Int) throws(ClozeError) {
    guard maxTokens > 0, maxTokens <= maxPositionEmbeddings else {
      throw ClozeError(.invalidArgument, "max_tokens = \(maxTokens), the model takes 1 to \(maxPositionEmbeddings)")
    }
  }
}
