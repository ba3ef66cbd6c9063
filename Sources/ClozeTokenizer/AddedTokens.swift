internal import ClozeIO
internal import Glibc

/// A token that is recognised in text before words are split.
struct AddedToken {
  var content: [UInt8]
  /// Not recognised beside a word character.
  var singleWord = false
  /// Takes the whitespace on its left, or right, with it.
  var takesLeft = false
  var takesRight = false
  /// Recognised in normalised text, by its own normalised form, instead of in the original.
  var normalized = false
  var special = false
}

/// The added tokens with their ids and what finds them, as `tokenizers`' AddedVocabulary.
final class AddedTokens: @unchecked Sendable {
  /// In the order in which their contents were first listed.
  let tokens: [(token: AddedToken, id: Int32)]
  /// Finds tokens in original text, and in normalised text; values are indices into `tokens`.
  let raw: PieceTrie
  let normalized: PieceTrie

  /// All contents, each with a NUL after it, then the normalised forms.
  private let arena: UnsafeMutablePointer<UInt8>
  private let offsets: [Int]

  /// `normalize` gives a token's normalised form. A normalised form that is empty is never found;
  /// `tokenizers` finds it between any two bytes. Where several are equal the first listed is
  /// found; `tokenizers` takes any.
  init(
    _ listed: [(token: AddedToken, id: Int32)], normalize: ([UInt8]) -> [UInt8]
  ) throws(ClozeError) {
    tokens = listed
    let forms = listed.map { $0.token.normalized ? normalize($0.token.content) : [] }
    var total = 0
    for (i, item) in listed.enumerated() {
      total = total &+ item.token.content.count &+ 1 &+ forms[i].count
    }
    guard total < Int(Int32.max) else {
      throw ClozeError(.damaged, "the added tokens are longer than 2^31 bytes")
    }
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
        offset: UInt32(truncatingIfNeeded: offset),
        count: UInt32(truncatingIfNeeded: bytes.count), value: 0)
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
    raw = PieceTrie(rawEntries, arena: arena)
    normalized = PieceTrie(normalizedEntries, arena: arena)
  }

  deinit { arena.deallocate() }

  /// The id of a content.
  func id(of content: some Collection<UInt8>) -> Int32? {
    tokens.first { $0.token.content.elementsEqual(content) }?.id
  }

  /// The bytes of the token with an id, followed by a NUL; valid as long as this object.
  func bytes(of id: Int32) -> UnsafeBufferPointer<UInt8>? {
    guard let index = tokens.lastIndex(where: { $0.id == id }) else { return nil }
    return UnsafeBufferPointer(
      start: arena + offsets[index], count: tokens[index].token.content.count)
  }

  /// Splits text at added tokens: calls `text` with what is between them and `token` with an index
  /// into `tokens` and what it takes.
  ///
  /// Quirks, all of `tokenizers`: matches are the leftmost longest and do not overlap, and a match
  /// that `singleWord` rejects still uses its bytes up; whitespace taken on the right is not, so
  /// that a token made of whitespace can be found in it again, and text can then come twice.
  @inline(__always)
  func split(
    _ trie: PieceTrie, _ base: UnsafePointer<UInt8>, _ count: Int, unicode: UnicodeTables,
    text: (Int, Int) -> Void, token: (Int, Int, Int) -> Void
  ) {
    var done = 0
    var from = 0
    while let match = trie.find(base, from, count) {
      from = match.end
      let index = Int(match.value)
      let added = tokens[index].token
      var begin = match.begin
      var end = match.end
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
      // Nothing is left of a token of whitespace that another has taken.
      if begin < end { token(index, begin, end) }
      done = end
    }
    if done != count { text(done, count) }
  }
}
