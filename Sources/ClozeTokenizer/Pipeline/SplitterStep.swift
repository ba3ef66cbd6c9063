internal import ClozeIO

/// What becomes of the matches that a pre-tokenizer splits at.
enum SplitBehavior: String, Sendable {
  case removed = "Removed"
  case isolated = "Isolated"
  case mergedWithPrevious = "MergedWithPrevious"
  case mergedWithNext = "MergedWithNext"
  case contiguous = "Contiguous"
}

/// One pre-tokenizer of a tokenizer.json.
enum SplitterStep: Sendable {
  /// The scheme says which pieces get the replacement before them.
  case metaspace(replacement: [UInt8], PrependScheme, splits: Bool)
  case byteLevel(addsSpace: Bool, splits: Bool)
  case split(TextPattern, SplitBehavior, inverted: Bool)

  enum PrependScheme: String, Sendable {
    case first, never, always
  }

  static let tooSlow = ClozeError(
    .invalidText, "a regular expression of the tokenizer takes too long on this text")

  /// Splits the pieces of a text, of which `output` may become another version.
  ///
  /// - Returns: whether `output` is the text now.
  func apply(
    _ text: AlignedText, _ pieces: RawBuffer<TextPiece>, into output: inout AlignedText,
    _ found: inout RawBuffer<TextPiece>
  ) throws(ClozeError) -> Bool {
    found.count = 0
    output.removeAll()
    switch self {
    case .metaspace(let replacement, let scheme, let splits):
      for i in 0..<pieces.count {
        metaspace(
          text, Int(pieces.base[i].from), Int(pieces.base[i].to), replacement, scheme, splits, &output, &found)
      }
      return true
    case .byteLevel(let addsSpace, let splits):
      let properties = ScalarProperties.shared
      for i in 0..<pieces.count {
        var from = Int(pieces.base[i].from)
        let to = Int(pieces.base[i].to)
        var begin = output.count
        // A space before the piece joins its first word, as where it were there.
        if addsSpace, text.bytes.base[from] != 0x20 {
          output.append(ByteAlphabet.scalar(0x20), text.spans.base[from])
          if splits {
            let end = SplitterStep.firstWordEnd(text, from, to, properties)
            ByteAlphabet.append(text, from, end, to: &output)
            from = end
            found.append(TextPiece(begin, output.count))
            begin = output.count
          }
        }
        if splits {
          while from < to {
            let end = TextPattern.wordEnd(text.bytes.base, from, to, properties)
            ByteAlphabet.append(text, from, end, to: &output)
            from = end
            found.append(TextPiece(begin, output.count))
            begin = output.count
          }
        } else {
          ByteAlphabet.append(text, from, to, to: &output)
          found.append(TextPiece(begin, output.count))
        }
      }
      return true
    case .split(let pattern, let behavior, let inverted):
      for i in 0..<pieces.count {
        try split(
          text, Int(pieces.base[i].from), Int(pieces.base[i].to), pattern, behavior, inverted, &found)
      }
      return false
    }
  }

  /// The end of the first word of GPT-2's expression where a space is put before a piece that does not begin with one.
  private static func firstWordEnd(_ text: AlignedText, _ from: Int, _ to: Int, _ properties: ScalarProperties) -> Int {
    let base = UnsafePointer(text.bytes.base)
    // Before white space the space is a word by itself: the last white space belongs to what follows.
    if properties.entry(text.scalar(from).scalar) & ScalarProperty.space != 0 {
      let end = TextPattern.wordEnd(base, from, to, properties)
      // Where the white space ends the text, or is more than one, it goes with the space.
      if end == to { return end }
      let length = UTF8Scan.length(base[from])
      return end &- from > length || isSpace(text, end, to) ? end : from
    }
    if base[from] == UInt8(ascii: "'") {
      // " '" begins no contraction, but a run of marks.
      let mask = ScalarProperty.letter | ScalarProperty.number | ScalarProperty.space
      var end = from
      while end < to {
        let (scalar, length) = UTF8Scan.decode(base, end)
        if properties.entry(scalar) & mask != 0 { break }
        end &+= length
      }
      return end
    }
    return TextPattern.wordEnd(base, from, to, properties)
  }

  private static func isSpace(_ text: AlignedText, _ p: Int, _ to: Int) -> Bool {
    p < to && ScalarProperties.shared.entry(text.scalar(p).scalar) & ScalarProperty.space != 0
  }

  private func metaspace(
    _ text: AlignedText, _ from: Int, _ to: Int, _ replacement: [UInt8], _ scheme: PrependScheme, _ splits: Bool,
    _ output: inout AlignedText, _ found: inout RawBuffer<TextPiece>
  ) {
    let base = UnsafePointer(text.bytes.base)
    let spans = UnsafePointer(text.spans.base)
    let count = replacement.count
    var begin = output.count
    output.reserve((to &- from) &* max(count, 1) &+ count)
    // The replacement, at most four bytes, as a number.
    var wanted: UInt32 = 0
    for byte in replacement.reversed() { wanted = wanted << 8 | UInt32(byte) }
    let lead = UInt8(truncatingIfNeeded: wanted)
    @inline(__always) func put(_ span: ByteRange) {
      var rest = wanted
      for _ in 0..<count {
        output.put(UInt8(truncatingIfNeeded: rest), span)
        rest >>= 8
      }
    }
    @inline(__always) func isMark(_ p: Int) -> Bool {
      if base[p] != lead || p &+ count > to { return false }
      var rest = wanted
      for i in 0..<count {
        if base[p &+ i] != UInt8(truncatingIfNeeded: rest) { return false }
        rest >>= 8
      }
      return true
    }
    let startsWithMark = base[from] == 0x20 || isMark(from)
    if !startsWithMark, scheme == .always || scheme == .first && spans[from].begin == 0 { put(spans[from]) }
    var p = from
    while p < to {
      let byte = base[p]
      let isSpace = byte == 0x20
      if isSpace || isMark(p) {
        if splits, output.count > begin {
          found.append(TextPiece(begin, output.count))
          begin = output.count
        }
        put(spans[p])
        p &+= isSpace ? 1 : count
        continue
      }
      output.put(byte, spans[p])
      p &+= 1
    }
    if output.count > begin { found.append(TextPiece(begin, output.count)) }
  }

  private func split(
    _ text: AlignedText, _ from: Int, _ to: Int, _ pattern: TextPattern, _ behavior: SplitBehavior, _ inverted: Bool,
    _ found: inout RawBuffer<TextPiece>
  ) throws(ClozeError) {
    let first = found.count
    var budget = RegularExpression.Budget(bytes: to &- from)
    var wasMatch = false
    // Whether the last part is a match that takes no part before it.
    func add(_ low: Int, _ high: Int, _ isMatch: Bool) {
      switch behavior {
      case .removed: if !isMatch { found.append(TextPiece(low, high)) }
      case .isolated: found.append(TextPiece(low, high))
      case .contiguous, .mergedWithPrevious:
        let joins = behavior == .contiguous ? isMatch == wasMatch : isMatch && !wasMatch
        if joins, found.count > first {
          found.base[found.count &- 1].to = Int32(truncatingIfNeeded: high)
        } else {
          found.append(TextPiece(low, high))
        }
      case .mergedWithNext:
        // From the end: a match joins what follows unless that is a match; here the next part tells.
        if wasMatch, !isMatch, found.count > first {
          found.base[found.count &- 1].to = Int32(truncatingIfNeeded: high)
        } else {
          found.append(TextPiece(low, high))
        }
      }
      wasMatch = isMatch
    }
    var p = from
    while let match = pattern.find(text, p, to, from: from, &budget) {
      if p < match.from { add(p, match.from, inverted) }
      add(match.from, match.to, !inverted)
      p = match.to
    }
    if budget.steps <= 0 { throw SplitterStep.tooSlow }
    if p < to { add(p, to, inverted) }
  }
}
