package import ClozeIO

/// The words of texts as BERT's normalizer and pre-tokenizer make them, which need no vocabulary. For one thread.
package final class WordScanner {
  private let tables: NormalizerTables
  private var buffer: WordBuffer

  /// - Parameters:
  ///   - lowercase: whether text is lower-cased.
  ///   - stripAccents: whether accents are removed; nil: as `lowercase`.
  package init(lowercase: Bool, stripAccents: Bool?) {
    tables = NormalizerTables(NormalizerOptions(stripAccents: stripAccents, lowercase: lowercase))
    buffer = WordBuffer()
  }

  deinit { buffer.deallocate() }

  /// Calls `body` with the bytes of each word, in order, valid during the call.
  ///
  /// - Parameter text: UTF-8, which is not checked; fewer than 2^30 bytes.
  package func forEachWord(in text: UnsafeBufferPointer<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) -> Void) {
    guard let base = text.baseAddress else { return }
    buffer.removeAll()
    tables.normalizer.normalize(base, 0, text.count, into: &buffer)
    buffer.endWord()
    var begin = 0
    for i in 0..<buffer.ends.count {
      let end = Int(buffer.ends.base[i])
      body(UnsafeBufferPointer(start: buffer.bytes.base + begin, count: end &- begin))
      begin = end
    }
  }
}

/// Stores the words of normalised text end to end: BertPreTokenizer's split at whitespace and around each punctuation
/// character.
private struct WordBuffer: ScalarSink {
  private(set) var bytes = RawBuffer<UInt8>(capacity: 1 << 16)
  /// Where each word ends in `bytes`; the next one begins there.
  private(set) var ends = RawBuffer<UInt32>(capacity: 1 << 12)
  private var begin = 0

  func deallocate() {
    bytes.deallocate()
    ends.deallocate()
  }

  mutating func removeAll() {
    bytes.count = 0
    ends.count = 0
    begin = 0
  }

  var isFull: Bool { false }

  @inline(__always) mutating func append(ascii byte: UInt8, kind: ASCIIKind, at position: Int) {
    if kind == .letter {
      bytes.append(byte)
      return
    }
    endWord()
    if kind == .punctuation {
      bytes.append(byte)
      endWord()
    }
  }

  @inline(__always) mutating func append(scalar: UInt32, flags: UInt32, begin: Int, end: Int) {
    if flags & ScalarFlags.whitespace != 0 {
      endWord()
      return
    }
    let alone = flags & ScalarFlags.punctuation != 0
    if alone { endWord() }
    bytes.reserve(4)
    bytes.count &+= UTF8Scan.encode(scalar, bytes.base + bytes.count)
    if alone { endWord() }
  }

  @inline(__always) mutating func endWord() {
    if bytes.count == begin { return }
    ends.append(UInt32(truncatingIfNeeded: bytes.count))
    begin = bytes.count
  }
}
