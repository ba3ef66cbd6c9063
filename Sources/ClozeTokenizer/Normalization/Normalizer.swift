internal import ClozeIO

/// The switches of Hugging Face's BertNormalizer, resolved.
struct NormalizerOptions: Sendable, Equatable {
  /// Removes control characters and replaces all whitespace by spaces.
  var cleanText = true
  /// Surrounds CJK ideographs with spaces.
  var handleChineseChars = true
  /// Decomposes (NFD) and removes nonspacing marks; nil follows `lowercase`.
  var stripAccents: Bool? = nil
  var lowercase = true

  /// All off: text is unchanged.
  static let none = NormalizerOptions(
    cleanText: false, handleChineseChars: false, stripAccents: false, lowercase: false)
}

/// Receives normalised text, scalar by scalar, with the range of original bytes that each comes from.
protocol ScalarSink {
  /// An ASCII byte, normalised, from the original byte at `position`.
  mutating func append(ascii byte: UInt8, kind: ASCIIKind, at position: Int)
  /// A scalar with its flags.
  mutating func append(scalar: UInt32, flags: UInt32, begin: Int, end: Int)
  /// Whether the rest of the text is not needed.
  var isFull: Bool { get }
}

/// How normalisation and splitting treat an ASCII byte.
struct ASCIIKind: Equatable, BitwiseCopyable {
  var raw: UInt8
  static let letter = ASCIIKind(raw: 0)
  static let space = ASCIIKind(raw: 1)
  static let punctuation = ASCIIKind(raw: 2)
  static let removed = ASCIIKind(raw: 3)
  /// Not ASCII.
  static let other = ASCIIKind(raw: 4)
}

/// BertNormalizer in one pass: clean_text, handle_chinese_chars, strip_accents, lowercase, in this
/// order, as Hugging Face's `tokenizers` applies them one after the other.
///
/// Every scalar is mapped independently, except where NFD reorders marks that strip_accents keeps; for these
/// see `reorderedRun`.
struct Normalizer {
  let cleanText: Bool
  let handleChineseChars: Bool
  let stripAccents: Bool
  let lowercase: Bool
  let unicode: UnicodeTables
  /// The kind of each byte, and its normalised form.
  let kinds: UnsafePointer<ASCIIKind>
  let mapped: UnsafePointer<UInt8>

  @inline(__always) func normalize<Sink: ScalarSink>(
    _ base: UnsafePointer<UInt8>, _ lower: Int, _ upper: Int, into sink: inout Sink
  ) {
    var p = lower
    while p < upper {
      let byte = base[p]
      let kind = kinds[Int(byte)]
      if kind == .letter {
        sink.append(ascii: mapped[Int(byte)], kind: .letter, at: p)
        p &+= 1
        continue
      }
      if kind != .other {
        if kind != .removed { sink.append(ascii: mapped[Int(byte)], kind: kind, at: p) }
        if sink.isFull { return }
        p &+= 1
        continue
      }
      if sink.isFull { return }
      p = normalizeScalar(base, lower, p, upper, into: &sink)
    }
  }

  /// Normalises the scalar at `p`, or the run of marks that contains it, and returns the next position.
  @inline(__always) private func normalizeScalar<Sink: ScalarSink>(
    _ base: UnsafePointer<UInt8>, _ lower: Int, _ p: Int, _ upper: Int, into sink: inout Sink
  ) -> Int {
    let (scalar, length) = UTF8Scan.decode(base, p)
    let entry = unicode.entry(scalar)
    let end = p &+ length
    if cleanText {
      if entry & ScalarFlags.cleaned != 0 { return end }
      if entry & ScalarFlags.whitespace != 0 {
        sink.append(scalar: 0x20, flags: ScalarFlags.whitespace, begin: p, end: end)
        return end
      }
    }
    let spaced = handleChineseChars && entry & ScalarFlags.cjk != 0
    if spaced { sink.append(scalar: 0x20, flags: ScalarFlags.whitespace, begin: p, end: end) }
    if stripAccents {
      if entry & ScalarFlags.keepsMark != 0 { return reorderedRun(base, lower, p, upper, into: &sink) }
      stripped(scalar, entry, p, end, into: &sink)
    } else {
      lowercased(scalar, entry, p, end, into: &sink)
    }
    if spaced { sink.append(scalar: 0x20, flags: ScalarFlags.whitespace, begin: p, end: end) }
    return end
  }

  /// Appends a scalar's decomposition without nonspacing marks, lowercased.
  @inline(__always) private func stripped<Sink: ScalarSink>(
    _ scalar: UInt32, _ entry: UInt32, _ begin: Int, _ end: Int, into sink: inout Sink
  ) {
    if entry & (ScalarFlags.decomposes | ScalarFlags.nonspacing) == 0 {
      lowercased(scalar, entry, begin, end, into: &sink)
      return
    }
    if entry & ScalarFlags.nonspacing != 0 { return }
    decompose(scalar, entry) { part in
      let partEntry = unicode.entry(part)
      if partEntry & ScalarFlags.nonspacing == 0 { lowercased(part, partEntry, begin, end, into: &sink) }
    }
  }

  @inline(__always) private func lowercased<Sink: ScalarSink>(
    _ scalar: UInt32, _ entry: UInt32, _ begin: Int, _ end: Int, into sink: inout Sink
  ) {
    if !lowercase || entry & ScalarFlags.lowercases == 0 {
      sink.append(scalar: scalar, flags: entry, begin: begin, end: end)
      return
    }
    if scalar == UnicodeTables.dottedI {
      sink.append(scalar: 0x69, flags: ScalarFlags.word, begin: begin, end: end)
      sink.append(scalar: 0x307, flags: unicode.entry(0x307), begin: begin, end: end)
      return
    }
    let lower = unicode.mapping(entry).lowercase
    sink.append(scalar: lower, flags: unicode.entry(lower), begin: begin, end: end)
  }

  /// Calls `body` with the full canonical decomposition of a scalar that has one.
  @inline(__always) private func decompose(_ scalar: UInt32, _ entry: UInt32, _ body: (UInt32) -> Void) {
    if scalar >= 0xAC00 && scalar <= 0xD7A3 {
      // Source: Unicode 15, section 3.12, Hangul syllable decomposition.
      let syllable = scalar &- 0xAC00
      body(0x1100 &+ syllable / 588)
      body(0x1161 &+ syllable % 588 / 28)
      if syllable % 28 != 0 { body(0x11A7 &+ syllable % 28) }
      return
    }
    let mapping = unicode.mapping(entry)
    for i in 0..<Int(mapping.count) { body(unicode.decomposed[Int(mapping.start) &+ i]) }
  }

  /// A scalar of NFD's output before canonical ordering.
  private struct Mark {
    var scalar: UInt32
    var combiningClass: UInt32
    /// Whether it consumes a source scalar: true for the first of a decomposition.
    var consumes: Bool
  }

  /// Normalises a run of marks, one of which strip_accents keeps: from the mark at `p`, or from the starter at
  /// `p` whose decomposition has one, up to the next starter, whose position it returns.
  ///
  /// Quirk: `tokenizers` sorts the marks by class first and then assigns the source ranges in source order, so
  /// that a mark that moved has the range of another; marks removed afterwards are included in this.
  @inline(never) private func reorderedRun<Sink: ScalarSink>(
    _ base: UnsafePointer<UInt8>, _ lower: Int, _ p: Int, _ upper: Int, into sink: inout Sink
  ) -> Int {
    var marks: [Mark] = []
    var sources: [(begin: Int, end: Int)] = []
    var lastSource = (begin: 0, end: 0)

    func isCleaned(_ entry: UInt32) -> Bool { cleanText && entry & ScalarFlags.cleaned != 0 }
    /// The decomposition of a scalar, or the scalar.
    func parts(_ scalar: UInt32, _ entry: UInt32) -> [UInt32] {
      if entry & ScalarFlags.decomposes == 0 { return [scalar] }
      var parts: [UInt32] = []
      decompose(scalar, entry) { parts.append($0) }
      return parts
    }

    // Back to the starter of the run, whose own scalars the sink already has unless it is the scalar at `p`.
    var from = p
    var starter: (scalar: UInt32, entry: UInt32, begin: Int, end: Int)?
    var q = p
    let (scalar, length) = UTF8Scan.decode(base, p)
    let entry = unicode.entry(scalar)
    if unicode.combiningClass(parts(scalar, entry).first ?? scalar) == 0 {
      starter = (scalar, entry, p, p &+ length)
      from = p &+ length
    } else {
      while q > lower {
        let begin = UTF8Scan.start(before: q, base, lower)
        let (before, _) = UTF8Scan.decode(base, begin)
        let beforeEntry = unicode.entry(before)
        if !isCleaned(beforeEntry) {
          if unicode.combiningClass(parts(before, beforeEntry).first ?? before) == 0 {
            starter = (before, beforeEntry, begin, q)
            break
          }
          from = begin
        }
        q = begin
      }
    }

    if let starter {
      lastSource = (starter.begin, starter.end)
      // The scalars after which clean_text or handle_chinese_chars put a space have no marks.
      let spaced =
        cleanText && starter.entry & ScalarFlags.whitespace != 0
        || handleChineseChars && starter.entry & ScalarFlags.cjk != 0
      let all = spaced ? [] : parts(starter.scalar, starter.entry)
      let head = (all.lastIndex { unicode.combiningClass($0) == 0 } ?? -1) &+ 1
      if starter.begin == p {
        for part in all.prefix(head) {
          let partEntry = unicode.entry(part)
          if partEntry & ScalarFlags.nonspacing == 0 {
            lowercased(part, partEntry, starter.begin, starter.end, into: &sink)
          }
        }
      }
      for part in all.dropFirst(head) {
        marks.append(Mark(scalar: part, combiningClass: unicode.combiningClass(part), consumes: false))
      }
    }

    var next = from
    while next < upper {
      let (scalar, length) = UTF8Scan.decode(base, next)
      let entry = unicode.entry(scalar)
      if !isCleaned(entry) {
        let all = parts(scalar, entry)
        if unicode.combiningClass(all.first ?? scalar) == 0 { break }
        for (i, part) in all.enumerated() {
          marks.append(Mark(scalar: part, combiningClass: unicode.combiningClass(part), consumes: i == 0))
        }
        sources.append((next, next &+ length))
      }
      next &+= length
    }

    // Comparing indices last makes the sort stable.
    let order = marks.indices.sorted {
      let a = marks[$0].combiningClass
      let b = marks[$1].combiningClass
      return a != b ? a < b : $0 < $1
    }
    var used = 0
    for index in order {
      let mark = marks[index]
      if mark.consumes && used < sources.count {
        lastSource = sources[used]
        used &+= 1
      }
      let markEntry = unicode.entry(mark.scalar)
      if markEntry & ScalarFlags.nonspacing == 0 {
        lowercased(mark.scalar, markEntry, lastSource.begin, lastSource.end, into: &sink)
      }
    }
    return next
  }
}
