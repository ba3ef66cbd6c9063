internal import Glibc

/// A byte trie over a set of strings, which finds the longest one that is a prefix of a text.
///
/// Nodes are in breadth-first order, so that the children of a node are adjacent, sorted by label. Below a node
/// with one string, the rest of that string is compared instead of having nodes. Owns its nodes, borrows the
/// strings' bytes.
final class PieceTrie: @unchecked Sendable {
  /// A string: `count` bytes at `offset` of the arena, and its value (>= 0).
  struct Entry {
    var offset: UInt32
    var count: UInt32
    var value: Int32
  }

  fileprivate struct Node: BitwiseCopyable {
    /// The first child, or the offset in the arena of the rest of the only string.
    var first: UInt32
    /// The number of children, or the length of that rest with the top bit set.
    var extent: UInt32
    /// The value of the string that ends here, or after that rest; -1 if none does.
    var value: Int32
    var label: UInt32
  }
  fileprivate static let restBit: UInt32 = 1 << 31

  /// The lookup: a trivial value, valid as long as its trie.
  struct Finder {
    fileprivate let nodes: UnsafePointer<Node>
    fileprivate let roots: UnsafePointer<UInt32>
    fileprivate let arena: UnsafePointer<UInt8>

    /// The longest string that is a prefix of `bytes[from..<to]`: its end in `bytes` and its value, or -1.
    @inline(__always) func longest(_ bytes: UnsafePointer<UInt8>, _ from: Int, _ to: Int) -> (end: Int, value: Int32) {
      var best = (end: from, value: Int32(-1))
      guard from < to else { return best }
      var index = Int(roots[Int(bytes[from])])
      if index == 0 { return best }
      var p = from &+ 1
      while true {
        let node = nodes[index]
        if node.extent & PieceTrie.restBit != 0 {
          let rest = Int(node.extent ^ PieceTrie.restBit)
          guard to &- p >= rest else { return best }
          let stored = arena + Int(node.first)
          for i in 0..<rest where stored[i] != bytes[p &+ i] { return best }
          return (p &+ rest, node.value)
        }
        if node.value >= 0 { best = (p, node.value) }
        guard p < to else { return best }
        let wanted = UInt32(bytes[p])
        var low = Int(node.first)
        var high = low &+ Int(node.extent)
        while high &- low > 4 {
          let middle = (low &+ high) / 2
          if nodes[middle].label <= wanted { low = middle } else { high = middle }
        }
        while low < high && nodes[low].label != wanted { low &+= 1 }
        guard low < high else { return best }
        index = low
        p &+= 1
      }
    }
  }

  let finder: Finder
  let isEmpty: Bool
  /// The first byte of all strings, if they have the same.
  let onlyFirstByte: UInt8?

  private let nodes: UnsafeMutablePointer<Node>
  private let roots: UnsafeMutablePointer<UInt32>

  /// Of equal strings the first listed counts; empty strings are never found.
  ///
  /// - Parameter sorted: whether the strings are distinct and sorted by their bytes.
  convenience init(_ entries: [Entry], arena: UnsafePointer<UInt8>, sorted: Bool = false) {
    self.init(sorted: sorted ? entries.filter { $0.count > 0 } : inOrder(entries, arena), arena)
  }

  private init(sorted: [Entry], _ arena: UnsafePointer<UInt8>) {
    // Node 0 is unused. `pending[k]` is the range of strings of node k + 1.
    struct Range {
      var low: Int
      var high: Int
      var depth: Int
    }
    var built = [Node(first: 0, extent: 0, value: -1, label: 0)]
    var pending: [Range] = []
    // An estimate: unused capacity costs nothing, growing costs copies.
    built.reserveCapacity(sorted.count &* 2)
    pending.reserveCapacity(sorted.count &* 2)
    func addChildren(_ low: Int, _ high: Int, _ depth: Int) {
      var i = low
      while i < high {
        let label = arena[Int(sorted[i].offset) &+ depth]
        var j = i &+ 1
        while j < high && arena[Int(sorted[j].offset) &+ depth] == label { j &+= 1 }
        built.append(Node(first: 0, extent: 0, value: -1, label: UInt32(label)))
        pending.append(Range(low: i, high: j, depth: depth &+ 1))
        i = j
      }
    }
    addChildren(0, sorted.count, 0)
    let rootCount = built.count
    var next = 0
    while next < pending.count {
      let range = pending[next]
      let index = next &+ 1
      next &+= 1
      let shortest = sorted[range.low]
      if range.high &- range.low == 1 {
        let rest = Int(shortest.count) &- range.depth
        built[index].value = shortest.value
        built[index].first = shortest.offset &+ UInt32(truncatingIfNeeded: range.depth)
        built[index].extent = UInt32(truncatingIfNeeded: rest) | PieceTrie.restBit
        continue
      }
      var low = range.low
      if Int(shortest.count) == range.depth {
        built[index].value = shortest.value
        low &+= 1
      }
      let first = built.count
      addChildren(low, range.high, range.depth)
      built[index].first = UInt32(truncatingIfNeeded: first)
      built[index].extent = UInt32(truncatingIfNeeded: built.count &- first)
    }

    nodes = .allocate(capacity: built.count)
    for (i, node) in built.enumerated() { nodes[i] = node }
    roots = .allocate(capacity: 256)
    roots.update(repeating: 0, count: 256)
    for i in 1..<max(rootCount, 1) { roots[Int(built[i].label & 0xFF)] = UInt32(truncatingIfNeeded: i) }
    isEmpty = sorted.isEmpty
    onlyFirstByte = rootCount == 2 ? UInt8(truncatingIfNeeded: built[1].label) : nil
    finder = Finder(nodes: nodes, roots: roots, arena: arena)
  }

  deinit {
    nodes.deallocate()
    roots.deallocate()
  }

  /// The first position from `from` on where a string begins, and the longest one there.
  func find(_ bytes: UnsafePointer<UInt8>, _ from: Int, _ to: Int) -> (begin: Int, end: Int, value: Int32)? {
    if isEmpty { return nil }
    var p = from
    while p < to {
      if let byte = onlyFirstByte {
        guard let hit = memchr(bytes + p, Int32(byte), to &- p) else { return nil }
        p = hit - UnsafeMutableRawPointer(mutating: bytes)
      } else if roots[Int(bytes[p])] == 0 {
        p &+= 1
        continue
      }
      let found = finder.longest(bytes, p, to)
      if found.value >= 0 { return (p, found.end, found.value) }
      p &+= 1
    }
    return nil
  }
}

/// Compares two strings by their bytes: negative, 0 or positive.
private func compare(_ a: PieceTrie.Entry, _ b: PieceTrie.Entry, _ arena: UnsafePointer<UInt8>) -> Int {
  let common = min(Int(a.count), Int(b.count))
  let order = memcmp(arena + Int(a.offset), arena + Int(b.offset), common)
  return order != 0 ? Int(order) : Int(a.count) &- Int(b.count)
}

/// Entries sorted by their bytes, without empty ones; of equal ones the first.
func inOrder(_ entries: [PieceTrie.Entry], _ arena: UnsafePointer<UInt8>) -> [PieceTrie.Entry] {
  // Compared by their first eight bytes as a number, which nearly always decides.
  struct Key {
    var prefix: UInt64
    var index: Int
  }
  var keys: [Key] = []
  keys.reserveCapacity(entries.count)
  for (index, entry) in entries.enumerated() where entry.count > 0 {
    var prefix: UInt64 = 0
    for i in 0..<8 {
      let byte = i < Int(entry.count) ? arena[Int(entry.offset) &+ i] : 0
      prefix = prefix << 8 | UInt64(byte)
    }
    keys.append(Key(prefix: prefix, index: index))
  }
  keys.sort { a, b in
    if a.prefix != b.prefix { return a.prefix < b.prefix }
    let order = compare(entries[a.index], entries[b.index], arena)
    return order == 0 ? a.index < b.index : order < 0
  }
  var sorted: [PieceTrie.Entry] = []
  sorted.reserveCapacity(keys.count)
  for key in keys {
    let entry = entries[key.index]
    if let last = sorted.last, compare(last, entry, arena) == 0 { continue }
    sorted.append(entry)
  }
  return sorted
}
