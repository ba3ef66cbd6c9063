internal import Cloze
public import ClozeIO
internal import ClozeTokenizer
internal import Synchronization

/// How a vocabulary is learned. The defaults are those of Hugging Face's BertWordPieceTokenizer.
public struct VocabularyOptions: Sendable {
  /// The number of pieces, special tokens included.
  public var size = 30_000
  /// Whether text is lower-cased.
  public var lowercase = true
  /// Whether accents are removed; nil: as `lowercase`.
  public var stripAccents: Bool?
  /// Pieces are made of pairs that occur at least so often.
  public var minFrequency = 2
  /// The largest number of different characters; the rarest beyond it are left out of words.
  public var limitAlphabet = 1000
  /// Threads that count words; nil: as many as the process may use. The result does not depend on it.
  public var threads: Int?

  /// Most different words, and bytes of all of them, that are kept from one part of the text to the next.
  package var (maximumWords, maximumBytes) = (4_000_000, 256 << 20)
  /// Bytes of a block of text that one thread takes at a time.
  package var blockSize = 1 << 18

  /// All defaults.
  public init() {}

  /// Refuses numbers out of range.
  func check() throws(ClozeError) {
    for (name, value, most) in [
      ("size", size, 1 << 24), ("minimum frequency", minFrequency, Int(Int32.max)),
      ("limit of the alphabet", limitAlphabet, 1 << 21), ("threads", threads ?? 1, Team.maxThreads),
    ] where value < 1 || value > most {
      throw ClozeError(.invalidArgument, "\(name) = \(value), expected 1 to \(most)")
    }
  }
}

/// How far the learning of a vocabulary is.
public enum VocabularyProgress: Sendable {
  /// Text is being read; so many bytes are done.
  case reading(bytes: Int)
  /// Pieces are being made; so many there are.
  case merging(pieces: Int, size: Int)
}

/// Learns a WordPiece vocabulary from text: byte-pair encoding over the words of BERT's normalizer and pre-tokenizer,
/// as WordPieceTrainer of Hugging Face's `tokenizers` does it.
public struct VocabularyTrainer: Sendable {
  /// The first pieces.
  static let specialTokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
  /// Of pieces that continue a word.
  static let prefix = Array("##".utf8)
  /// Longer words, in bytes, are left out: the tokenizer makes [UNK] of words of more than 100 characters.
  static let longestWord = 1000
  /// Blocks that are counted between two looks at the bounds of the table of words.
  static let blocksPerRound = 64

  let options: VocabularyOptions

  /// - Throws: `.invalidArgument` for options out of range.
  public init(options: VocabularyOptions = VocabularyOptions()) throws(ClozeError) {
    try options.check()
    self.options = options
  }

  /// Learns from files of text in UTF-8, which are read once, in order, and never held in memory.
  ///
  /// - Parameters:
  ///   - files: paths; "-" is standard input.
  ///   - progress: called on this thread, several times a second; false ends the learning.
  /// - Throws: `.notFound`, `.io`; `.invalidText` with file and line for bytes that are not UTF-8, and where there is
  ///   no word; `.invalidArgument` where `size` is too small for special tokens and characters, with the least size;
  ///   `.cancelled`.
  public func train(files: [String], progress: (VocabularyProgress) -> Bool = { _ in true }) throws(ClozeError)
    -> LearnedVocabulary
  {
    // Files that are missing are named before the others are read.
    for path in files where path != "-" {
      if (try? FileKind(path)) == .missing { throw ClozeError(.notFound, "\(path): no such file") }
    }
    var counter = try WordCounter(options)
    try counter.count(files) { progress(.reading(bytes: $0)) }
    guard counter.words.count > 0 else {
      throw ClozeError(
        .invalidText, "\(files.first ?? "no file")\(files.count > 1 ? " and the others" : "") has no word")
    }
    let alphabet = Alphabet(counter.words, limit: options.limitAlphabet)
    let first = Self.specialTokens.map { Array($0.utf8) } + alphabet.pieces
    guard first.count <= options.size else {
      throw ClozeError(
        .invalidArgument,
        "size = \(options.size), special tokens and the characters of the text alone are \(first.count) pieces; the "
          + "size must be \(first.count) or more, or the alphabet limited")
    }
    var merger = PieceMerger(first)
    counter.words.forEach { word, times in merger.add(alphabet.ids(word, from: Self.specialTokens.count), times: times)
    }
    var result = LearnedVocabulary(options, counter, alphabet)
    counter.words.removeAll()
    let isComplete = merger.merge(size: options.size, minFrequency: options.minFrequency) {
      progress(.merging(pieces: $0, size: options.size))
    }
    guard isComplete else { throw ClozeError(.cancelled, "cancelled") }
    result.pieces = merger.pieces.map { String(decoding: $0, as: UTF8.self) }
    return result
  }
}
