internal import ClozeIO

/// A text on its way through the stages, with the original bytes that each of its bytes comes from.
///
/// All bytes of a scalar have the same span. A trivial value that shares its memory with its copies; `EncodingScratch`
/// frees it.
struct AlignedText {
  var bytes = RawBuffer<UInt8>(capacity: 64)
  var spans = RawBuffer<ByteRange>(capacity: 64)

  var count: Int { @inline(__always) get { bytes.count } }

  mutating func removeAll() {
    bytes.count = 0
    spans.count = 0
  }

  func deallocate() {
    bytes.deallocate()
    spans.deallocate()
  }

  @inline(__always) mutating func reserve(_ extra: Int) {
    bytes.reserve(extra)
    spans.reserve(extra)
  }

  /// Appends a byte for which memory is reserved.
  @inline(__always) mutating func put(_ byte: UInt8, _ span: ByteRange) {
    bytes.base[bytes.count] = byte
    spans.base[bytes.count] = span
    bytes.count &+= 1
    spans.count = bytes.count
  }

  @inline(__always) mutating func append(_ scalar: UInt32, _ span: ByteRange) {
    reserve(4)
    let length = UTF8Scan.encode(scalar, bytes.base + bytes.count)
    for i in 0..<length { spans.base[bytes.count &+ i] = span }
    bytes.count &+= length
    spans.count = bytes.count
  }

  /// Appends bytes that all come from the same original bytes.
  mutating func append(_ content: [UInt8], _ span: ByteRange) {
    reserve(content.count)
    for byte in content { put(byte, span) }
  }

  /// Appends a part of another text.
  @inline(__always) mutating func append(_ text: AlignedText, _ from: Int, _ to: Int) {
    guard from < to else { return }
    reserve(to &- from)
    (bytes.base + bytes.count).update(from: text.bytes.base + from, count: to &- from)
    (spans.base + bytes.count).update(from: text.spans.base + from, count: to &- from)
    bytes.count &+= to &- from
    spans.count = bytes.count
  }

  /// Appends the original bytes `from..<to`, which are UTF-8.
  mutating func append(original base: UnsafePointer<UInt8>, _ from: Int, _ to: Int) {
    reserve(to &- from)
    var p = from
    while p < to {
      let length = UTF8Scan.length(base[p])
      let span = ByteRange(
        begin: Int32(truncatingIfNeeded: p), end: Int32(truncatingIfNeeded: min(p &+ length, to)))
      var i = p
      while i < min(p &+ length, to) {
        put(base[i], span)
        i &+= 1
      }
      p &+= length
    }
  }

  /// The scalar at `p` and its length.
  @inline(__always) func scalar(_ p: Int) -> (scalar: UInt32, length: Int) { UTF8Scan.decode(bytes.base, p) }

  /// The span of the bytes `from..<to`, at least one.
  @inline(__always) func span(_ from: Int, _ to: Int) -> ByteRange {
    ByteRange(begin: spans.base[from].begin, end: spans.base[to &- 1].end)
  }
}

/// A range of bytes of an `AlignedText`.
struct TextPiece: BitwiseCopyable {
  var from: Int32
  var to: Int32

  init(_ from: Int, _ to: Int) {
    self.from = Int32(truncatingIfNeeded: from)
    self.to = Int32(truncatingIfNeeded: to)
  }
}

/// Rewrites a text scalar by scalar, as `NormalizedString.transform` of `tokenizers`: with each new scalar goes the
/// number of scalars that it adds (1: it comes from the same bytes as the one before; 0: it replaces one; -n: it
/// replaces one, and the n after that are removed).
struct Transform {
  private let input: AlignedText
  private(set) var output: AlignedText
  private var cursor = 0
  /// Where in the original the text begins.
  private let origin: Int32
  /// The last scalar, whose change may still become less.
  private var pending: (scalar: UInt32, change: Int)?

  init(_ input: AlignedText, into output: AlignedText, origin: Int32) {
    self.input = input
    self.output = output
    self.origin = origin
  }

  @inline(__always) mutating func push(_ scalar: UInt32, _ change: Int) {
    if let pending { write(pending.scalar, pending.change) }
    pending = (scalar, change)
  }

  /// Adds to the change of the last scalar, if there is one.
  mutating func adjust(_ change: Int) { pending?.change &+= change }

  mutating func finish() {
    if let pending { write(pending.scalar, pending.change) }
    pending = nil
  }

  @inline(__always) private mutating func write(_ scalar: UInt32, _ change: Int) {
    let count = input.count
    if change > 0 {
      output.append(
        scalar, cursor > 0 ? input.spans.base[min(cursor, count) &- 1] : ByteRange(begin: origin, end: origin))
      return
    }
    output.append(scalar, input.spans.base[min(cursor, count &- 1)])
    var removed = 1 &- change
    while removed > 0, cursor < count {
      cursor &+= UTF8Scan.length(input.bytes.base[cursor])
      removed &-= 1
    }
  }
}
