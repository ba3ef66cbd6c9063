internal import ClozeIO
internal import Glibc

/// The tokens of a model and their ids: an arena of bytes, a hash table of tokens, and two tries for pieces, one
/// for the beginnings of words and one for continuations.
final class Vocabulary: @unchecked Sendable {
  /// Token `i` is `counts[i]` bytes at `offsets[i]` of the arena, followed by a NUL.
  private let arena: UnsafeMutablePointer<UInt8>
  private let offsets: UnsafeMutablePointer<UInt32>
  private let counts: UnsafeMutablePointer<UInt32>
  private let ids: UnsafeMutablePointer<Int32>
  private let slots: UnsafeMutablePointer<Slot>
  private let initial: PieceTrie
  private let continuing: PieceTrie
  /// Token indices by ascending id, one for each id.
  private let byID: [Int32]

  /// Token indices by ascending id, one for each id.
  var order: [Int32] { byID }

  /// The number of distinct tokens.
  let count: Int
  /// The largest id plus one; 0 without tokens.
  let bound: Int
  let table: Table

  /// The key of a token is its bytes, up to eight; of a longer one a hash, and its bytes are compared.
  struct Slot: BitwiseCopyable {
    var key: UInt64
    /// Token index, -1 in an empty slot.
    var index: Int32
    var count: UInt32
  }

  /// The lookup: a trivial value, valid as long as its vocabulary.
  struct Table {
    fileprivate let slots: UnsafePointer<Slot>
    fileprivate let mask: Int
    fileprivate let arena: UnsafePointer<UInt8>
    fileprivate let offsets: UnsafePointer<UInt32>
    fileprivate let ids: UnsafePointer<Int32>
    let initial: PieceTrie.Finder
    let continuing: PieceTrie.Finder

    /// The index of a token, or -1. Reads, but ignores, up to seven bytes past its end.
    @inline(__always) func index(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int {
      let key = Vocabulary.key(bytes, count)
      var at = Vocabulary.place(key) & mask
      while true {
        let slot = slots[at]
        if slot.index < 0 { return -1 }
        if slot.key == key && Int(slot.count) == count {
          if count <= 8 { return Int(slot.index) }
          let stored = arena + Int(offsets[Int(slot.index)])
          if memcmp(stored, bytes, count) == 0 { return Int(slot.index) }
        }
        at = (at &+ 1) & mask
      }
    }

    /// The id of a token, or -1; reads past its end as `index` does.
    @inline(__always) func id(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
      let index = index(bytes, count)
      return index < 0 ? -1 : ids[index]
    }
  }

  @inline(__always) fileprivate static func key(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> UInt64 {
    let raw = UnsafeRawPointer(bytes)
    if count <= 8 {
      if count == 0 { return 0 }
      let word = UInt64(littleEndian: raw.loadUnaligned(as: UInt64.self))
      return word & (UInt64.max &>> (64 &- UInt64(truncatingIfNeeded: count) &* 8))
    }
    var hash = UInt64(truncatingIfNeeded: count) &* 0x9E37_79B9_7F4A_7C15
    var p = 0
    while p &+ 8 <= count {
      hash = mix(hash ^ UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: p, as: UInt64.self)))
      p &+= 8
    }
    let last = UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self))
    return mix(hash ^ last)
  }

  /// Multiplies by 2^64 / golden ratio and folds the high half onto the low.
  @inline(__always) private static func mix(_ x: UInt64) -> UInt64 {
    let y = x &* 0x9E37_79B9_7F4A_7C15
    return y ^ y &>> 32
  }

  @inline(__always) fileprivate static func place(_ key: UInt64) -> Int { Int(truncatingIfNeeded: mix(key) &>> 8) }

  /// Collects tokens for a vocabulary. A token added again takes the new id.
  struct Builder {
    /// All tokens, each followed by a NUL.
    var bytes: [UInt8] = []
    var offsets: [UInt32] = []
    var counts: [UInt32] = []
    var ids: [Int32] = []
    /// The tokens' indices sorted by their bytes, where known; the tokens are distinct then.
    var order: [UInt32]?

    /// Adds a token; false if all tokens together would pass 2^31 bytes or tokens.
    mutating func add(_ token: some Collection<UInt8>, id: Int32) -> Bool {
      guard bytes.count &+ token.count &+ 64 < Int(Int32.max), ids.count < Int(Int32.max) else { return false }
      offsets.append(UInt32(truncatingIfNeeded: bytes.count))
      counts.append(UInt32(truncatingIfNeeded: token.count))
      ids.append(id)
      bytes.append(contentsOf: token)
      bytes.append(0)
      return true
    }
  }

  /// - Parameter longestPiece: the longest piece of a word that is looked up, in bytes.
  init(_ builder: Builder, continuingPrefix: [UInt8], longestPiece: Int) {
    let listed = builder.ids.count
    // Eight bytes more, because keys are read eight bytes at a time.
    let arena = UnsafeMutablePointer<UInt8>.allocate(capacity: builder.bytes.count &+ 8)
    self.arena = arena
    arena.update(repeating: 0, count: builder.bytes.count &+ 8)
    builder.bytes.withUnsafeBufferPointer { source in
      if let base = source.baseAddress { arena.update(from: base, count: source.count) }
    }
    let offsets = UnsafeMutablePointer<UInt32>.allocate(capacity: max(listed, 1))
    let counts = UnsafeMutablePointer<UInt32>.allocate(capacity: max(listed, 1))
    let ids = UnsafeMutablePointer<Int32>.allocate(capacity: max(listed, 1))
    self.offsets = offsets
    self.counts = counts
    self.ids = ids

    var slotCount = 16
    while slotCount < listed &* 2 { slotCount &*= 2 }
    let mask = slotCount &- 1
    slots = .allocate(capacity: slotCount)
    slots.update(repeating: Slot(key: 0, index: -1, count: 0), count: slotCount)

    var known = 0
    for i in 0..<listed {
      let bytes = UnsafePointer(arena) + Int(builder.offsets[i])
      let count = Int(builder.counts[i])
      let key = Vocabulary.key(bytes, count)
      var at = Vocabulary.place(key) & mask
      var found = -1
      while slots[at].index >= 0 {
        let slot = slots[at]
        if slot.key == key && Int(slot.count) == count {
          let stored = UnsafePointer(arena) + Int(offsets[Int(slot.index)])
          if count <= 8 || memcmp(stored, bytes, count) == 0 {
            found = Int(slot.index)
            break
          }
        }
        at = (at &+ 1) & mask
      }
      if found >= 0 {
        ids[found] = builder.ids[i]
        continue
      }
      slots[at] = Slot(key: key, index: Int32(truncatingIfNeeded: known), count: builder.counts[i])
      offsets[known] = builder.offsets[i]
      counts[known] = builder.counts[i]
      ids[known] = builder.ids[i]
      known &+= 1
    }
    count = known

    var order = (0..<Int32(truncatingIfNeeded: known)).map { $0 }
    order.sort { ids[Int($0)] != ids[Int($1)] ? ids[Int($0)] < ids[Int($1)] : $0 < $1 }
    // Of tokens with the same id the last listed is the one that the id maps to.
    var unique: [Int32] = []
    unique.reserveCapacity(order.count)
    for index in order {
      if let last = unique.last, ids[Int(last)] == ids[Int(index)] { unique.removeLast() }
      unique.append(index)
    }
    byID = unique
    bound = unique.last.map { Int(ids[Int($0)]) &+ 1 } ?? 0

    var starts: [PieceTrie.Entry] = []
    var rests: [PieceTrie.Entry] = []
    starts.reserveCapacity(known)
    for place in 0..<known {
      let i = builder.order.map { Int($0[place]) } ?? place
      let count = Int(counts[i])
      if count <= longestPiece { starts.append(PieceTrie.Entry(offset: offsets[i], count: counts[i], value: ids[i])) }
      let prefix = continuingPrefix.count
      if count > prefix && count &- prefix <= longestPiece
        && continuingPrefix.withUnsafeBufferPointer({ wanted in
          wanted.baseAddress.map { memcmp($0, arena + Int(offsets[i]), prefix) == 0 } ?? true
        })
      {
        rests.append(
          PieceTrie.Entry(
            offset: offsets[i] &+ UInt32(truncatingIfNeeded: prefix),
            count: counts[i] &- UInt32(truncatingIfNeeded: prefix), value: ids[i]))
      }
    }
    initial = PieceTrie(starts, arena: arena, sorted: builder.order != nil)
    continuing = PieceTrie(rests, arena: arena, sorted: builder.order != nil)
    table = Table(
      slots: slots, mask: mask, arena: arena, offsets: offsets, ids: ids, initial: initial.finder,
      continuing: continuing.finder)
  }

  deinit {
    arena.deallocate()
    offsets.deallocate()
    counts.deallocate()
    ids.deallocate()
    slots.deallocate()
  }

  /// The id of a token, if the vocabulary has it.
  func id(of token: some Collection<UInt8>) -> Int32? {
    var padded = Array(token)
    let count = padded.count
    padded.append(contentsOf: repeatElement(0, count: 8))
    let id = padded.withUnsafeBufferPointer { bytes in bytes.baseAddress.map { table.id($0, count) } ?? -1 }
    return id < 0 ? nil : id
  }

  /// The bytes and the id of token `index`, 0 to `count`, not included.
  func bytes(at index: Int) -> UnsafeBufferPointer<UInt8> {
    UnsafeBufferPointer(start: arena + Int(offsets[index]), count: Int(counts[index]))
  }
  func id(at index: Int) -> Int32 { ids[index] }

  /// The bytes of the token with an id, followed by a NUL; valid as long as the vocabulary.
  func bytes(of id: Int32) -> UnsafeBufferPointer<UInt8>? {
    var low = 0
    var high = byID.count
    while low < high {
      let middle = (low &+ high) / 2
      if ids[Int(byID[middle])] < id { low = middle &+ 1 } else { high = middle }
    }
    guard low < byID.count, ids[Int(byID[low])] == id else { return nil }
    return bytes(at: Int(byID[low]))
  }
}
