/// A growable array of trivial elements, freed by its owner; a copy shares the memory.
///
/// An `Array` in a class would check exclusivity, uniqueness and bounds at each append.
struct RawBuffer<Element: BitwiseCopyable> {
  private(set) var base: UnsafeMutablePointer<Element>
  private(set) var capacity: Int
  var count = 0

  init(capacity: Int) {
    self.capacity = capacity
    base = .allocate(capacity: capacity)
  }

  /// Ensures capacity for `extra` more elements.
  @inline(__always) mutating func reserve(_ extra: Int) { if capacity &- count < extra { grow(extra) } }

  @inline(never) private mutating func grow(_ extra: Int) {
    let wanted = max(count &+ extra, capacity &* 2)
    let larger = UnsafeMutablePointer<Element>.allocate(capacity: wanted)
    larger.update(from: base, count: count)
    base.deallocate()
    base = larger
    capacity = wanted
  }

  @inline(__always) mutating func append(_ element: Element) {
    reserve(1)
    base[count] = element
    count &+= 1
  }

  func deallocate() { base.deallocate() }
}

/// One token of a text, before the special tokens of the template are added.
struct TokenRecord: BitwiseCopyable {
  var id: Int32
  var begin: Int32
  var end: Int32
}

/// The buffers of encoding, reused from text to text.
final class EncodingScratch {
  /// The normalised bytes of the word being read. Eight bytes past `count` may be read.
  var word = RawBuffer<UInt8>(capacity: 512)
  /// The original bytes that each of these comes from, where that is not one to one.
  var wordSpans = RawBuffer<ByteRange>(capacity: 512)
  var first = RawBuffer<TokenRecord>(capacity: 256)
  var second = RawBuffer<TokenRecord>(capacity: 16)
  /// A normalised text and its spans; used only where added tokens match normalised text.
  var text = RawBuffer<UInt8>(capacity: 16)
  var textSpans = RawBuffer<ByteRange>(capacity: 16)

  /// The spaces at the ends of these tokens, where they are taken off.
  var firstEdges = RawBuffer<EdgeSpaces>(capacity: 1)
  var secondEdges = RawBuffer<EdgeSpaces>(capacity: 1)
  /// Made where a pipeline first needs them.
  var stages: PipelineScratch?

  deinit {
    stages?.deallocate()
    firstEdges.deallocate()
    secondEdges.deallocate()
    word.deallocate()
    wordSpans.deallocate()
    first.deallocate()
    second.deallocate()
    text.deallocate()
    textSpans.deallocate()
  }
}
