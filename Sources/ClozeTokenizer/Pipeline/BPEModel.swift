internal import ClozeIO

/// The BPE model: the scalars of a text, merged pair by pair, the pair of the lowest rank first.
final class BPEModel: @unchecked Sendable {
  struct Options: Sendable, Equatable {
    var unknownToken: [UInt8]?
    var continuingPrefix: [UInt8] = []
    var wordSuffix: [UInt8] = []
    var fusesUnknown = false
    var hasByteFallback = false
    /// Whether a text that is a token is that token.
    var ignoresMerges = false
  }

  /// A merge in the hash table of merges.
  struct Merge: BitwiseCopyable {
    /// The first and second id; -1 as first in an empty place.
    var first: Int32
    var second: Int32
    var rank: Int32
    var result: Int32
  }

  let table: PieceTable
  let options: Options
  let unknownID: Int32?
  private let merges: UnsafeBufferPointer<Merge>
  private let owner: AnyObject?
  private let byteIDs: [Int32]
  /// The ids of the scalars below 512, which byte-level vocabularies consist of; -1 without one.
  private let scalarIDs: UnsafeMutablePointer<Int32>

  /// - Parameter merges: as `BPEModel.hashed` makes them.
  init(
    _ table: PieceTable, _ options: Options, merges: UnsafeBufferPointer<Merge>, owner: AnyObject?
  ) throws(ClozeError) {
    guard !merges.isEmpty, merges.count & (merges.count &- 1) == 0, merges.contains(where: { $0.first < 0 }) else {
      throw ClozeError(.damaged, "the table of merges has \(merges.count) places, or none that is empty")
    }
    let bound = table.bound
    for merge in merges where merge.first >= 0 {
      guard merge.second >= 0, Int(merge.second) < bound, merge.result >= 0, Int(merge.result) < bound, merge.rank >= 0
      else { throw ClozeError(.damaged, "the table of merges has one of tokens that do not exist") }
    }
    self.table = table
    self.options = options
    self.merges = merges
    self.owner = owner
    unknownID = options.unknownToken.flatMap { table.id(of: $0) }
    byteIDs = UnigramModel.byteIDs(table)
    scalarIDs = .allocate(capacity: 512)
    for scalar in 0..<512 {
      var bytes: [UInt8] = []
      if let scalar = Unicode.Scalar(UInt32(scalar)) { bytes = Array(UTF8.encode(scalar) ?? .init()) }
      scalarIDs[scalar] = table.id(of: bytes) ?? -1
    }
  }

  deinit {
    if owner == nil { merges.deallocate() }
    scalarIDs.deallocate()
  }

  var stored: UnsafeBufferPointer<Merge> { merges }

  @inline(__always) private static func place(_ first: Int32, _ second: Int32) -> Int {
    let key = UInt64(UInt32(bitPattern: first)) << 32 | UInt64(UInt32(bitPattern: second))
    let mixed = key &* 0x9E37_79B9_7F4A_7C15
    return Int(truncatingIfNeeded: mixed >> 32)
  }

  /// A hash table of merges; of those of the same pair the last counts. The caller frees it.
  static func hashed(_ merges: [Merge]) -> UnsafeBufferPointer<Merge> {
    var size = 16
    while size < merges.count &* 2 { size &*= 2 }
    let table = UnsafeMutableBufferPointer<Merge>.allocate(capacity: size)
    table.initialize(repeating: Merge(first: -1, second: 0, rank: 0, result: 0))
    for merge in merges {
      var at = place(merge.first, merge.second) & (size &- 1)
      while table[at].first >= 0, table[at].first != merge.first || table[at].second != merge.second {
        at = (at &+ 1) & (size &- 1)
      }
      table[at] = merge
    }
    return UnsafeBufferPointer(table)
  }

  @inline(__always) private func merge(_ first: Int32, _ second: Int32) -> Merge? {
    guard let base = merges.baseAddress else { return nil }
    let mask = merges.count &- 1
    var at = BPEModel.place(first, second) & mask
    while base[at].first >= 0 {
      if base[at].first == first, base[at].second == second { return base[at] }
      at = (at &+ 1) & mask
    }
    return nil
  }

  /// A symbol of a text in a list of them.
  struct Symbol: BitwiseCopyable {
    var id: Int32
    /// Its length in bytes; 0 where it is merged into one before.
    var count: Int32
    var before: Int32
    var next: Int32
    /// The rank of the merge with the next, `Int32.max` if there is none, and its result.
    var rank: Int32
    var result: Int32
  }

  /// Above this number of symbols the next merge is found by a heap.
  private static let linearLimit = 24

  /// Calls `token` with the tokens of `bytes[from..<to]`, which is not empty, in their order: an id, where it begins
  /// and where it ends. Quirk: scalars without a token and an unknown token are left out, and what follows then has
  /// their place.
  ///
  /// - Returns: false where the unknown token is not in the vocabulary.
  @inline(__always) func encode(
    _ bytes: UnsafePointer<UInt8>, _ from: Int, _ to: Int, _ scratch: inout RawBuffer<Symbol>,
    token: (Int32, Int, Int) -> Void
  ) -> Bool {
    if options.ignoresMerges {
      let whole = table.find(bytes, from, to)
      if whole >= 0 {
        token(whole, from, to)
        return true
      }
    }
    guard collect(bytes, from, to, &scratch) else { return false }
    let symbols = scratch.base
    let count = scratch.count
    if count > 1 {
      if count <= BPEModel.linearLimit { mergeLinear(symbols, count) } else { mergeByHeap(symbols, count) }
    }
    var at = from
    var i = 0
    while i < count {
      if symbols[i].count > 0 {
        let end = at &+ Int(symbols[i].count)
        token(symbols[i].id, at, end)
        at = end
      }
      i &+= 1
    }
    return true
  }

  /// The symbols of a text's scalars.
  private func collect(_ bytes: UnsafePointer<UInt8>, _ from: Int, _ to: Int, _ scratch: inout RawBuffer<Symbol>)
    -> Bool
  {
    scratch.count = 0
    scratch.reserve((to &- from) &+ 8)
    func add(_ id: Int32, _ count: Int) {
      let index = Int32(truncatingIfNeeded: scratch.count)
      scratch.append(
        Symbol(
          id: id, count: Int32(truncatingIfNeeded: count), before: index &- 1, next: index &+ 1, rank: .max, result: 0))
    }
    let isPlain = options.continuingPrefix.isEmpty && options.wordSuffix.isEmpty
    var unknown: Int?
    func flush() {
      if let unknown { add(unknownID ?? 0, unknown) }
      unknown = nil
    }
    var p = from
    while p < to {
      let (scalar, length) = UTF8Scan.decode(bytes, p)
      let begin = p
      p &+= length
      let id: Int32
      if isPlain {
        id = scalar < 512 ? scalarIDs[Int(scalar)] : table.find(bytes, begin, p)
      } else {
        var spelled = begin == from ? [] : options.continuingPrefix
        for i in begin..<p { spelled.append(bytes[i]) }
        if p == to { spelled += options.wordSuffix }
        id = table.id(of: spelled) ?? -1
      }
      if id >= 0 {
        flush()
        add(id, length)
        continue
      }
      if options.hasByteFallback, (begin..<p).allSatisfy({ byteIDs[Int(bytes[$0])] >= 0 }) {
        // Quirk: an unknown scalar before comes after.
        for i in begin..<p { add(byteIDs[Int(bytes[i])], 1) }
        continue
      }
      guard options.unknownToken != nil else { continue }
      guard unknownID != nil else { return false }
      if options.fusesUnknown, let known = unknown {
        unknown = known &+ length
      } else {
        flush()
        unknown = length
      }
    }
    flush()
    if scratch.count > 0 { scratch.base[scratch.count &- 1].next = -1 }
    return true
  }

  /// Notes the merge of a symbol with the next.
  @inline(__always) private func rank(_ symbols: UnsafeMutablePointer<Symbol>, _ at: Int) {
    let next = symbols[at].next
    if next >= 0, let found = merge(symbols[at].id, symbols[Int(next)].id) {
      symbols[at].rank = found.rank
      symbols[at].result = found.result
    } else {
      symbols[at].rank = .max
    }
  }

  /// Merges a symbol with the next.
  @inline(__always) private func join(_ symbols: UnsafeMutablePointer<Symbol>, _ at: Int) {
    let right = Int(symbols[at].next)
    symbols[at].id = symbols[at].result
    symbols[at].count &+= symbols[right].count
    symbols[at].next = symbols[right].next
    symbols[right].count = 0
    if symbols[right].next >= 0 { symbols[Int(symbols[right].next)].before = Int32(truncatingIfNeeded: at) }
    rank(symbols, at)
    if symbols[at].before >= 0 { rank(symbols, Int(symbols[at].before)) }
  }

  private func mergeLinear(_ symbols: UnsafeMutablePointer<Symbol>, _ count: Int) {
    for i in 0..<count { rank(symbols, i) }
    while true {
      var best = -1
      var least = Int32.max
      var at = 0
      while at >= 0 {
        if symbols[at].rank < least {
          least = symbols[at].rank
          best = at
        }
        at = Int(symbols[at].next)
      }
      if best < 0 { return }
      join(symbols, best)
    }
  }

  /// The same with a heap of ranks and places, in which entries that are out of date are skipped.
  private func mergeByHeap(_ symbols: UnsafeMutablePointer<Symbol>, _ count: Int) {
    var heap: [UInt64] = []
    heap.reserveCapacity(count)
    func push(_ at: Int) {
      guard symbols[at].rank != .max else { return }
      heap.append(UInt64(UInt32(bitPattern: symbols[at].rank)) << 32 | UInt64(truncatingIfNeeded: at))
      var i = heap.count &- 1
      while i > 0, heap[(i &- 1) / 2] > heap[i] {
        heap.swapAt(i, (i &- 1) / 2)
        i = (i &- 1) / 2
      }
    }
    func pop() -> UInt64? {
      guard let top = heap.first else { return nil }
      heap[0] = heap[heap.count &- 1]
      heap.removeLast()
      var i = 0
      while true {
        var least = i
        for child in [2 &* i &+ 1, 2 &* i &+ 2] where child < heap.count && heap[child] < heap[least] { least = child }
        if least == i { return top }
        heap.swapAt(i, least)
        i = least
      }
    }
    for i in 0..<count {
      rank(symbols, i)
      push(i)
    }
    while let top = pop() {
      let at = Int(top & 0xFFFF_FFFF)
      guard symbols[at].count > 0, symbols[at].rank == Int32(truncatingIfNeeded: top >> 32) else { continue }
      join(symbols, at)
      push(at)
      if symbols[at].before >= 0 { push(Int(symbols[at].before)) }
    }
  }
}
