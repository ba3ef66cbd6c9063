internal import ClozeIO

/// The Unigram model: the most probable pieces of a text, found by Viterbi's algorithm.
final class UnigramModel: @unchecked Sendable {
  let table: PieceTable
  /// The score of an unknown scalar.
  let unknownScore: Double
  let unknownID: Int32?
  let hasByteFallback: Bool
  /// The tokens of the bytes, such as <0x0A>; -1 where one is missing.
  private let byteIDs: [Int32]
  /// `unknownScore` as a prepared model stores it.
  let scoreBytes: UnsafeRawBufferPointer

  /// What an unknown scalar scores less than the lowest token.
  ///
  /// Source: sentencepiece's kUnkPenalty.
  private static let unknownPenalty = 10.0

  /// - Parameters:
  ///   - table: tokens whose trie is wide.
  ///   - unknownScore: as `unknownScore(_:)` has it.
  init(_ table: PieceTable, unknownScore: Double, unknownID: Int32?, hasByteFallback: Bool) {
    self.table = table
    self.unknownScore = unknownScore
    self.unknownID = unknownID
    self.hasByteFallback = hasByteFallback
    byteIDs = UnigramModel.byteIDs(table)
    let memory = UnsafeMutablePointer<Double>.allocate(capacity: 1)
    memory.pointee = unknownScore
    scoreBytes = UnsafeRawBufferPointer(UnsafeBufferPointer(start: memory, count: 1))
  }

  deinit { scoreBytes.deallocate() }

  /// The score of an unknown scalar beside tokens of these scores.
  static func unknownScore(_ scores: [Double]) -> Double {
    scores.reduce(Double.infinity) { $1 < $0 ? $1 : $0 } - unknownPenalty
  }

  static func byteIDs(_ table: PieceTable) -> [Int32] {
    (0..<256).map { byte in
      let digits = String(byte, radix: 16, uppercase: true)
      return table.id(of: "<0x\(byte < 16 ? "0" : "")\(digits)>".utf8) ?? -1
    }
  }

  /// The best path to a position: its score, and its last piece.
  struct Node: BitwiseCopyable {
    var score: Double
    /// Where the last piece begins; -1: no path ends here.
    var begin: Int32
    var id: Int32
  }

  /// Calls `token` with the tokens of `bytes[from..<to]`, which is not empty, in their order: an id, where it begins
  /// and ends, and whether its text is that of the token.
  ///
  /// - Returns: false where an unknown token is needed and there is none.
  @inline(__always) func encode(
    _ bytes: UnsafePointer<UInt8>, _ from: Int, _ to: Int, _ scratch: inout RawBuffer<Node>,
    token: (Int32, Int, Int) -> Void
  ) -> Bool {
    let units = table.trie.memory.assumingMemoryBound(to: DoubleArray.Wide.self)
    let unitCount = table.trie.count
    let bound = UInt32(truncatingIfNeeded: table.bound)
    let size = to &- from
    scratch.count = 0
    scratch.reserve(size &+ 1)
    let nodes = scratch.base
    for i in 0...size { nodes[i] = Node(score: 0, begin: -1, id: 0) }
    let root = table.trie.root
    let text = bytes + from
    var at = 0
    while at < size {
      let before = nodes[at].score
      let length = UTF8Scan.length(text[at])
      var hasSingle = false
      var node = root
      var p = at
      while p < size {
        let byte = text[p]
        let child = node ^ Int(byte)
        guard byte != 0, child < unitCount else { break }
        let unit = units[child]
        guard unit.unit & (1 << 31 | 0xFF) == UInt32(byte) else { break }
        node = unit.unit & 1 << 8 == 0 ? DoubleArray.noChildren : child ^ DoubleArray.base(unit.unit)
        p &+= 1
        guard UInt32(bitPattern: unit.value) < bound else { continue }
        let score = unit.score + before
        if nodes[p].begin < 0 || score > nodes[p].score {
          nodes[p] = Node(score: score, begin: Int32(truncatingIfNeeded: at), id: unit.value)
        }
        if p &- at == length { hasSingle = true }
      }
      if !hasSingle {
        let end = min(at &+ length, size)
        let score = unknownScore + before
        if nodes[end].begin < 0 || score > nodes[end].score {
          guard let unknownID else { return false }
          nodes[end] = Node(score: score, begin: Int32(truncatingIfNeeded: at), id: unknownID)
        }
      }
      at &+= length
    }
    // Back along the path; each node then has its end in place of its score.
    var end = size
    var count = 0
    while end > 0 {
      let node = nodes[end]
      guard node.begin >= 0 else { return false }
      var begin = Int(node.begin)
      // Unknown tokens in a row are one.
      if node.id == unknownID {
        while begin > 0, nodes[begin].begin >= 0, nodes[begin].id == unknownID { begin = Int(nodes[begin].begin) }
      }
      // The places from `end` on are not needed any more.
      nodes[size &- count] = Node(score: Double(end), begin: Int32(truncatingIfNeeded: begin), id: node.id)
      count &+= 1
      end = begin
    }
    for i in stride(from: size &- count &+ 1, through: size, by: 1) {
      let (begin, end, id) = (Int(nodes[i].begin), Int(nodes[i].score), nodes[i].id)
      guard id == unknownID else {
        token(id, from &+ begin, from &+ end)
        continue
      }
      if !appendUnknown(bytes, from &+ begin, from &+ end, token: token) { return false }
    }
    return true
  }

  /// A run of unknown scalars, which together may be a token, or has tokens of bytes.
  @inline(never) private func appendUnknown(
    _ bytes: UnsafePointer<UInt8>, _ from: Int, _ to: Int, token: (Int32, Int, Int) -> Void
  ) -> Bool {
    let whole = table.find(bytes, from, to)
    if whole >= 0 {
      token(whole, from, to)
      return true
    }
    if hasByteFallback, (from..<to).allSatisfy({ byteIDs[Int(bytes[$0])] >= 0 }) {
      for p in from..<to { token(byteIDs[Int(bytes[p])], from, to) }
      return true
    }
    guard let unknownID else { return false }
    token(unknownID, from, to)
    return true
  }
}
