/// A pair that may be merged, and the words that had it when it was counted.
struct Merge: BitwiseCopyable {
  /// How often the pair occurred.
  var count: Int
  /// The ids of its pieces, the first in the upper half.
  let key: UInt64
  /// The words' place in the merger's lists, and their number.
  let begin: Int
  let words: Int32
  /// The pair's index in the table.
  let pair: Int32
  /// When it was counted.
  let round: Int32

  /// Whether it comes before another: the larger count, then the smaller ids, then the earlier round.
  @inline(__always) func precedes(_ other: Merge) -> Bool {
    if count != other.count { return count > other.count }
    if key != other.key { return key < other.key }
    return round < other.round
  }
}

/// A binary heap of merges; the root precedes all others.
struct MergeQueue {
  private var heap: [Merge] = []

  mutating func push(_ merge: Merge) {
    var at = heap.count
    heap.append(merge)
    while at > 0 {
      let parent = (at - 1) / 2
      guard merge.precedes(heap[parent]) else { break }
      heap[at] = heap[parent]
      at = parent
    }
    heap[at] = merge
  }

  /// Removes the first; nil where there is none.
  mutating func pop() -> Merge? {
    guard let top = heap.first, let last = heap.popLast() else { return nil }
    guard !heap.isEmpty else { return top }
    var at = 0
    while true {
      var child = 2 * at + 1
      if child >= heap.count { break }
      if child + 1 < heap.count, heap[child + 1].precedes(heap[child]) { child += 1 }
      guard heap[child].precedes(last) else { break }
      heap[at] = heap[child]
      at = child
    }
    heap[at] = last
    return top
  }
}

/// All pairs of neighbouring pieces that were ever counted: a hash table with linear probing.
struct PairTable {
  struct State: BitwiseCopyable {
    let key: UInt64
    /// How often the pair occurs.
    var count = 0
    /// Of the round that added it to words last: the round, the number of words, the last of them, and where the next
    /// one is listed.
    var round: Int32 = -1
    var words: Int32 = 0
    var word: Int32 = -1
    var next = 0
  }

  /// Pairs in the order in which they were met.
  var states: [State] = []
  /// Indices into `states`, -1 in an empty slot.
  private var slots = [Int32](repeating: -1, count: 1 << 14)

  /// The index of a pair, which is added where it is new.
  @inline(__always) mutating func index(_ first: Int32, _ second: Int32) -> Int {
    let key = UInt64(UInt32(bitPattern: first)) &<< 32 | UInt64(UInt32(bitPattern: second))
    var at = place(key)
    while slots[at] >= 0 {
      if states[Int(slots[at])].key == key { return Int(slots[at]) }
      at = (at &+ 1) & (slots.count &- 1)
    }
    slots[at] = Int32(truncatingIfNeeded: states.count)
    states.append(State(key: key))
    if states.count &* 2 > slots.count { grow() }
    return states.count &- 1
  }

  /// By the upper bits of a multiplication by 2^64 / golden ratio.
  @inline(__always) private func place(_ key: UInt64) -> Int {
    Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) &>> 24) & (slots.count &- 1)
  }

  private mutating func grow() {
    slots = [Int32](repeating: -1, count: 2 * slots.count)
    for (index, state) in states.enumerated() {
      var at = place(state.key)
      while slots[at] >= 0 { at = (at &+ 1) & (slots.count &- 1) }
      slots[at] = Int32(truncatingIfNeeded: index)
    }
  }
}
