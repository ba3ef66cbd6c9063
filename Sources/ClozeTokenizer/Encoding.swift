/// Half-open range of bytes in the text that was given, `(0, 0)` for a token that was added.
public struct ByteRange: Sendable, Hashable, BitwiseCopyable {
  public var begin: Int32
  public var end: Int32

  @inlinable
  public init(begin: Int32, end: Int32) {
    self.begin = begin
    self.end = end
  }
}

/// What happens to a text, or a pair, that needs more tokens than allowed.
public enum Truncation: String, Sendable, CaseIterable {
  /// It is an error.
  case error
  /// Tokens go from the end of the longer of the two, until both are equally long, then from both.
  case longestFirst = "longest_first"
  /// Tokens go from the end of the first text.
  case onlyFirst = "only_first"
  /// Tokens go from the end of the second text.
  case onlySecond = "only_second"
}

/// The tokens of one text or one pair, ready for a model.
public struct Encoding: Sendable, Equatable {
  public var ids: [Int32]
  /// The segment of each token: 0 for the first text, 1 for the second.
  public var typeIDs: [Int32]
  /// Where each token stands in its text; several tokens may share bytes, and bytes that
  /// normalisation removes belong to none.
  public var offsets: [ByteRange]
  /// Whether tokens were cut.
  public var truncated: Bool

  public init(ids: [Int32], typeIDs: [Int32], offsets: [ByteRange], truncated: Bool) {
    self.ids = ids
    self.typeIDs = typeIDs
    self.offsets = offsets
    self.truncated = truncated
  }
}

/// The tokens of many texts, end to end, and the scratch memory for making them.
///
/// `Tokenizer.append` adds to it. Memory is kept over `removeAll`, so that encoding batch after
/// batch allocates nothing once the largest has been seen. One caller at a time.
public final class EncodingBuffer {
  public internal(set) var ids: [Int32] = []
  public internal(set) var typeIDs: [Int32] = []
  /// As long as `ids`, or empty if `keepsOffsets` is false.
  public internal(set) var offsets: [ByteRange] = []
  public let keepsOffsets: Bool

  let scratch = Scratch()

  public init(keepsOffsets: Bool = true) {
    self.keepsOffsets = keepsOffsets
  }

  /// Forgets all tokens and keeps the memory.
  public func removeAll() {
    ids.removeAll(keepingCapacity: true)
    typeIDs.removeAll(keepingCapacity: true)
    offsets.removeAll(keepingCapacity: true)
  }

  /// Removes the first `count` tokens and keeps the memory.
  package func removeFirst(_ count: Int) {
    ids.removeFirst(count)
    typeIDs.removeFirst(count)
    if keepsOffsets { offsets.removeFirst(count) }
  }

  /// Appends tokens that are known already, at no place of a text.
  package func append(_ ids: [Int32], typeIDs: [Int32]) {
    self.ids += ids
    self.typeIDs += typeIDs
    if keepsOffsets {
      offsets.append(contentsOf: repeatElement(ByteRange(begin: 0, end: 0), count: ids.count))
    }
  }

  /// Some of the tokens as an encoding of their own.
  package func encoding(of tokens: Range<Int>, truncated: Bool) -> Encoding {
    Encoding(
      ids: Array(ids[tokens]), typeIDs: Array(typeIDs[tokens]),
      offsets: keepsOffsets ? Array(offsets[tokens]) : [], truncated: truncated)
  }
}
