internal import ClozeIO

/// Splits normalised text into words as Hugging Face's BertPreTokenizer does, at whitespace and around each
/// punctuation character, and words into pieces of the vocabulary.
///
/// Borrows the buffers of an `EncodingScratch` until `returnBuffers`.
struct WordSink: ScalarSink {
  private let table: Vocabulary.Table
  private let unknownID: Int32
  private let longestWord: Int
  /// The number of tokens after which no more are needed.
  private let limit: Int

  private var word: RawBuffer<UInt8>
  private var spans: RawBuffer<ByteRange>
  private(set) var tokens: RawBuffer<TokenRecord>

  /// Scalars in the current word; bytes are kept for at most `longestWord` of them.
  private var characters = 0
  /// The original bytes of the current word.
  private var begin = 0
  private var end = 0
  /// Whether byte `i` of the word comes from original byte `begin + i`, so that spans are not needed.
  private var isDirect = true
  /// The position of the first word that needs an unknown token, where the vocabulary has none.
  private(set) var missingUnknownAt: Int?

  init(
    table: Vocabulary.Table, unknownID: Int32, longestWord: Int, limit: Int, scratch: EncodingScratch,
    tokens: RawBuffer<TokenRecord>
  ) {
    self.table = table
    self.unknownID = unknownID
    self.longestWord = longestWord
    self.limit = limit
    word = scratch.word
    spans = scratch.wordSpans
    self.tokens = tokens
    word.count = 0
  }

  /// Returns the word buffers, which may have grown.
  func returnBuffers(to scratch: EncodingScratch) {
    scratch.word = word
    scratch.wordSpans = spans
  }

  var isFull: Bool { @inline(__always) get { tokens.count > limit } }

  /// Appends an added token.
  mutating func append(token id: Int32, begin: Int, end: Int) {
    endWord()
    tokens.append(record(id, begin, end))
  }

  @inline(__always) mutating func append(ascii byte: UInt8, kind: ASCIIKind, at position: Int) {
    if kind == .letter {
      extend(bytes: 1, position, position &+ 1)
      if characters <= longestWord {
        word.base[word.count] = byte
        word.count &+= 1
      }
      return
    }
    endWord()
    if kind == .punctuation {
      extend(bytes: 1, position, position &+ 1)
      word.base[word.count] = byte
      word.count &+= 1
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
    let length = scalar < 0x80 ? 1 : scalar < 0x800 ? 2 : scalar < 0x10000 ? 3 : 4
    extend(bytes: length, begin, end)
    if characters <= longestWord || alone { word.count &+= UTF8Scan.encode(scalar, word.base + word.count) }
    if alone { endWord() }
  }

  /// Adds a character of `bytes` bytes, from the original bytes `from..<to`, to the word's length and spans, and
  /// reserves memory for it.
  @inline(__always) private mutating func extend(bytes: Int, _ from: Int, _ to: Int) {
    if characters == 0 {
      begin = from
      isDirect = true
    }
    characters &+= 1
    if characters > longestWord && characters > 1 {
      end = to
      return
    }
    // Lookups read up to eight bytes past the word.
    word.reserve(16)
    if isDirect {
      if to &- from == bytes && (characters == 1 || from == end) {
        end = to
        return
      }
      keepSpans()
    }
    spans.count = word.count
    spans.reserve(4)
    for i in 0..<bytes {
      spans.base[word.count &+ i] = ByteRange(
        begin: Int32(truncatingIfNeeded: from), end: Int32(truncatingIfNeeded: to))
    }
    end = to
  }

  /// Stores the spans of the bytes so far, which were direct.
  @inline(never) private mutating func keepSpans() {
    isDirect = false
    spans.count = 0
    spans.reserve(word.count &+ 4)
    // Where pieces begin and end, direct bytes are at scalar boundaries.
    for i in 0..<word.count {
      spans.base[i] = ByteRange(
        begin: Int32(truncatingIfNeeded: begin &+ i), end: Int32(truncatingIfNeeded: begin &+ i &+ 1))
    }
  }

  @inline(__always) mutating func endWord() { if characters != 0 { tokenizeWord() } }

  @inline(__always) private func record(_ id: Int32, _ begin: Int, _ end: Int) -> TokenRecord {
    TokenRecord(id: id, begin: Int32(truncatingIfNeeded: begin), end: Int32(truncatingIfNeeded: end))
  }

  /// Appends the pieces of the word, or one unknown token, and begins a new word.
  private mutating func tokenizeWord() {
    let count = word.count
    let isTooLong = characters > longestWord
    word.count = 0
    characters = 0
    if isTooLong {
      appendUnknown()
      return
    }
    let bytes = UnsafePointer(word.base)
    let whole = table.id(bytes, count)
    if whole >= 0 {
      tokens.append(record(whole, begin, end))
      return
    }
    let first = tokens.count
    var from = 0
    while from < count {
      let found = from == 0 ? table.initial.longest(bytes, 0, count) : table.continuing.longest(bytes, from, count)
      if found.value < 0 {
        tokens.count = first
        appendUnknown()
        return
      }
      if isDirect {
        tokens.append(record(found.value, begin &+ from, begin &+ found.end))
      } else {
        tokens.append(TokenRecord(id: found.value, begin: spans.base[from].begin, end: spans.base[found.end &- 1].end))
      }
      from = found.end
    }
  }

  private mutating func appendUnknown() {
    if unknownID < 0 && missingUnknownAt == nil { missingUnknownAt = begin }
    tokens.append(record(unknownID, begin, end))
  }
}

/// Stores normalised text, each byte with its original range.
struct TextSink: ScalarSink {
  private(set) var text: RawBuffer<UInt8>
  private(set) var spans: RawBuffer<ByteRange>

  init(_ scratch: EncodingScratch) {
    text = scratch.text
    spans = scratch.textSpans
    text.count = 0
    spans.count = 0
  }

  func returnBuffers(to scratch: EncodingScratch) {
    scratch.text = text
    scratch.textSpans = spans
  }

  var isFull: Bool { false }

  mutating func append(ascii byte: UInt8, kind: ASCIIKind, at position: Int) {
    text.append(byte)
    spans.append(ByteRange(begin: Int32(truncatingIfNeeded: position), end: Int32(truncatingIfNeeded: position &+ 1)))
  }

  mutating func append(scalar: UInt32, flags: UInt32, begin: Int, end: Int) {
    text.reserve(4)
    let length = UTF8Scan.encode(scalar, text.base + text.count)
    text.count &+= length
    for _ in 0..<length {
      spans.append(ByteRange(begin: Int32(truncatingIfNeeded: begin), end: Int32(truncatingIfNeeded: end)))
    }
  }
}
