public import ClozeIO

/// Encoding texts to tokens.
extension Tokenizer {
  /// The tokens of a text, or of a pair, with the special tokens of the template.
  ///
  /// - Parameters:
  ///   - maxTokens: The largest number of tokens, special tokens included; nil: no limit.
  ///   - truncation: How a text with more tokens is truncated.
  /// - Throws: `.tooLong`; `.invalidModel` where the vocabulary lacks the unknown token that a word needs.
  public func encode(_ text: String, pair: String? = nil, maxTokens: Int? = nil, truncation: Truncation = .error)
    throws(ClozeError) -> Encoding
  {
    let buffer = EncodingBuffer()
    let truncated = try append(text, pair: pair, maxTokens: maxTokens, truncation: truncation, into: buffer)
    return buffer.encoding(of: 0..<buffer.ids.count, truncated: truncated)
  }

  /// The tokens of a text, or of a pair, in UTF-8.
  ///
  /// - Throws: As above; `.invalidText` where a text is not UTF-8.
  public func encode(
    _ text: UnsafeRawBufferPointer, pair: UnsafeRawBufferPointer? = nil, maxTokens: Int? = nil,
    truncation: Truncation = .error
  ) throws(ClozeError) -> Encoding {
    let buffer = EncodingBuffer()
    let truncated = try append(text, pair: pair, maxTokens: maxTokens, truncation: truncation, into: buffer)
    return buffer.encoding(of: 0..<buffer.ids.count, truncated: truncated)
  }

  /// Appends the tokens of a text, or of a pair, to a buffer, and returns whether they were truncated. Appends
  /// nothing where it throws.
  ///
  /// - Throws: As `encode`.
  @discardableResult public func append(
    _ text: String, pair: String? = nil, maxTokens: Int? = nil, truncation: Truncation = .error,
    into buffer: EncodingBuffer
  ) throws(ClozeError) -> Bool {
    // A native string gives access to its bytes; a bridged one is copied.
    var text = text
    var pair = pair
    let result: Result<Bool, ClozeError> = text.withUTF8 { first in
      let first = UnsafeRawBufferPointer(first)
      guard pair != nil else { return append(first, nil, maxTokens, truncation, isChecked: true, into: buffer) }
      return pair?.withUTF8 { second in
        append(first, UnsafeRawBufferPointer(second), maxTokens, truncation, isChecked: true, into: buffer)
      } ?? .success(false)
    }
    return try result.get()
  }

  /// Appends the tokens of a text, or of a pair, in UTF-8; the fastest form.
  ///
  /// - Throws: As `encode`.
  @discardableResult public func append(
    _ text: UnsafeRawBufferPointer, pair: UnsafeRawBufferPointer? = nil, maxTokens: Int? = nil,
    truncation: Truncation = .error, into buffer: EncodingBuffer
  ) throws(ClozeError) -> Bool { try append(text, pair, maxTokens, truncation, isChecked: false, into: buffer).get() }

  private func append(
    _ text: UnsafeRawBufferPointer, _ pair: UnsafeRawBufferPointer?, _ maxTokens: Int?, _ truncation: Truncation,
    isChecked: Bool, into buffer: EncodingBuffer
  ) -> Result<Bool, ClozeError> {
    let pieces = pair == nil ? template.single : template.pair
    let special = pair == nil ? addedToSingle : addedToPair
    if let maxTokens, maxTokens < special {
      return .failure(
        ClozeError(.tooLong, "at most \(maxTokens) tokens are allowed, the special tokens alone are \(special)"))
    }
    let room = maxTokens.map { $0 &- special }
    let scratch = buffer.scratch
    scratch.first.count = 0
    scratch.second.count = 0
    scratch.firstEdges.count = 0
    scratch.secondEdges.count = 0

    // Text after the cut of a single text need not be tokenised.
    let cuts = truncation == .longestFirst || truncation == .onlyFirst
    let limit = pair == nil && cuts && !truncatesLeft ? room : nil
    if let error = tokenize(
      text, limit: limit, isChecked: isChecked, name: pair == nil ? "text" : "the first text", scratch, isSecond: false)
    {
      return .failure(error)
    }
    if let pair,
      let error = tokenize(pair, limit: nil, isChecked: isChecked, name: "the second text", scratch, isSecond: true)
    {
      return .failure(error)
    }

    var kept = (first: scratch.first.count, second: scratch.second.count)
    let needed = kept
    if let room, needed.first &+ needed.second > room {
      switch truncation.cut(first: kept.first, second: pair == nil ? nil : kept.second, room: room) {
      case .success(let cut): kept = cut
      case .failure(let reason):
        return .failure(
          ClozeError(
            .tooLong,
            "\(pair == nil ? "text" : "the pair") needs " + "\(needed.first &+ needed.second &+ special) tokens, "
              + "the limit is \(room &+ special)\(reason.addition)"))
      }
    }

    // The tokens that are kept: the first ones, or the last ones.
    let begins =
      truncatesLeft ? (scratch.first.count &- kept.first, scratch.second.count &- kept.second) : (0, 0)
    if !trims.isEmpty {
      trim(scratch.first, scratch.firstEdges, begins.0, kept.first, text)
      if let pair { trim(scratch.second, scratch.secondEdges, begins.1, kept.second, pair) }
    }

    for piece in pieces {
      switch piece {
      case .special(let ids, let typeID):
        for id in ids {
          buffer.ids.append(id)
          buffer.typeIDs.append(typeID)
          if buffer.keepsOffsets {
            buffer.offsets.append(ByteRange(begin: 0, end: 0))
            buffer.sequenceIDs.append(-1)
          }
        }
      case .first(let typeID): buffer.append(scratch.first, begins.0, kept.first, typeID, sequence: 0)
      case .second(let typeID): buffer.append(scratch.second, begins.1, kept.second, typeID, sequence: 1)
      }
    }
    return .success(kept != needed)
  }

  /// Takes the spaces at the ends of tokens off their offsets.
  private func trim(
    _ tokens: RawBuffer<TokenRecord>, _ edges: RawBuffer<EdgeSpaces>, _ from: Int, _ count: Int,
    _ text: UnsafeRawBufferPointer
  ) {
    let base = text.bindMemory(to: UInt8.self).baseAddress
    for i in from..<from &+ count {
      let spaces = i < edges.count ? edges.base[i] : edgeSpaces(tokens.base[i], base)
      for addsSpace in trims { tokens.base[i].trim(spaces, isFirst: i == from, addsSpace: addsSpace, base) }
    }
  }

  /// The spaces at the ends of a token of BERT's own stages: added tokens may have taken some of the text.
  private func edgeSpaces(_ token: TokenRecord, _ base: UnsafePointer<UInt8>?) -> EdgeSpaces {
    if added.bytes(of: token.id) != nil, let base { return EdgeSpaces(base, Int(token.begin), Int(token.end)) }
    guard let bytes = vocabulary.bytes(of: token.id), let spelled = bytes.baseAddress else { return EdgeSpaces() }
    return EdgeSpaces(spelled, 0, bytes.count)
  }

  /// Appends the tokens of one text to one of the scratch buffers: all, or slightly more than `limit`.
  private func tokenize(
    _ text: UnsafeRawBufferPointer, limit: Int?, isChecked: Bool, name: String, _ scratch: EncodingScratch,
    isSecond: Bool
  ) -> ClozeError? {
    // Positions are 32 bits wide.
    guard text.count < Int(Int32.max) else {
      return ClozeError(.tooLong, "\(name) has \(text.count) bytes, at most 2147483646 are supported")
    }
    let bytes = text.bindMemory(to: UInt8.self)
    guard let base = bytes.baseAddress, bytes.count > 0 else { return nil }
    if !isChecked, let position = UTF8Scan.firstInvalid(bytes) {
      return ClozeError(.invalidText, "\(name) is not valid UTF-8 at byte \(position)")
    }
    return withExtendedLifetime(self) { () -> ClozeError? in
      if let pipeline {
        return tokenize(
          stages: pipeline, base, bytes.count, limit: limit, name: name, scratch, isSecond: isSecond)
      }
      var sink = WordSink(
        table: vocabulary.table, unknownID: unknownID ?? -1, longestWord: longestWord, limit: limit ?? Int.max,
        scratch: scratch, tokens: isSecond ? scratch.second : scratch.first)
      defer {
        sink.returnBuffers(to: scratch)
        if isSecond { scratch.second = sink.tokens } else { scratch.first = sink.tokens }
      }
      if added.raw.isEmpty {
        segment(base, 0, bytes.count, scratch, &sink)
      } else {
        added.split(
          added.raw, base, bytes.count, unicode: normalizer.normalizer.unicode,
          text: { segment(base, $0, $1, scratch, &sink) },
          token: { sink.append(token: added.tokens[$0].id, begin: $1, end: $2) })
      }
      guard let position = sink.missingUnknownAt else { return nil }
      return ClozeError(.missingToken, "the vocabulary has no \(unknownToken), which \(name) needs at byte \(position)")
    }
  }

  /// Tokenises the original text between two added tokens.
  @inline(__always) private func segment(
    _ base: UnsafePointer<UInt8>, _ begin: Int, _ end: Int, _ scratch: EncodingScratch, _ sink: inout WordSink
  ) {
    if sink.isFull { return }
    if added.normalized.isEmpty {
      normalizer.normalizer.normalize(base, begin, end, into: &sink)
      sink.endWord()
    } else {
      normalizedSegment(base, begin, end, scratch, &sink)
    }
  }

  /// Tokenises the original text between two added tokens where others are matched in normalised text, which is
  /// then stored.
  @inline(never) private func normalizedSegment(
    _ base: UnsafePointer<UInt8>, _ begin: Int, _ end: Int, _ scratch: EncodingScratch, _ sink: inout WordSink
  ) {
    var text = TextSink(scratch)
    normalizer.normalizer.normalize(base, begin, end, into: &text)
    defer { text.returnBuffers(to: scratch) }
    let bytes = UnsafePointer(text.text.base)
    let spans = text.spans.base
    let unicode = normalizer.normalizer.unicode
    let kinds = normalizer.normalizer.kinds
    added.split(
      added.normalized, bytes, text.text.count, unicode: unicode,
      text: { from, to in
        var p = from
        while p < to {
          // ASCII from one byte, nearly all of most texts.
          let kind = kinds[Int(bytes[p])]
          if kind.raw <= ASCIIKind.punctuation.raw, spans[p].end &- spans[p].begin == 1 {
            sink.append(ascii: bytes[p], kind: kind, at: Int(spans[p].begin))
            p &+= 1
            continue
          }
          let (scalar, length) = UTF8Scan.decode(bytes, p)
          sink.append(scalar: scalar, flags: unicode.entry(scalar), begin: Int(spans[p].begin), end: Int(spans[p].end))
          p &+= length
        }
        sink.endWord()
      },
      token: { index, from, to in
        sink.append(token: added.tokens[index].id, begin: Int(spans[from].begin), end: Int(spans[to &- 1].end))
      })
  }
}

/// Appending the tokens of a text.
extension EncodingBuffer {
  /// Appends `count` tokens of a text, from one on.
  func append(_ tokens: RawBuffer<TokenRecord>, _ from: Int, _ count: Int, _ typeID: Int32, sequence: Int32) {
    let records = UnsafeBufferPointer(start: tokens.base + from, count: count)
    ids.append(contentsOf: records.lazy.map(\.id))
    typeIDs.append(contentsOf: repeatElement(typeID, count: count))
    guard keepsOffsets else { return }
    offsets.append(contentsOf: records.lazy.map { ByteRange(begin: $0.begin, end: $0.end) })
    sequenceIDs.append(contentsOf: repeatElement(sequence, count: count))
  }
}
