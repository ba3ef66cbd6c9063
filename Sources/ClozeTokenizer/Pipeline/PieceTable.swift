internal import ClozeIO

/// The tokens of a Unigram or BPE model: their bytes by id, and a double array from their bytes to ids.
///
/// Its tables are owned, or lie in a mapped file, in which nothing is trusted: places outside them are no tokens.
final class PieceTable: @unchecked Sendable {
  /// The tokens' bytes, each followed by a NUL.
  let text: UnsafeBufferPointer<UInt8>
  /// Where each token begins, and the end of the last.
  let offsets: UnsafeBufferPointer<UInt32>
  /// The tokens' ids, ascending; empty where token `i` has id `i`.
  let ids: UnsafeBufferPointer<Int32>
  let trie: DoubleArray
  /// What the tables lie in, where that is not the table itself.
  private let owner: AnyObject?
  let count: Int
  /// The largest id plus one.
  let bound: Int

  /// Tables in memory that `owner` keeps.
  init(
    text: UnsafeBufferPointer<UInt8>, offsets: UnsafeBufferPointer<UInt32>, ids: UnsafeBufferPointer<Int32>,
    trie: DoubleArray, owner: AnyObject
  ) throws(ClozeError) {
    guard offsets.count > 0, ids.isEmpty || ids.count == offsets.count &- 1 else {
      throw ClozeError(.damaged, "the tokens have \(offsets.count) offsets and \(ids.count) ids")
    }
    self.text = text
    self.offsets = offsets
    self.ids = ids
    self.trie = trie
    self.owner = owner
    count = offsets.count &- 1
    bound = PieceTable.bound(ids, offsets.count &- 1)
  }

  private static func bound(_ ids: UnsafeBufferPointer<Int32>, _ count: Int) -> Int {
    guard let last = ids.last else { return count }
    return last < 0 ? 0 : Int(last) &+ 1
  }

  /// The most bytes of all tokens: a trie takes up to thirty times as many.
  private static let maximumBytes = 1 << 25

  /// Builds the tables. Of equal tokens the last one's id is found; all ids give their tokens.
  ///
  /// - Parameters:
  ///   - tokens: the tokens, at least one, by ascending id where they have ids.
  ///   - ids: empty where token `i` has id `i`.
  ///   - scores: the tokens' scores, which go into a wide array; nil: it is not wide.
  ///   - path: the vocabulary's name in messages.
  init(_ tokens: Vocabulary.Builder, ids: [Int32], scores: [Double]? = nil, path: String) throws(ClozeError) {
    let listed = tokens.counts.count
    guard tokens.bytes.count <= Self.maximumBytes else {
      throw ClozeError(
        .unsupportedTokenizer,
        "\(path) has tokens of \(tokens.bytes.count) bytes, at most \(Self.maximumBytes) are supported")
    }
    func copy<T: BitwiseCopyable>(_ array: [T]) -> UnsafeBufferPointer<T> {
      let copy = UnsafeMutableBufferPointer<T>.allocate(capacity: array.count)
      _ = copy.initialize(from: array)
      return UnsafeBufferPointer(copy)
    }
    text = copy(tokens.bytes)
    var offsets = tokens.offsets
    offsets.append(UInt32(truncatingIfNeeded: tokens.bytes.count))
    self.offsets = copy(offsets)
    self.ids = copy(ids)
    owner = nil
    count = listed
    bound = PieceTable.bound(self.ids, listed)
    var entries: [PieceTrie.Entry] = []
    entries.reserveCapacity(listed)
    var hasNUL: Int?
    // The last of equal tokens comes first, which `inOrder` keeps.
    for i in stride(from: listed &- 1, through: 0, by: -1) where tokens.counts[i] > 0 {
      let begin = Int(tokens.offsets[i])
      for p in begin..<begin &+ Int(tokens.counts[i]) where text[p] == 0 { hasNUL = i }
      entries.append(
        PieceTrie.Entry(
          offset: tokens.offsets[i], count: tokens.counts[i],
          value: ids.isEmpty ? Int32(truncatingIfNeeded: i) : ids[i]))
    }
    guard hasNUL == nil, let base = text.baseAddress else {
      text.deallocate()
      self.offsets.deallocate()
      self.ids.deallocate()
      throw ClozeError(.unsupportedTokenizer, "\(path) has a NUL in entry \(hasNUL ?? 0), which is not supported")
    }
    let builder = DoubleArrayBuilder(inOrder(entries, base), arena: base, isWide: scores != nil)
    let size = builder.units.count
    if let scores {
      let units = UnsafeMutablePointer<DoubleArray.Wide>.allocate(capacity: size)
      for i in 0..<size {
        let value = builder.values[i]
        units[i] = DoubleArray.Wide(
          unit: builder.units[i], value: value, score: value < 0 ? 0 : scores[Int(value)])
      }
      trie = DoubleArray(wide: units, count: size)
    } else {
      let units = UnsafeMutablePointer<UInt32>.allocate(capacity: size)
      for i in 0..<size { units[i] = builder.units[i] }
      trie = DoubleArray(units, count: size)
    }
  }

  deinit {
    if owner != nil { return }
    text.deallocate()
    offsets.deallocate()
    ids.deallocate()
    trie.memory.deallocate()
  }

  /// The id of a token, if there is such a token.
  func id(of token: some Collection<UInt8>) -> Int32? {
    let id = Array(token).withUnsafeBufferPointer { bytes in bytes.baseAddress.map { find($0, 0, bytes.count) } ?? -1 }
    return id < 0 ? nil : id
  }

  /// The id of the token `bytes[from..<to]`, -1 if there is none.
  @inline(__always) func find(_ bytes: UnsafePointer<UInt8>, _ from: Int, _ to: Int) -> Int32 {
    let id = trie.value(bytes, from, to)
    return Int(id) < bound ? id : -1
  }

  /// The bytes of the token with an id, followed by a NUL; valid as long as the table.
  func bytes(of id: Int32) -> UnsafeBufferPointer<UInt8>? {
    guard id >= 0 else { return nil }
    var index = Int(id)
    if !ids.isEmpty {
      var low = 0
      var high = ids.count
      while low < high {
        let middle = (low &+ high) / 2
        if ids[middle] < id { low = middle &+ 1 } else { high = middle }
      }
      guard low < ids.count, ids[low] == id else { return nil }
      index = low
    }
    guard index < count else { return nil }
    let (begin, end) = (Int(offsets[index]), Int(offsets[index &+ 1]))
    guard begin < end, end <= text.count, text[end &- 1] == 0 else { return nil }
    return UnsafeBufferPointer(rebasing: text[begin..<end &- 1])
  }
}
