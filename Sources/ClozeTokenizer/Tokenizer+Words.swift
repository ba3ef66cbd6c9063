internal import ClozeIO

/// Grouping tokens into words.
extension Tokenizer {
  /// For each token of a single text that begins a word, where it does; nil for those that continue one, and for
  /// special tokens.
  ///
  /// Of WordPiece the prefix of a piece says whether it continues a word. Of other models white space before a token or
  /// at its beginning does, as in transformers' pipelines; the word begins after it. A token of white space alone, as
  /// Unigram's mark of a word sometimes is, begins the word that follows: it has the label where words were given.
  package func wordBeginnings(_ encoding: Encoding, in text: UnsafeRawBufferPointer) -> [Int?] {
    let base = text.assumingMemoryBound(to: UInt8.self).baseAddress
    let unicode = UnicodeTables.shared
    // Where the last word begins.
    var last = -1
    return encoding.offsets.indices.map { token in
      let place = encoding.offsets[token]
      guard place.end > place.begin, let base else { return nil }
      let begin = Int(place.begin)
      if marksContinuations {
        guard last < 0 || !isContinuation(encoding.ids[token]) else { return nil }
        last = begin
        return begin
      }
      func isSpace(_ p: Int) -> Bool {
        unicode.entry(UTF8Scan.decode(base, p).scalar) & ScalarFlags.whitespace != 0
      }
      var first = begin
      while first < text.count, isSpace(first) { first &+= UTF8Scan.length(base[first]) }
      let follows = first == begin && (begin == 0 || !isSpace(UTF8Scan.start(before: begin, base, 0)))
      guard first < text.count, first > last, last < 0 || !follows else { return nil }
      last = first
      return first
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
