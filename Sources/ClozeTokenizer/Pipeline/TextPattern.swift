internal import ClozeIO

/// What a normalizer replaces and a pre-tokenizer splits at.
enum TextPattern: Sendable {
  case literal([UInt8])
  case expression(RegularExpression)
  /// GPT-2's, the one of ByteLevel.
  case words
  /// Scalars with flags of `ScalarFlags`, or with properties of `ScalarProperty`.
  case flags(UInt32)
  case properties(UInt32)
  /// \w+|[^\w\s]+
  case wordsOrMarks

  static let wordsExpression = #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

  /// - Parameters:
  ///   - pattern: an object with one member, `String` or `Regex`.
  init(json field: JSONField) throws(ClozeError) {
    if let text = try field.present("String") {
      let bytes = try text.text()
      guard !bytes.isEmpty else { throw ClozeError(.unsupportedTokenizer, "\(text.path) is empty") }
      self = .literal(bytes)
      return
    }
    let text = try field.required("Regex")
    let bytes = try text.text()
    self =
      bytes.elementsEqual(Self.wordsExpression.utf8)
      ? .words : .expression(try RegularExpression(bytes, path: text.path))
  }

  /// The next match in `text[p..<to]`, a part of the piece that begins at `begin`; nil if there is none.
  @inline(__always) func find(
    _ text: AlignedText, _ p: Int, _ to: Int, from begin: Int, _ budget: inout RegularExpression.Budget
  ) -> (from: Int, to: Int)? {
    let base = UnsafePointer(text.bytes.base)
    var p = p
    switch self {
    case .literal(let wanted):
      let count = wanted.count
      while p &+ count <= to {
        var i = 0
        while i < count, base[p &+ i] == wanted[i] { i &+= 1 }
        if i == count { return (p, p &+ count) }
        p &+= 1
      }
      return nil
    case .expression(let expression): return expression.find(text, p, to, from: begin, &budget)
    case .words: return p < to ? (p, TextPattern.wordEnd(base, p, to, ScalarProperties.shared)) : nil
    case .flags(let wanted):
      let unicode = UnicodeTables.shared
      while p < to {
        let (scalar, length) = UTF8Scan.decode(base, p)
        if unicode.entry(scalar) & wanted != 0 { return (p, p &+ length) }
        p &+= length
      }
      return nil
    case .properties(let wanted):
      let properties = ScalarProperties.shared
      while p < to {
        let (scalar, length) = UTF8Scan.decode(base, p)
        if properties.entry(scalar) & wanted != 0 { return (p, p &+ length) }
        p &+= length
      }
      return nil
    case .wordsOrMarks:
      let unicode = UnicodeTables.shared
      let mask = ScalarFlags.word | ScalarFlags.whitespace
      while p < to {
        let (scalar, length) = UTF8Scan.decode(base, p)
        let kind = unicode.entry(scalar) & mask
        // A word character that is white space is one of the word.
        let isWord = kind & ScalarFlags.word != 0
        if isWord || kind == 0 {
          var end = p &+ length
          while end < to {
            let (next, length) = UTF8Scan.decode(base, end)
            let other = unicode.entry(next) & mask
            if isWord ? other & ScalarFlags.word == 0 : other != 0 { break }
            end &+= length
          }
          return (p, end)
        }
        p &+= length
      }
      return nil
    }
  }

  /// The end of the match of GPT-2's expression at `p < to`; it matches everywhere.
  @inline(__always) static func wordEnd(
    _ base: UnsafePointer<UInt8>, _ p: Int, _ to: Int, _ properties: ScalarProperties
  ) -> Int {
    let mask = ScalarProperty.letter | ScalarProperty.number | ScalarProperty.space
    func kind(_ at: Int) -> (kind: UInt32, length: Int) {
      let (scalar, length) = UTF8Scan.decode(base, at)
      return (properties.entry(scalar) & mask, length)
    }
    if base[p] == UInt8(ascii: "'"), p &+ 1 < to {
      let second = base[p &+ 1]
      switch second {
      case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"): return p &+ 2
      case UInt8(ascii: "r"), UInt8(ascii: "v"):
        if p &+ 2 < to, base[p &+ 2] == UInt8(ascii: "e") { return p &+ 3 }
      case UInt8(ascii: "l"): if p &+ 2 < to, base[p &+ 2] == UInt8(ascii: "l") { return p &+ 3 }
      default: break
      }
    }
    var at = p
    var first = kind(at)
    if base[p] == 0x20, p &+ 1 < to {
      let after = kind(p &+ 1)
      if after.kind & ScalarProperty.space == 0 {
        at = p &+ 1
        first = after
      }
    }
    var end = at &+ first.length
    if first.kind & ScalarProperty.space == 0 {
      while end < to {
        let next = kind(end)
        if next.kind != first.kind { break }
        end &+= next.length
      }
      return end
    }
    // White space; the last one belongs to what follows.
    var last = at
    while end < to {
      let next = kind(end)
      if next.kind & ScalarProperty.space == 0 { return last > p ? last : end }
      last = end
      end &+= next.length
    }
    return end
  }
}
