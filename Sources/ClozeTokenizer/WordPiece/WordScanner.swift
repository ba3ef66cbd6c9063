internal import ClozeIO

/// The words of texts as BERT's normalizer and pre-tokenizer make them, which need no vocabulary. For one thread.
package final class WordScanner {
  private let tables: NormalizerTables
  private let scratch = EncodingScratch()

  /// - Parameters:
  ///   - lowercase: whether text is lower-cased.
  ///   - stripAccents: whether accents are removed; nil: as `lowercase`.
  package init(lowercase: Bool, stripAccents: Bool?) {
    tables = NormalizerTables(NormalizerOptions(stripAccents: stripAccents, lowercase: lowercase))
  }

  /// Calls `body` with the bytes of each word, in order, valid during the call. BertPreTokenizer's split: at
  /// whitespace, and around each punctuation character.
  ///
  /// - Parameter text: UTF-8, which is not checked.
  package func forEachWord(in text: UnsafeBufferPointer<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) -> Void) {
    guard let base = text.baseAddress else { return }
    var sink = TextSink(scratch)
    defer { sink.returnBuffers(to: scratch) }
    tables.normalize(base, text.count, into: &sink)
    let (bytes, count) = (UnsafePointer(sink.text.base), sink.text.count)
    let (kinds, unicode) = (tables.normalizer.kinds, tables.normalizer.unicode)
    func word(_ begin: Int, _ end: Int) {
      if end > begin { body(UnsafeBufferPointer(start: bytes + begin, count: end &- begin)) }
    }
    var (begin, p) = (0, 0)
    while p < count {
      var (kind, length) = (kinds[Int(bytes[p])], 1)
      if kind == .other {
        let scalar = UTF8Scan.decode(bytes, p)
        let flags = unicode.entry(scalar.scalar)
        length = scalar.length
        kind = .letter
        if flags & ScalarFlags.whitespace != 0 { kind = .space }
        if flags & ScalarFlags.punctuation != 0 { kind = .punctuation }
      }
      if kind != .letter {
        word(begin, p)
        begin = p &+ length
        if kind == .punctuation { word(p, begin) }
      }
      p &+= length
    }
    word(begin, p)
  }
}
