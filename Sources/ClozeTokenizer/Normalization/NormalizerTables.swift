/// The options of a normaliser with its ASCII tables.
final class NormalizerTables: @unchecked Sendable {
  let options: NormalizerOptions
  let stripAccents: Bool
  /// Valid as long as the tables.
  let normalizer: Normalizer
  private let kinds: UnsafeMutablePointer<ASCIIKind>
  private let mapped: UnsafeMutablePointer<UInt8>

  init(_ options: NormalizerOptions) {
    self.options = options
    stripAccents = options.stripAccents ?? options.lowercase
    let unicode = UnicodeTables.shared
    kinds = .allocate(capacity: 256)
    mapped = .allocate(capacity: 256)
    for byte in 0..<256 {
      let entry = byte < 0x80 ? unicode.entry(UInt32(byte)) : 0
      var kind = ASCIIKind.letter
      var value = UInt8(truncatingIfNeeded: byte)
      if byte >= 0x80 {
        kind = .other
      } else if options.cleanText && entry & ScalarFlags.cleaned != 0 {
        // Vertical tab and form feed are whitespace, but removed as controls.
        kind = .removed
      } else if entry & ScalarFlags.whitespace != 0 {
        kind = .space
        if options.cleanText { value = 0x20 }
      } else if entry & ScalarFlags.punctuation != 0 {
        kind = .punctuation
      } else if options.lowercase && entry & ScalarFlags.lowercases != 0 {
        value = UInt8(truncatingIfNeeded: unicode.mapping(entry).lowercase)
      }
      kinds[byte] = kind
      mapped[byte] = value
    }
    normalizer = Normalizer(
      cleanText: options.cleanText, handleChineseChars: options.handleChineseChars, stripAccents: stripAccents,
      lowercase: options.lowercase, unicode: unicode, kinds: kinds, mapped: mapped)
  }

  deinit {
    kinds.deallocate()
    mapped.deallocate()
  }

  /// Stores the normalised form of a text, which must be UTF-8, with its spans. Not inlined: the normalizer is large.
  @inline(never) func normalize(_ base: UnsafePointer<UInt8>, _ count: Int, into sink: inout TextSink) {
    normalizer.normalize(base, 0, count, into: &sink)
  }

  /// The normalised form of a text, which must be UTF-8.
  func normalized(_ text: [UInt8]) -> [UInt8] {
    if text.allSatisfy({ $0 < 0x80 }) {
      return text.compactMap { kinds[Int($0)] == .removed ? nil : mapped[Int($0)] }
    }
    let scratch = EncodingScratch()
    var sink = TextSink(scratch)
    text.withUnsafeBufferPointer { bytes in
      if let base = bytes.baseAddress { normalize(base, bytes.count, into: &sink) }
    }
    let result = Array(UnsafeBufferPointer(start: sink.text.base, count: sink.text.count))
    sink.returnBuffers(to: scratch)
    return result
  }
}
