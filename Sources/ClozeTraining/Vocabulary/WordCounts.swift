internal import Glibc

/// Byte strings with a number each, at first how often a word occurs: an arena of bytes and a hash table with linear
/// probing. For one thread at a time.
final class WordCounts {
  /// The key of an empty slot has the count 0.
  private struct Slot: BitwiseCopyable {
    var hash: UInt64 = 0
    var count = 0
    var offset: UInt32 = 0
    var length: UInt32 = 0
  }

  private var slots: UnsafeMutablePointer<Slot>
  private var mask: Int
  private var arena: UnsafeMutablePointer<UInt8>
  private var arenaCapacity: Int
  /// Bytes of all words, which must stay below 2^32.
  private(set) var bytes = 0
  /// The number of distinct words.
  private(set) var count = 0

  init() {
    (mask, arenaCapacity) = (1 << 12 - 1, 1 << 15)
    slots = .allocate(capacity: mask + 1)
    slots.initialize(repeating: Slot(), count: mask + 1)
    arena = .allocate(capacity: arenaCapacity)
  }

  deinit {
    slots.deallocate()
    arena.deallocate()
  }

  /// The count of a word; 0 for one that is not there.
  func count(of word: UnsafeBufferPointer<UInt8>) -> Int { slots[place(word, Self.hash(word))].count }

  /// Adds to the count of a word. `times > 0`.
  func add(_ word: UnsafeBufferPointer<UInt8>, times: Int = 1) { add(word, Self.hash(word), times) }

  /// Adds all counts of another table.
  func add(_ other: WordCounts) {
    for i in 0...other.mask where other.slots[i].count > 0 {
      add(other.word(other.slots[i]), other.slots[i].hash, other.slots[i].count)
    }
  }

  func forEach(_ body: (_ word: UnsafeBufferPointer<UInt8>, _ count: Int) -> Void) {
    for i in 0...mask where slots[i].count > 0 { body(word(slots[i]), slots[i].count) }
  }

  /// Removes all words; the memory stays.
  func removeAll() {
    slots.initialize(repeating: Slot(), count: mask + 1)
    (count, bytes) = (0, 0)
  }

  /// Drops the rarer half of the words, and those as rare as the most frequent of that half.
  ///
  /// - Returns: how many words were dropped, and the largest count of one.
  func dropRarerHalf() -> (words: Int, count: Int) {
    guard count > 0 else { return (0, 0) }
    var counts: [Int] = []
    counts.reserveCapacity(count)
    forEach { counts.append($1) }
    counts.sort()
    let limit = counts[count / 2]
    let (old, oldMask, oldArena, before) = (slots, mask, arena, count)
    slots = .allocate(capacity: mask + 1)
    arena = .allocate(capacity: arenaCapacity)
    removeAll()
    for i in 0...oldMask where old[i].count > limit {
      let word = UnsafeBufferPointer(start: oldArena + Int(old[i].offset), count: Int(old[i].length))
      add(word, old[i].hash, old[i].count)
    }
    old.deallocate()
    oldArena.deallocate()
    return (before - count, limit)
  }

  private func word(_ slot: Slot) -> UnsafeBufferPointer<UInt8> {
    UnsafeBufferPointer(start: arena + Int(slot.offset), count: Int(slot.length))
  }

  private func add(_ word: UnsafeBufferPointer<UInt8>, _ hash: UInt64, _ times: Int) {
    let found = place(word, hash)
    if slots[found].count > 0 {
      slots[found].count &+= times
      return
    }
    guard let source = word.baseAddress else { return }
    if bytes &+ word.count > arenaCapacity { growArena(word.count) }
    (arena + bytes).update(from: source, count: word.count)
    slots[found] = Slot(
      hash: hash, count: times, offset: UInt32(truncatingIfNeeded: bytes),
      length: UInt32(truncatingIfNeeded: word.count))
    bytes &+= word.count
    count &+= 1
    if count &* 2 > mask { growSlots() }
  }

  /// The slot of a word, or the empty one where it would stand.
  @inline(__always) private func place(_ word: UnsafeBufferPointer<UInt8>, _ hash: UInt64) -> Int {
    var at = Int(truncatingIfNeeded: hash) & mask
    while true {
      let slot = slots[at]
      if slot.count == 0 { return at }
      if slot.hash == hash, Int(slot.length) == word.count, let bytes = word.baseAddress,
        memcmp(arena + Int(slot.offset), bytes, word.count) == 0
      {
        return at
      }
      at = (at &+ 1) & mask
    }
  }

  private func growSlots() {
    let (old, oldMask) = (slots, mask)
    mask = mask &* 2 &+ 1
    slots = .allocate(capacity: mask + 1)
    slots.initialize(repeating: Slot(), count: mask + 1)
    for i in 0...oldMask where old[i].count > 0 {
      var at = Int(truncatingIfNeeded: old[i].hash) & mask
      while slots[at].count > 0 { at = (at &+ 1) & mask }
      slots[at] = old[i]
    }
    old.deallocate()
  }

  private func growArena(_ extra: Int) {
    arenaCapacity = max(arenaCapacity &* 2, bytes &+ extra)
    let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: arenaCapacity)
    larger.update(from: arena, count: bytes)
    arena.deallocate()
    arena = larger
  }

  /// Multiplies eight bytes at a time by 2^64 / golden ratio and folds the high half onto the low.
  @inline(__always) private static func hash(_ word: UnsafeBufferPointer<UInt8>) -> UInt64 {
    guard let base = word.baseAddress else { return 0 }
    let (raw, count) = (UnsafeRawPointer(base), word.count)
    var hash = UInt64(truncatingIfNeeded: count)
    var p = 0
    while p &+ 8 <= count {
      hash = mix(hash ^ raw.loadUnaligned(fromByteOffset: p, as: UInt64.self))
      p &+= 8
    }
    var last: UInt64 = 0
    while p < count {
      last = last &<< 8 | UInt64(base[p])
      p &+= 1
    }
    return mix(hash ^ last)
  }

  @inline(__always) private static func mix(_ x: UInt64) -> UInt64 {
    let y = x &* 0x9E37_79B9_7F4A_7C15
    return y ^ y &>> 32
  }
}
