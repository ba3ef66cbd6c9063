internal import CClozeSupport
package import ClozeIO
internal import ClozeTokenizer

/// Texts in UTF-8, wherever they lie.
package protocol TextSource {
  var count: Int { get }
  /// Calls `body` with the bytes of a text and, where it is a pair, of its second text.
  func withText<Result>(
    _ index: Int,
    _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer?) throws(ClozeError) -> Result
  ) throws(ClozeError) -> Result
}

/// Texts as Swift holds them.
struct SwiftTexts: TextSource {
  let texts: [Text]
  var count: Int { texts.count }

  func withText<Result>(
    _ index: Int,
    _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer?) throws(ClozeError) -> Result
  ) throws(ClozeError) -> Result {
    var first = texts[index].first
    guard var second = texts[index].second else {
      return try Self.bytes(of: &first) { bytes throws(ClozeError) in try body(bytes, nil) }
    }
    return try Self.bytes(of: &first) { one throws(ClozeError) in
      try Self.bytes(of: &second) { two throws(ClozeError) in try body(one, two) }
    }
  }

  // `withUTF8` knows no typed errors.
  private static func bytes<Result>(
    of text: inout String, _ body: (UnsafeRawBufferPointer) throws(ClozeError) -> Result
  ) throws(ClozeError) -> Result {
    let result = text.withUTF8 { bytes -> Swift.Result<Result, ClozeError> in
      do throws(ClozeError) { return .success(try body(UnsafeRawBufferPointer(bytes))) } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }
}

extension Session {
  /// The limit of a sequence for a text call, checked.
  func limit(_ options: TextOptions) throws(ClozeError) -> Int {
    guard let most = options.maxTokens else { return model.info.maxTokens }
    guard most > 0, most <= model.info.maxPositionEmbeddings else {
      throw ClozeError(
        .invalidArgument,
        "max_tokens = \(most), the model takes 1 to \(model.info.maxPositionEmbeddings)")
    }
    return most
  }

  /// Tokenizes texts from `index` on until about a chunk of tokens is together, into `tokens` and
  /// `offsets`. Returns the first text not taken.
  func gather<Source: TextSource>(
    _ texts: Source, from index: Int, _ tokenizer: Tokenizer, limit: Int, truncation: Truncation,
    pairs: Bool = false, truncated: UnsafeMutablePointer<UInt8>?
  ) throws(ClozeError) -> Int {
    tokens.removeAll()
    offsets.removeAll(keepingCapacity: true)
    offsets.append(0)
    var index = index
    while index < texts.count, tokens.ids.count < Self.chunkTokens {
      // Long texts take long to tokenize, and counting tokens runs no model that would notice.
      guard !encoder.team.isStopped else { throw ClozeError(.cancelled, "cancelled") }
      let before = tokens.ids.count
      let cut = try texts.withText(index) { first, second throws(ClozeError) in
        if pairs, second == nil {
          throw ClozeError(.invalidArgument, "text \(index) is no pair; two sentences are needed")
        }
        do throws(ClozeError) {
          return try tokenizer.append(
            first, pair: second, maxTokens: limit, truncation: truncation, into: tokens)
        } catch { throw error.prefixed(texts.count > 1 ? "text \(index): " : "") }
      }
      guard tokens.ids.count > before else {
        throw ClozeError(
          .invalidText, "text \(index) gives no token; the tokenizer adds none to an empty text")
      }
      truncated?[index] = cut ? 1 : 0
      offsets.append(tokens.ids.count)
      index += 1
    }
    return index
  }

  /// Runs the model over what `gather` took.
  func runGathered(_ outputs: UnsafeBufferPointer<Output>) throws(ClozeError) {
    let failure = tokens.ids.withUnsafeBufferPointer { ids in
      tokens.typeIDs.withUnsafeBufferPointer { types -> ClozeError? in
        do throws(ClozeError) {
          try run(ids, types, offsets, outputs)
          return nil
        } catch { return error }
      }
    }
    if let failure { throw failure }
  }

  /// Runs the model over tokens of text.
  func run(
    _ ids: UnsafeBufferPointer<Int32>, _ types: UnsafeBufferPointer<Int32>, _ offsets: [Int],
    _ outputs: UnsafeBufferPointer<Output>
  ) throws(ClozeError) {
    // A model without token types takes a pair as one text.
    let types = model.info.typeVocabSize > 1 ? types : nil
    let failure = offsets.withUnsafeBufferPointer { offsets -> ClozeError? in
      do throws(ClozeError) {
        try run(RaggedBatch(ids: ids, typeIDs: types, offsets: offsets), outputs)
        return nil
      } catch { return error }
    }
    if let failure { throw failure }
  }
}
