internal import ClozeIO

/// Grouping tokens into words.
extension Tokenizer {
  /// For each token of a single text that begins a word, where it does; nil for those that continue one, and for special
  /// tokens.
  ///
  /// Of WordPiece the prefix of a piece says whether it continues a word. Of other models white space before a token or
  /// at its beginning does, as in transformers' pipelines; the word begins after it.
  package func wordBeginnings(_ encoding: Encoding, in text: UnsafeRawBufferPointer) -> [Int?] {
    let base = text.assumingMemoryBound(to: UInt8.self).baseAddress
    let unicode = UnicodeTables.shared
    var isFirst = true
    return encoding.offsets.indices.map { token in
      let place = encoding.offsets[token]
      guard place.end > place.begin, let base else { return nil }
      let begin = Int(place.begin)
      defer { isFirst = false }
      if marksContinuations { return isFirst || !isContinuation(encoding.ids[token]) ? begin : nil }
      func isSpace(_ p: Int) -> Bool {
        unicode.entry(UTF8Scan.decode(base, p).scalar) & ScalarFlags.whitespace != 0
      }
      var first = begin
      while first < Int(place.end), isSpace(first) { first &+= UTF8Scan.length(base[first]) }
      guard first < Int(place.end) else { return isFirst ? begin : nil }
      let follows = first == begin && (begin == 0 || !isSpace(UTF8Scan.start(before: begin, base, 0)))
      return isFirst || !follows ? first : nil
    }
  }

  /// Whether the model is WordPiece with a prefix of pieces that continue a word.
  private var marksContinuations: Bool {
    switch pipeline?.model {
    case nil, .wordPiece: !definition.continuingPrefix.isEmpty
    case .unigram, .bpe: false
    }
  }

  private func isContinuation(_ id: Int32) -> Bool { bytes(of: id)?.starts(with: definition.continuingPrefix) ?? false }
}
