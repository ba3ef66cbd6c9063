/// A half-open range of bytes in the original text; `(0, 0)` for a special token of the template.
public struct ByteRange: Sendable, Hashable, BitwiseCopyable {
  public var begin: Int32
  public var end: Int32

  @inlinable public init(begin: Int32, end: Int32) {
    self.begin = begin
    self.end = end
  }
}

/// How a text, or a pair, with more tokens than allowed is truncated.
public enum Truncation: String, Sendable, CaseIterable {
  /// Not at all: it is an error.
  case error
  /// At the end of the longer of the two until both are equally long, then of both.
  case longestFirst = "longest_first"
  /// At the end of the first text.
  case onlyFirst = "only_first"
  /// At the end of the second text.
  case onlySecond = "only_second"
}

/// The tokens of one text or one pair, as a model takes them.
public struct Encoding: Sendable, Equatable {
  public var ids: [Int32]
  /// The segment of each token: 0 for the first text, 1 for the second.
  public var typeIDs: [Int32]
  /// The bytes of its text that each token comes from. Tokens may share bytes; bytes that normalisation
  /// removes belong to no token.
  public var offsets: [ByteRange]
  /// The text of each token: 0, the first; 1, the second; -1, none, as the template adds it. Types may be 0 in both.
  public var sequenceIDs: [Int32]
  /// Whether tokens were truncated.
  public var truncated: Bool

  public init(ids: [Int32], typeIDs: [Int32], offsets: [ByteRange], sequenceIDs: [Int32], truncated: Bool) {
    self.ids = ids
    self.typeIDs = typeIDs
    self.offsets = offsets
    self.sequenceIDs = sequenceIDs
    self.truncated = truncated
  }
}

/// The concatenated tokens of many texts, and the scratch memory for encoding.
///
/// `Tokenizer.append` adds to it. `removeAll` keeps the memory, so that a batch no larger than an earlier one
/// allocates nothing. One caller at a time.
public final class EncodingBuffer {
  public internal(set) var ids: [Int32] = []
  public internal(set) var typeIDs: [Int32] = []
  /// As long as `ids`, or empty if `keepsOffsets` is false.
  public internal(set) var offsets: [ByteRange] = []
  /// As `offsets`: see `Encoding.sequenceIDs`.
  public internal(set) var sequenceIDs: [Int32] = []
  /// Whether places in texts are kept: `offsets` and `sequenceIDs`.
  public let keepsOffsets: Bool

  let scratch = EncodingScratch()

  public init(keepsOffsets: Bool = true) { self.keepsOffsets = keepsOffsets }

  /// Removes all tokens and keeps the memory.
  public func removeAll() {
    ids.removeAll(keepingCapacity: true)
    typeIDs.removeAll(keepingCapacity: true)
    offsets.removeAll(keepingCapacity: true)
    sequenceIDs.removeAll(keepingCapacity: true)
  }

  /// Removes the first `count` tokens and keeps the memory.
  package func removeFirst(_ count: Int) {
    ids.removeFirst(count)
    typeIDs.removeFirst(count)
    guard keepsOffsets else { return }
    offsets.removeFirst(count)
    sequenceIDs.removeFirst(count)
  }

  /// Appends tokens that are known already, at no place of a text.
  package func append(_ ids: [Int32], typeIDs: [Int32]) {
    self.ids += ids
    self.typeIDs += typeIDs
    guard keepsOffsets else { return }
    offsets.append(contentsOf: repeatElement(ByteRange(begin: 0, end: 0), count: ids.count))
    sequenceIDs.append(contentsOf: repeatElement(-1, count: ids.count))
  }

  /// Some of the tokens as an encoding of their own.
  package func encoding(of tokens: Range<Int>, truncated: Bool) -> Encoding {
    Encoding(
      ids: Array(ids[tokens]), typeIDs: Array(typeIDs[tokens]), offsets: keepsOffsets ? Array(offsets[tokens]) : [],
      sequenceIDs: keepsOffsets ? Array(sequenceIDs[tokens]) : [], truncated: truncated)
  }
}
