internal import ClozeIO

/// The stages of a tokenizer.json between added tokens and post-processing: normalizers, pre-tokenizers, a model.
///
/// Where they amount to BERT's, `Normalizer` and `WordSink` do all in one pass instead.
final class Pipeline: Sendable {
  enum Model: Sendable {
    case wordPiece
    case unigram(UnigramModel)
    case bpe(BPEModel)
  }

  let normalizers: [NormalizerStep]
  let splitters: [SplitterStep]
  let model: Model

  init(normalizers: [NormalizerStep], splitters: [SplitterStep], model: Model) {
    self.normalizers = normalizers
    self.splitters = splitters
    self.model = model
  }

  /// The tokens of a Unigram or BPE model.
  var table: PieceTable? {
    switch model {
    case .wordPiece: nil
    case .unigram(let model): model.table
    case .bpe(let model): model.table
    }
  }

  /// Whether a normalizer lower-cases text.
  var isLowercase: Bool {
    normalizers.contains {
      switch $0 {
      case .lowercase: true
      case .bert(let tables): tables.options.lowercase
      default: false
      }
    }
  }

  /// Normalizes `text`, with `other` as memory for versions of it.
  ///
  /// - Parameter origin: where in the original it begins.
  @inline(__always) static func normalize(
    _ steps: [NormalizerStep], _ text: inout AlignedText, _ other: inout AlignedText, origin: Int32
  ) throws(ClozeError) {
    for step in steps where try step.apply(text, into: &other, origin: origin) { swap(&text, &other) }
  }

  /// The normalised form of a text by itself, which must be UTF-8.
  static func normalized(_ text: [UInt8], _ steps: [NormalizerStep]) -> [UInt8] {
    var one = AlignedText()
    var other = AlignedText()
    defer {
      one.deallocate()
      other.deallocate()
    }
    text.withUnsafeBufferPointer { bytes in
      if let base = bytes.baseAddress { one.append(original: base, 0, bytes.count) }
    }
    // Only a regular expression that takes too long fails, on a text as short as a token.
    try? normalize(steps, &one, &other, origin: 0)
    return Array(UnsafeBufferPointer(start: one.bytes.base, count: one.count))
  }
}

/// The buffers of the stages, reused from text to text.
struct PipelineScratch {
  var text = AlignedText()
  var other = AlignedText()
  /// A normalised text whose parts between added tokens are in `text`.
  var whole = AlignedText()
  var pieces = RawBuffer<TextPiece>(capacity: 64)
  var otherPieces = RawBuffer<TextPiece>(capacity: 64)
  var nodes = RawBuffer<UnigramModel.Node>(capacity: 64)
  var symbols = RawBuffer<BPEModel.Symbol>(capacity: 64)
  let cache = WordCache()

  func deallocate() {
    text.deallocate()
    other.deallocate()
    whole.deallocate()
    pieces.deallocate()
    otherPieces.deallocate()
    nodes.deallocate()
    symbols.deallocate()
  }
}
