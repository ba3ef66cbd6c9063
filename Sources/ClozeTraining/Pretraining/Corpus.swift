internal import Cloze
internal import ClozeIO
internal import ClozeTokenizer

/// Documents as token ids, in temporary files: of a corpus, only eight bytes a document are in memory.
///
/// A file holds a sentence a line, and an empty line between documents; a document does not go on in the next file.
struct Corpus {
  /// Of all sentences, end to end.
  let ids: UnsafeBufferPointer<Int32>
  /// [sentences + 1] where each begins in `ids`.
  let sentences: UnsafeBufferPointer<Int64>
  /// [documents + 1] the first sentence of each.
  let documents: [Int]
  /// Lines with more tokens than a sequence has; each became several sentences.
  let splitLines: Int
  /// FNV-1a of all ids and where sentences and documents begin.
  let fingerprint: UInt64
  /// Keeps the files.
  private let files: (SpilledArray<Int32>, SpilledArray<Int64>)

  var documentCount: Int { documents.count - 1 }
  var sentenceCount: Int { sentences.count - 1 }

  /// The tokens of sentences `range`, which follow each other in `ids`.
  func tokens(_ range: Range<Int>) -> Range<Int> {
    Int(sentences[range.lowerBound])..<Int(sentences[range.upperBound])
  }

  /// The sentences of a document.
  func sentences(of document: Int) -> Range<Int> { documents[document]..<documents[document + 1] }

  /// Reads and tokenizes files.
  ///
  /// - Parameters:
  ///   - longest: most tokens of a sentence; a line with more becomes several sentences.
  ///   - folder: where the temporary files go.
  ///   - proceed: called now and then with the bytes read; false cancels.
  /// - Throws: `.invalidText` for a line that is not UTF-8, with file and line; `.io`; `.cancelled`.
  init(
    _ paths: [String], _ tokenizer: Tokenizer, longest: Int, folder: String, _ arithmetic: Arithmetic,
    proceed: (Int) -> Bool
  ) throws(ClozeError) {
    var builder = try CorpusBuilder(tokenizer, longest: longest, folder: folder, arithmetic)
    var before = 0
    for path in paths {
      let file = try SequentialFile(path: path)
      var reader = LineReader(file)
      while let line = try reader.next() {
        guard try builder.add(line, file.name) else { continue }
        guard proceed(before + reader.bytesConsumed) else { throw ClozeError(.cancelled, "cancelled") }
      }
      try builder.endFile()
      before += reader.bytesConsumed
    }
    files = (builder.ids, builder.sentences)
    ids = try files.0.finish()
    sentences = try files.1.finish()
    documents = builder.documents
    splitLines = builder.splitLines
    var hash = FNV1a()
    hash.add(ids)
    hash.add(sentences)
    hash.add(documents)
    fingerprint = hash.value
  }
}

/// Collects lines in blocks that threads tokenize together.
private struct CorpusBuilder {
  let ids: SpilledArray<Int32>
  let sentences: SpilledArray<Int64>
  private(set) var documents = [0]
  private(set) var splitLines = 0
  private let tokenizer: Tokenizer
  private let longest: Int
  private let arithmetic: Arithmetic
  /// Lines of the present block, end to end.
  private var text: [UInt8] = []
  /// Of each of them; nil: the end of a document.
  private var lines: [(range: Range<Int>, number: Int)?] = []
  private var fileName = ""
  private static let blockSize = 1 << 20

  init(_ tokenizer: Tokenizer, longest: Int, folder: String, _ arithmetic: Arithmetic) throws(ClozeError) {
    self.tokenizer = tokenizer
    self.longest = longest
    self.arithmetic = arithmetic
    ids = try SpilledArray(folder: folder)
    sentences = try SpilledArray(folder: folder)
    try sentences.append([0])
  }

  /// Adds a line; true after a block was tokenized.
  mutating func add(_ line: LineReader.Line, _ file: String) throws(ClozeError) -> Bool {
    fileName = file
    if line.bytes.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) {
      lines.append(nil)
      return false
    }
    lines.append((text.count..<(text.count + line.bytes.count), line.number))
    text += line.bytes
    guard text.count >= Self.blockSize else { return false }
    try tokenize()
    return true
  }

  mutating func endFile() throws(ClozeError) {
    lines.append(nil)
    try tokenize()
  }

  private mutating func tokenize() throws(ClozeError) {
    let parts = max(1, min(arithmetic.threads * 4, lines.count))
    final class Part: @unchecked Sendable {
      let buffer = EncodingBuffer(keepsOffsets: false)
      /// Where the tokens of each line end.
      var ends: [Int] = []
      var failure: ClozeError?
    }
    let results = (0..<parts).map { _ in Part() }
    let (lines, text, tokenizer, name) = (lines, text, tokenizer, fileName)
    try arithmetic.forEach(parts) { number in
      let part = results[number]
      text.withUnsafeBytes { bytes in
        for line in lines[(lines.count * number / parts)..<(lines.count * (number + 1) / parts)] {
          if let line {
            do throws(ClozeError) {
              try tokenizer.append(UnsafeRawBufferPointer(rebasing: bytes[line.range]), into: part.buffer)
            } catch {
              part.failure = ClozeError(error.status, "\(name), line \(line.number): \(error.reason)")
              return
            }
          }
          part.ends.append(part.buffer.ids.count)
        }
      }
    }
    for (number, part) in results.enumerated() {
      if let failure = part.failure { throw failure }
      let first = lines.count * number / parts
      var begin = 0
      for (i, end) in part.ends.enumerated() {
        defer { begin = end }
        guard lines[first + i] != nil else {
          endDocument()
          continue
        }
        // Without the special tokens around it.
        try addSentence(part.buffer.ids[(begin + 1)..<max(begin + 1, end - 1)])
      }
    }
    self.text.removeAll(keepingCapacity: true)
    self.lines.removeAll(keepingCapacity: true)
  }

  private mutating func addSentence(_ tokens: ArraySlice<Int32>) throws(ClozeError) {
    if tokens.count > longest { splitLines += 1 }
    var rest = tokens
    while !rest.isEmpty {
      let piece = rest.prefix(longest)
      rest = rest.dropFirst(longest)
      try ids.append(piece)
      try sentences.append([Int64(ids.count)])
    }
  }

  private mutating func endDocument() {
    let count = sentences.count - 1
    if count > documents[documents.count - 1] { documents.append(count) }
  }
}
