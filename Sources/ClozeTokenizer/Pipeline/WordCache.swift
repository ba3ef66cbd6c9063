internal import Glibc

/// The tokens of short pieces of text that were met before, for one pipeline; exact, as a piece's tokens depend on
/// nothing else. Its memory is fixed: of pieces with the same place the last one stays.
final class WordCache {
  /// Longer pieces, and pieces of more tokens, are not kept.
  static let longest = 24
  static let mostTokens = 5
  private static let bits: UInt64 = 14

  /// A piece and its tokens, in one cache line.
  struct Entry: BitwiseCopyable {
    var hash: UInt64 = 0
    var text: (UInt64, UInt64, UInt64) = (0, 0, 0)
    var ids: (Int32, Int32, Int32, Int32, Int32) = (0, 0, 0, 0, 0)
    /// Where each token ends, counted from the beginning of the piece; each begins where the one before ends.
    var ends: (UInt8, UInt8, UInt8, UInt8, UInt8) = (0, 0, 0, 0, 0)
    /// The length of the piece; 0 in an empty entry.
    var count: UInt8 = 0
    var tokenCount: UInt8 = 0
  }

  /// The pipeline whose tokens are kept.
  private var pipeline: Pipeline?
  private let memory: UnsafeMutableRawPointer?
  /// Aligned to cache lines; nil where there is no memory, and nothing is kept.
  private let entries: UnsafeMutablePointer<Entry>?

  init() {
    // Zeros are empty entries; memory that is not touched takes none.
    let size = MemoryLayout<Entry>.stride << Int(Self.bits)
    memory = calloc(size &+ 64, 1)
    entries = memory.map {
      $0.advanced(by: 64 &- Int(bitPattern: $0) & 63).bindMemory(to: Entry.self, capacity: 1 << Int(Self.bits))
    }
  }

  deinit { free(memory) }

  func begin(_ pipeline: Pipeline) {
    if self.pipeline === pipeline { return }
    // Nothing is kept yet where there was none.
    if self.pipeline != nil { entries?.update(repeating: Entry(), count: 1 << Int(Self.bits)) }
    self.pipeline = pipeline
  }

  /// A piece of at most `longest` bytes as three numbers; reads, but ignores, up to 24 bytes from its beginning on.
  @inline(__always) static func words(_ text: UnsafePointer<UInt8>, _ count: Int) -> (UInt64, UInt64, UInt64) {
    let raw = UnsafeRawPointer(text)
    func word(_ at: Int) -> UInt64 {
      if count <= at { return 0 }
      let word = UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: at, as: UInt64.self))
      return count &- at >= 8 ? word : word & (UInt64.max &>> (64 &- UInt64(truncatingIfNeeded: count &- at) &* 8))
    }
    return (word(0), word(8), word(16))
  }

  @inline(__always) static func hash(_ words: (UInt64, UInt64, UInt64), _ count: Int) -> UInt64 {
    var hash = (words.0 ^ UInt64(truncatingIfNeeded: count)) &* 0x9E37_79B9_7F4A_7C15
    hash = (hash ^ hash >> 32 ^ words.1) &* 0x9E37_79B9_7F4A_7C15
    return (hash ^ hash >> 32 ^ words.2) &* 0x9E37_79B9_7F4A_7C15
  }

  @inline(__always) private func place(_ hash: UInt64) -> UnsafeMutablePointer<Entry>? {
    entries.map { $0 + Int(truncatingIfNeeded: hash >> (64 &- Self.bits)) }
  }

  /// Appends the tokens of a piece at byte `origin` of its text; false where it was not kept.
  @inline(__always) func append(
    _ words: (UInt64, UInt64, UInt64), _ count: Int, _ hash: UInt64, origin: Int32,
    to tokens: inout RawBuffer<TokenRecord>
  ) -> Bool {
    guard let entry = place(hash), entry.pointee.hash == hash, Int(entry.pointee.count) == count,
      entry.pointee.text == words
    else {
      return false
    }
    let number = Int(entry.pointee.tokenCount)
    tokens.reserve(Self.mostTokens)
    withUnsafeBytes(of: &entry.pointee) { bytes in
      var begin = origin
      for i in 0..<number {
        let end = origin &+ Int32(bytes[52 &+ i])
        tokens.base[tokens.count] = TokenRecord(
          id: bytes.load(fromByteOffset: 32 &+ 4 &* i, as: Int32.self), begin: begin, end: end)
        tokens.count &+= 1
        begin = end
      }
    }
    return true
  }

  /// Keeps the tokens of a piece at byte `origin` of its text, where there is room for them.
  func keep(
    _ words: (UInt64, UInt64, UInt64), _ count: Int, _ hash: UInt64, _ found: UnsafePointer<TokenRecord>, _ number: Int,
    origin: Int32
  ) {
    guard number <= Self.mostTokens else { return }
    var entry = Entry(
      hash: hash, text: words, count: UInt8(truncatingIfNeeded: count), tokenCount: UInt8(truncatingIfNeeded: number))
    var begin = origin
    for i in 0..<number {
      guard found[i].begin == begin, found[i].end &- origin <= Self.longest else { return }
      begin = found[i].end
      withUnsafeMutableBytes(of: &entry) { bytes in
        bytes.storeBytes(of: found[i].id, toByteOffset: 32 &+ 4 &* i, as: Int32.self)
        bytes[52 &+ i] = UInt8(truncatingIfNeeded: found[i].end &- origin)
      }
    }
    place(hash)?.pointee = entry
  }
}
