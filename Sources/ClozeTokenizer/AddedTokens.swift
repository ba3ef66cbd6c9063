internal import ClozeIO
internal import Glibc

/// A token that is matched in text before it is split into words.
struct AddedToken {
  var content: [UInt8]
  /// Whether it is not matched next to a word character.
  var singleWord = false
  /// Whether it includes the whitespace on its left, or right.
  var takesLeft = false
  var takesRight = false
  /// Whether its normalised form is matched in normalised text, instead of the token in the original.
  var normalized = false
  var special = false
}

/// The added tokens with their ids and the tries that match them, as `tokenizers`' AddedVocabulary.
final class AddedTokens: @unchecked Sendable {
  /// The tokens, in the order in which their contents were first listed.
  let tokens: [(token: AddedToken, id: Int32)]
  /// Match tokens in original text, and in normalised text; values are indices into `tokens`.
  let raw: PieceTrie
  let normalized: PieceTrie
  /// Whether special tokens are left to the text around them.
  private let splitSpecialTokens: Bool

  /// All contents, each followed by a NUL, then the normalised forms.
  private let arena: UnsafeMutablePointer<UInt8>
  private let offsets: [Int]
  /// Indices into `tokens`.
  private let byContent: [[UInt8]: Int]
  private let byID: [Int32: Int]

  /// Differs from `tokenizers` in two cases: an empty normalised form is never matched (there between any two
  /// bytes), and of equal normalised forms the first listed is matched (there any).
  ///
  /// - Parameters:
  ///   - splitSpecialTokens: whether special tokens are text like any other.
  ///   - normalize: the normalised form of a token.
  init(_ listed: [(token: AddedToken, id: Int32)], splitSpecialTokens: Bool, normalize: ([UInt8]) -> [UInt8])
    throws(ClozeError)
  {
    tokens = listed
    self.splitSpecialTokens = splitSpecialTokens
    let forms = listed.map { $0.token.normalized ? normalize($0.token.content) : [] }
    var total = 0
    for (i, item) in listed.enumerated() { total = total &+ item.token.content.count &+ 1 &+ forms[i].count }
    guard total < Int(Int32.max) else { throw ClozeError(.damaged, "the added tokens have more than 2^31 bytes") }
    let arena = UnsafeMutablePointer<UInt8>.allocate(capacity: max(total, 1))
    self.arena = arena
    var at = 0
    func store(_ bytes: [UInt8]) -> PieceTrie.Entry {
      let offset = at
      for byte in bytes {
        arena[at] = byte
        at &+= 1
      }
      return PieceTrie.Entry(
        offset: UInt32(truncatingIfNeeded: offset), count: UInt32(truncatingIfNeeded: bytes.count), value: 0)
    }
    var offsets: [Int] = []
    var rawEntries: [PieceTrie.Entry] = []
    var normalizedEntries: [PieceTrie.Entry] = []
    for (i, item) in listed.enumerated() {
      offsets.append(at)
      var entry = store(item.token.content)
      arena[at] = 0
      at &+= 1
      if item.token.normalized { entry = store(forms[i]) }
      entry.value = Int32(truncatingIfNeeded: i)
      if item.token.normalized { normalizedEntries.append(entry) } else { rawEntries.append(entry) }
    }
    self.offsets = offsets
    byContent = Dictionary(listed.indices.map { (listed[$0].token.content, $0) }) { first, _ in first }
    byID = Dictionary(listed.indices.map { (listed[$0].id, $0) }) { _, last in last }
    raw = PieceTrie(rawEntries, arena: arena)
    normalized = PieceTrie(normalizedEntries, arena: arena)
  }

  deinit { arena.deallocate() }

  /// The id of the token with a content.
  func id(of content: [UInt8]) -> Int32? { byContent[content].map { tokens[$0].id } }

  /// The bytes of the token with an id, followed by a NUL; valid as long as this object.
  func bytes(of id: Int32) -> UnsafeBufferPointer<UInt8>? {
    guard let index = byID[id] else { return nil }
    return UnsafeBufferPointer(start: arena + offsets[index], count: tokens[index].token.content.count)
  }

  /// Splits text at added tokens: calls `text` with the ranges between them, and `token` with an index into
  /// `tokens` and the range that it includes.
  ///
  /// Quirks, all of `tokenizers`: matches are the leftmost longest and do not overlap; a match that
  /// `singleWord` or `splitSpecialTokens` rejects still consumes its bytes; whitespace included on the right is not
  /// consumed, so that a token of whitespace can be matched in it again, and text then occurs twice.
  @inline(__always) func split(
    _ trie: PieceTrie, _ base: UnsafePointer<UInt8>, _ count: Int, unicode: UnicodeTables, text: (Int, Int) -> Void,
    token: (Int, Int, Int) -> Void
  ) {
    var done = 0
    var from = 0
    while let match = trie.find(base, from, count) {
      from = match.end
      let index = Int(match.value)
      let added = tokens[index].token
      var begin = match.begin
      var end = match.end
      if splitSpecialTokens, added.special { continue }
      if added.singleWord {
        let flags = ScalarFlags.word
        if begin > 0 {
          let before = UTF8Scan.decode(base, UTF8Scan.start(before: begin, base, 0)).scalar
          if unicode.entry(before) & flags != 0 { continue }
        }
        if end < count, unicode.entry(UTF8Scan.decode(base, end).scalar) & flags != 0 { continue }
      }
      if added.takesLeft {
        while begin > done {
          let start = UTF8Scan.start(before: begin, base, 0)
          let scalar = UTF8Scan.decode(base, start).scalar
          if unicode.entry(scalar) & ScalarFlags.whitespace == 0 { break }
          begin = start
        }
        begin = max(begin, done)
      }
      if added.takesRight {
        while end < count {
          let (scalar, length) = UTF8Scan.decode(base, end)
          if unicode.entry(scalar) & ScalarFlags.whitespace == 0 { break }
          end &+= length
        }
      }
      if done < begin { text(done, begin) }
      // A token of whitespace that the token before includes is empty.
      if begin < end { token(index, begin, end) }
      done = end
    }
    if done != count { text(done, count) }
  }
}
