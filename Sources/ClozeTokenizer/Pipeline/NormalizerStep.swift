internal import ClozeIO

/// One normalizer of a tokenizer.json.
enum NormalizerStep: Sendable {
  case bert(NormalizerTables)
  case form(NormalizationForm)
  case charsmap(Charsmap)
  case replace(TextPattern, with: [UInt8])
  case prepend([UInt8])
  case strip(left: Bool, right: Bool)
  case lowercase, stripAccents, nmt, byteLevel

  /// Writes what becomes of a text to `output`; false, with nothing to be read there, where it stays as it is.
  ///
  /// - Parameter origin: where in the original the text begins.
  /// - Throws: `.invalidText` where a regular expression takes too long.
  func apply(_ input: AlignedText, into output: inout AlignedText, origin: Int32) throws(ClozeError) -> Bool {
    let base = UnsafePointer(input.bytes.base)
    let spans = UnsafePointer(input.spans.base)
    let count = input.count
    if count == 0 { return false }
    output.bytes.count = 0
    output.spans.count = 0
    switch self {
    case .bert(let tables):
      var sink = AlignedSink(spans: spans, output: output)
      tables.normalizer.normalize(base, 0, count, into: &sink)
      output = sink.output
      return true
    case .form(let form): return form.apply(input, into: &output, origin: origin)
    case .charsmap(let map): return map.apply(input, into: &output, origin: origin)
    case .replace(let pattern, let content): return try replace(pattern, content, input, &output)
    case .prepend(let content):
      output.append(content, spans[0])
      output.append(input, 0, count)
      return true
    case .strip(let left, let right):
      let unicode = UnicodeTables.shared
      func isSpace(_ p: Int) -> Bool {
        unicode.entry(UTF8Scan.decode(base, p).scalar) & ScalarFlags.whitespace != 0
      }
      var from = 0
      var to = count
      while left, from < to, isSpace(from) { from &+= UTF8Scan.length(base[from]) }
      while right, to > from {
        let start = UTF8Scan.start(before: to, base, from)
        if !isSpace(start) { break }
        to = start
      }
      if from == 0, to == count { return false }
      output.append(input, from, to)
      return true
    case .lowercase:
      let unicode = UnicodeTables.shared
      var p = 0
      while p < count {
        let (scalar, length) = UTF8Scan.decode(base, p)
        let entry = unicode.entry(scalar)
        if entry & ScalarFlags.lowercases == 0 {
          output.append(scalar, spans[p])
        } else if scalar == UnicodeTables.dottedI {
          output.append(0x69, spans[p])
          output.append(0x307, spans[p])
        } else {
          output.append(unicode.mapping(entry).lowercase, spans[p])
        }
        p &+= length
      }
      return true
    case .stripAccents:
      let properties = ScalarProperties.shared
      var p = 0
      while p < count {
        let (scalar, length) = UTF8Scan.decode(base, p)
        if properties.entry(scalar) & ScalarProperty.accent == 0 { output.append(scalar, spans[p]) }
        p &+= length
      }
      return output.count != count
    case .nmt:
      var p = 0
      while p < count {
        let (scalar, length) = UTF8Scan.decode(base, p)
        if let scalar = NormalizerStep.nmt(scalar) { output.append(scalar, spans[p]) }
        p &+= length
      }
      return true
    case .byteLevel:
      ByteAlphabet.append(input, 0, count, to: &output)
      return true
    }
  }

  /// What Nmt makes of a scalar; nil: nothing.
  private static func nmt(_ scalar: UInt32) -> UInt32? {
    switch scalar {
    case 0x01...0x08, 0x0B, 0x0E...0x1F, 0x7F, 0x8F, 0x9F: nil
    case 0x09, 0x0A, 0x0C, 0x0D, 0x1680, 0x200B...0x200F, 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD: 0x20
    default: scalar
    }
  }

  /// New content comes from the last scalar that it replaces.
  private func replace(_ pattern: TextPattern, _ content: [UInt8], _ input: AlignedText, _ output: inout AlignedText)
    throws(ClozeError) -> Bool
  {
    var budget = RegularExpression.Budget(bytes: input.count)
    var p = 0
    while let match = pattern.find(input, p, input.count, from: 0, &budget) {
      output.append(input, p, match.from)
      output.append(content, input.spans.base[match.to &- 1])
      p = match.to
    }
    if budget.steps <= 0 { throw SplitterStep.tooSlow }
    if p == 0 { return false }
    output.append(input, p, input.count)
    return true
  }
}

/// Receives what a BERT normalizer makes of a text that comes from another.
private struct AlignedSink: ScalarSink {
  let spans: UnsafePointer<ByteRange>
  var output: AlignedText
  var isFull: Bool { false }

  mutating func append(ascii byte: UInt8, kind: ASCIIKind, at position: Int) {
    output.reserve(1)
    output.put(byte, spans[position])
  }

  mutating func append(scalar: UInt32, flags: UInt32, begin: Int, end: Int) { output.append(scalar, spans[begin]) }
}

/// The scalars that stand for bytes in the vocabularies of byte-level BPE.
///
/// Source: GPT-2's bytes_to_unicode: printable bytes of Latin-1 stand for themselves, the others are numbered from 256.
enum ByteAlphabet {
  static func scalar(_ byte: UInt8) -> UInt32 {
    switch byte {
    case 0...32: 256 &+ UInt32(byte)
    case 33...126, 161...172, 174...255: UInt32(byte)
    case 127...160: 256 &+ 33 &+ UInt32(byte) &- 127
    default: 256 &+ 67
    }
  }

  /// Appends the bytes of a part of a text, each as its scalar.
  @inline(__always) static func append(_ input: AlignedText, _ from: Int, _ to: Int, to output: inout AlignedText) {
    output.reserve((to &- from) &* 2)
    let bytes = output.bytes.base
    let spans = output.spans.base
    var at = output.count
    for p in from..<to {
      let byte = input.bytes.base[p]
      let span = input.spans.base[p]
      if byte &- 33 < 94 {
        bytes[at] = byte
        spans[at] = span
        at &+= 1
        continue
      }
      let scalar = scalar(byte)
      bytes[at] = UInt8(truncatingIfNeeded: 0xC0 | scalar >> 6)
      bytes[at &+ 1] = UInt8(truncatingIfNeeded: 0x80 | scalar & 0x3F)
      spans[at] = span
      spans[at &+ 1] = span
      at &+= 2
    }
    output.bytes.count = at
    output.spans.count = at
  }
}
