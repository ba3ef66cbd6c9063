internal import ClozeIO

/// Tokenizing by the stages of a pipeline.
extension Tokenizer {
  /// The tokens of one text, while its stages run.
  private struct Output {
    var tokens: RawBuffer<TokenRecord>
    var edges: RawBuffer<EdgeSpaces>
    let limit: Int
    /// The place of the first text that needs an unknown token where there is none.
    var missingUnknownAt: Int?
    var error: ClozeError?
    var isFull: Bool { tokens.count > limit || error != nil }
  }

  /// Appends the tokens of one text to one of the scratch buffers: all, or slightly more than `limit`.
  func tokenize(
    stages pipeline: Pipeline, _ base: UnsafePointer<UInt8>, _ count: Int, limit: Int?, name: String,
    _ scratch: EncodingScratch, isSecond: Bool
  ) -> ClozeError? {
    var stages = scratch.stages ?? PipelineScratch()
    stages.cache.begin(pipeline)
    var output = Output(
      tokens: isSecond ? scratch.second : scratch.first, edges: isSecond ? scratch.secondEdges : scratch.firstEdges,
      limit: limit ?? Int.max)
    output.edges.count = 0
    added.split(
      added.raw, base, count, unicode: UnicodeTables.shared,
      text: { segment(pipeline, base, $0, $1, &stages, &output) },
      token: { index, begin, end in
        append(
          added.tokens[index].id, begin, end,
          trims.isEmpty ? EdgeSpaces() : EdgeSpaces(base, begin, end), &output)
      })
    scratch.stages = stages
    if isSecond {
      (scratch.second, scratch.secondEdges) = (output.tokens, output.edges)
    } else {
      (scratch.first, scratch.firstEdges) = (output.tokens, output.edges)
    }
    if let error = output.error { return error }
    guard let position = output.missingUnknownAt else { return nil }
    return ClozeError(.missingToken, "the vocabulary has no \(unknownToken), which \(name) needs at byte \(position)")
  }

  private func append(_ id: Int32, _ begin: Int, _ end: Int, _ edges: EdgeSpaces, _ output: inout Output) {
    output.tokens.append(
      TokenRecord(id: id, begin: Int32(truncatingIfNeeded: begin), end: Int32(truncatingIfNeeded: end)))
    if !trims.isEmpty { output.edges.append(edges) }
  }

  /// Tokenises the original text between two added tokens.
  private func segment(
    _ pipeline: Pipeline, _ base: UnsafePointer<UInt8>, _ begin: Int, _ end: Int, _ stages: inout PipelineScratch,
    _ output: inout Output
  ) {
    if output.isFull { return }
    stages.text.removeAll()
    stages.text.append(original: base, begin, end)
    do throws(ClozeError) {
      try Pipeline.normalize(
        pipeline.normalizers, &stages.text, &stages.other, origin: Int32(truncatingIfNeeded: begin))
    } catch {
      output.error = error
      return
    }
    if added.normalized.isEmpty {
      if stages.text.count > 0 { split(pipeline, 0, stages.text.count, &stages, &output) }
      return
    }
    // The pre-tokenizers overwrite the text: its parts are copied first.
    var whole = stages.whole
    defer { stages.whole = whole }
    whole.removeAll()
    whole.append(stages.text, 0, stages.text.count)
    added.split(
      added.normalized, whole.bytes.base, whole.count, unicode: UnicodeTables.shared,
      text: { from, to in
        if output.isFull { return }
        stages.text.removeAll()
        stages.text.append(whole, from, to)
        split(pipeline, 0, to &- from, &stages, &output)
      },
      token: { index, from, to in
        let span = whole.span(from, to)
        append(
          added.tokens[index].id, Int(span.begin), Int(span.end),
          trims.isEmpty ? EdgeSpaces() : EdgeSpaces(whole.bytes.base, from, to), &output)
      })
  }

  /// Splits normalised text and appends the tokens of its pieces.
  private func split(
    _ pipeline: Pipeline, _ from: Int, _ to: Int, _ stages: inout PipelineScratch, _ output: inout Output
  ) {
    stages.pieces.count = 0
    stages.pieces.append(TextPiece(from, to))
    do throws(ClozeError) {
      for step in pipeline.splitters {
        if try step.apply(stages.text, stages.pieces, into: &stages.other, &stages.otherPieces) {
          swap(&stages.text, &stages.other)
        }
        swap(&stages.pieces, &stages.otherPieces)
      }
    } catch {
      output.error = error
      return
    }
    // Lookups read past a piece.
    stages.text.reserve(32)
    for i in 0..<stages.pieces.count {
      if output.isFull { return }
      encode(pipeline, Int(stages.pieces.base[i].from), Int(stages.pieces.base[i].to), &stages, &output)
    }
  }

  /// Appends the tokens of one piece.
  @inline(__always) private func encode(
    _ pipeline: Pipeline, _ from: Int, _ to: Int, _ stages: inout PipelineScratch, _ output: inout Output
  ) {
    let text = stages.text
    let base = UnsafePointer(text.bytes.base)
    let size = to &- from
    let first = output.tokens.count
    let isKept = size <= WordCache.longest
    let words = isKept ? WordCache.words(base + from, size) : (0, 0, 0)
    let hash = isKept ? WordCache.hash(words, size) : 0
    let origin = Int32(truncatingIfNeeded: from)
    if isKept, stages.cache.append(words, size, hash, origin: origin, to: &output.tokens) {
      // Done.
    } else {
      var tokens = output.tokens
      func add(_ id: Int32, _ begin: Int, _ end: Int) {
        tokens.append(
          TokenRecord(id: id, begin: Int32(truncatingIfNeeded: begin), end: Int32(truncatingIfNeeded: end)))
      }
      let isKnown =
        switch pipeline.model {
        case .unigram(let model): model.encode(base, from, to, &stages.nodes, token: add)
        case .bpe(let model): model.encode(base, from, to, &stages.symbols, token: add)
        case .wordPiece: pieces(base, from, to, &tokens)
        }
      output.tokens = tokens
      guard isKnown else {
        if output.missingUnknownAt == nil { output.missingUnknownAt = Int(text.spans.base[from].begin) }
        return
      }
      if isKept {
        stages.cache.keep(
          words, size, hash, output.tokens.base + first, output.tokens.count &- first, origin: origin)
      }
    }
    // From places in this version of the text to places in the original.
    for i in first..<output.tokens.count {
      let token = output.tokens.base[i]
      if !trims.isEmpty { output.edges.append(edges(pipeline, token, base)) }
      guard token.begin < token.end, Int(token.end) <= text.count else { continue }
      output.tokens.base[i].begin = text.spans.base[Int(token.begin)].begin
      output.tokens.base[i].end = text.spans.base[Int(token.end) &- 1].end
    }
  }

  /// The spaces at the ends of a token's spelling, which for Unigram is that in the text.
  private func edges(_ pipeline: Pipeline, _ token: TokenRecord, _ base: UnsafePointer<UInt8>) -> EdgeSpaces {
    if case .unigram(let model) = pipeline.model, token.id == model.unknownID {
      return EdgeSpaces(base, Int(token.begin), Int(token.end))
    }
    guard let bytes = tokenNames.bytes(of: token.id), let spelled = bytes.baseAddress else { return EdgeSpaces() }
    return EdgeSpaces(spelled, 0, bytes.count)
  }

  /// Appends the pieces of a word by WordPiece, or one unknown token; false where there is none.
  private func pieces(
    _ base: UnsafePointer<UInt8>, _ from: Int, _ to: Int, _ tokens: inout RawBuffer<TokenRecord>
  ) -> Bool {
    let first = tokens.count
    func add(_ id: Int32, _ begin: Int, _ end: Int) {
      tokens.append(
        TokenRecord(id: id, begin: Int32(truncatingIfNeeded: begin), end: Int32(truncatingIfNeeded: end)))
    }
    var scalars = 0
    for p in from..<to where base[p] & 0xC0 != 0x80 { scalars &+= 1 }
    var at = scalars > longestWord ? -1 : from
    while at >= 0, at < to {
      let table = vocabulary.table
      let found = at == from ? table.initial.longest(base, at, to) : table.continuing.longest(base, at, to)
      if found.value < 0 {
        at = -1
      } else {
        add(found.value, at, found.end)
        at = found.end
      }
    }
    if at >= 0 { return true }
    tokens.count = first
    add(unknownID ?? -1, from, to)
    return unknownID != nil
  }
}

/// The number of spaces at the beginning and the end of a token.
struct EdgeSpaces: BitwiseCopyable {
  var leading: Int32 = 0
  var trailing: Int32 = 0

  init() {}

  /// White space, and the scalar that stands for a space in byte-level vocabularies.
  init(_ base: UnsafePointer<UInt8>, _ from: Int, _ to: Int) {
    let unicode = UnicodeTables.shared
    func isSpace(_ p: Int) -> Bool {
      let scalar = UTF8Scan.decode(base, p).scalar
      return scalar == 0x120 || unicode.entry(scalar) & ScalarFlags.whitespace != 0
    }
    var p = from
    while p < to, isSpace(p) {
      leading &+= 1
      p &+= UTF8Scan.length(base[p])
    }
    p = to
    while p > from {
      p = UTF8Scan.start(before: p, base, from)
      if !isSpace(p) { break }
      trailing &+= 1
    }
  }
}

/// Taking the spaces of tokens off their offsets.
extension TokenRecord {
  /// As ByteLevel and RobertaProcessing of `tokenizers`, which count characters.
  ///
  /// - Parameters:
  ///   - isFirst: whether it is the first token of its text.
  ///   - addsSpace: whether the pre-tokenizer put a space before the first word.
  mutating func trim(_ edges: EdgeSpaces, isFirst: Bool, addsSpace: Bool, _ base: UnsafePointer<UInt8>?) {
    guard let base, edges.leading > 0 || edges.trailing > 0 else { return }
    var leading = edges.leading
    if isFirst || begin == 0, addsSpace, leading == 1 { leading = 0 }
    while leading > 0, begin < end {
      begin = min(begin &+ Int32(truncatingIfNeeded: UTF8Scan.length(base[Int(begin)])), end)
      leading &-= 1
    }
    var p = Int(end)
    var trailing = edges.trailing
    while trailing > 0, p > 0 {
      p = UTF8Scan.start(before: p, base, 0)
      trailing &-= 1
    }
    // With fewer characters before it than there are spaces, the end stays.
    if trailing == 0 { end = max(Int32(truncatingIfNeeded: p), begin) }
  }
}
