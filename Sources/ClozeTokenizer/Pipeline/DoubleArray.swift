/// A byte trie in a double array, the layout of Darts-clone, in which sentencepiece stores its character maps.
///
/// A unit is 32 bits. Of an inner one: its label (bits 0 to 7 and 31), whether a value ends there (bit 8), and the
/// exclusive or of its index and its children's base (bits 10 to 30, shifted left by eight if bit 9 is set). Child `c`
/// of a unit is at base ^ c, the value, with bit 31 set, at the base. A wide array has its values beside the units
/// instead, each with a score, so that following a byte touches one cache line; its bit 8 says whether a unit has
/// children. Nothing in the units is trusted. A
/// trivial value, valid as long as the memory of its units.
struct DoubleArray: @unchecked Sendable {
  /// A unit of a wide array; the value -1 where none ends.
  struct Wide: BitwiseCopyable {
    var unit: UInt32
    var value: Int32
    var score: Double
  }

  let memory: UnsafeRawPointer
  let count: Int
  let isWide: Bool

  init(_ units: UnsafePointer<UInt32>, count: Int) {
    memory = UnsafeRawPointer(units)
    self.count = count
    isWide = false
  }

  init(wide units: UnsafePointer<Wide>, count: Int) {
    memory = UnsafeRawPointer(units)
    self.count = count
    isWide = true
  }

  /// The bytes of all units.
  var bytes: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: memory, count: count &* MemoryLayout<UInt32>.stride &* (isWide ? 4 : 1))
  }

  @inline(__always) private func unit(_ index: Int) -> UInt32 {
    memory.load(fromByteOffset: index &<< (isWide ? 4 : 2), as: UInt32.self)
  }

  /// The children's base of the root; 0, which is no base, without units.
  @inline(__always) var root: Int { count > 0 ? DoubleArray.base(unit(0)) : 0 }

  /// A base with no children, outside of any array.
  static let noChildren = 1 << 40

  @inline(__always) static func base(_ unit: UInt32) -> Int { Int((unit >> 10) << ((unit & 1 << 9) >> 6)) }

  /// Follows a byte, not 0, from the node with the base `node`; false if there is no such child. `value` becomes the
  /// value that ends there, -1 if none does.
  @inline(__always) func step(_ node: inout Int, _ byte: UInt8, _ value: inout Int32) -> Bool {
    let child = node ^ Int(byte)
    guard child < count else { return false }
    let unit = unit(child)
    guard unit & (1 << 31 | 0xFF) == UInt32(byte) else { return false }
    node = child ^ DoubleArray.base(unit)
    if isWide {
      if unit & 1 << 8 == 0 { node = DoubleArray.noChildren }
      value = memory.load(fromByteOffset: child &<< 4 &+ 4, as: Int32.self)
    } else {
      value = -1
      if unit & 1 << 8 != 0, node < count { value = Int32(truncatingIfNeeded: self.unit(node) & 0x7FFF_FFFF) }
    }
    return true
  }

  /// The value of a string; -1 if it has none. No string with a NUL has one.
  func value(_ bytes: UnsafePointer<UInt8>, _ from: Int, _ to: Int) -> Int32 {
    if from >= to { return -1 }
    var node = root
    var value: Int32 = -1
    var p = from
    while p < to {
      guard bytes[p] != 0, step(&node, bytes[p], &value) else { return -1 }
      p &+= 1
    }
    return value
  }
}

/// Builds a double array from sorted strings.
struct DoubleArrayBuilder {
  private(set) var units: [UInt32] = []
  /// Of a wide array, the value of each unit.
  private(set) var values: [Int32] = []
  private let isWide: Bool
  /// Neighbours in the ring of free units, and what a unit is taken for: 1 a unit, 2 a base.
  private var next: [Int32] = []
  private var before: [Int32] = []
  private var taken: [UInt8] = []
  /// A free unit, -1 if there is none.
  private var free: Int32 = -1
  /// Free units are looked for in the last of these many blocks of 256 only, which bounds the time.
  private static let openBlocks = 16

  /// - Parameters:
  ///   - arena: the bytes of all strings.
  ///   - sorted: strings, distinct, not empty and without NUL, in the order of their bytes; values are at least 0.
  ///   - isWide: whether values are beside units, instead of in units of their own.
  init(_ sorted: [PieceTrie.Entry], arena: UnsafePointer<UInt8>, isWide: Bool) {
    self.isWide = isWide
    let guess = (sorted.count &* 4 &+ 1024) & ~255
    units.reserveCapacity(guess)
    next.reserveCapacity(guess)
    before.reserveCapacity(guess)
    taken.reserveCapacity(guess)
    addBlock()
    take(0)
    taken[0] |= 2
    guard !sorted.isEmpty else { return }
    var stack: [(low: Int, high: Int, depth: Int, unit: Int)] = [(0, sorted.count, 0, 0)]
    var labels: [(label: UInt8, low: Int)] = []
    while let top = stack.popLast() {
      labels.removeAll(keepingCapacity: true)
      var i = top.low
      if Int(sorted[i].count) == top.depth {
        if isWide { values[top.unit] = sorted[i].value } else { labels.append((0, i)) }
        i &+= 1
        if isWide, i == top.high { continue }
      }
      while i < top.high {
        let label = arena[Int(sorted[i].offset) &+ top.depth]
        if labels.last?.label != label { labels.append((label, i)) }
        i &+= 1
      }
      let base = place(labels, of: top.unit)
      let distance = UInt32(truncatingIfNeeded: base ^ top.unit)
      units[top.unit] |= distance < 1 << 21 ? distance << 10 : distance << 2 | 1 << 9
      if isWide || labels[0].label == 0 { units[top.unit] |= 1 << 8 }
      taken[base] |= 2
      for (index, label) in labels.enumerated() {
        let child = base ^ Int(label.label)
        take(child)
        if label.label == 0 {
          units[child] = UInt32(bitPattern: sorted[label.low].value) | 1 << 31
        } else {
          units[child] = UInt32(label.label)
          let high = index &+ 1 < labels.count ? labels[index &+ 1].low : top.high
          stack.append((label.low, high, top.depth &+ 1, child))
        }
      }
    }
  }

  /// A base for children with these labels.
  private mutating func place(_ labels: [(label: UInt8, low: Int)], of unit: Int) -> Int {
    if free >= 0 {
      var at = free
      repeat {
        let base = Int(at) ^ Int(labels[0].label)
        if fits(base, labels, unit) { return base }
        at = next[Int(at)]
      } while at != free
    }
    let base = units.count | unit & 0xFF
    addBlock()
    return base
  }

  private func fits(_ base: Int, _ labels: [(label: UInt8, low: Int)], _ unit: Int) -> Bool {
    if taken[base] & 2 != 0 { return false }
    let distance = base ^ unit
    if distance >= 1 << 21, distance & 0xFF != 0 { return false }
    for label in labels.dropFirst() where taken[base ^ Int(label.label)] & 1 != 0 { return false }
    return true
  }

  private mutating func take(_ unit: Int) {
    taken[unit] |= 1
    unlink(unit)
  }

  private mutating func unlink(_ unit: Int) {
    let (a, b) = (before[unit], next[unit])
    guard a >= 0 else { return }
    before[unit] = -1
    if Int(b) == unit {
      free = -1
      return
    }
    next[Int(a)] = b
    before[Int(b)] = a
    if Int(free) == unit { free = b }
  }

  private mutating func addBlock() {
    let first = units.count
    if first >= Self.openBlocks &* 256 {
      let closed = first &- Self.openBlocks &* 256
      for unit in closed..<closed &+ 256 { unlink(unit) }
    }
    units.append(contentsOf: repeatElement(0, count: 256))
    taken.append(contentsOf: repeatElement(0, count: 256))
    if isWide { values.append(contentsOf: repeatElement(-1, count: 256)) }
    for unit in first..<first &+ 256 {
      next.append(Int32(truncatingIfNeeded: unit &+ 1))
      before.append(Int32(truncatingIfNeeded: unit &- 1))
    }
    let last = first &+ 255
    if free >= 0 {
      let tail = before[Int(free)]
      next[Int(tail)] = Int32(truncatingIfNeeded: first)
      before[first] = tail
      next[last] = free
      before[Int(free)] = Int32(truncatingIfNeeded: last)
    } else {
      free = Int32(truncatingIfNeeded: first)
      before[first] = Int32(truncatingIfNeeded: last)
      next[last] = free
    }
  }
}
