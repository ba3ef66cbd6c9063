internal import ClozeIO

/// The characters of words as pieces: each as it begins a word, by code point, then those that continue one.
struct Alphabet {
  /// The pieces, in the order of their ids.
  private(set) var pieces: [[UInt8]] = []
  /// Different characters, and how many of these are left out as the rarest.
  private(set) var characters = 0
  private(set) var leftOut = 0

  /// By code point: the number, from 1, of a character's piece at the begin of a word, and within one; 0: none.
  private var initial = [Int32](repeating: 0, count: 0x110000)
  private var continuing = [Int32](repeating: 0, count: 0x110000)

  /// - Parameter limit: how many characters are kept: the most frequent, of equal ones those of smaller code points.
  init(_ words: WordCounts, limit: Int) {
    var counts = [Int](repeating: 0, count: 0x110000)
    var continues = [Bool](repeating: false, count: counts.count)
    words.forEach { word, times in
      Self.forEachScalar(word) { scalar, isFirst in
        counts[scalar] &+= times
        if !isFirst { continues[scalar] = true }
      }
    }
    var kept = counts.indices.filter { counts[$0] > 0 }
    characters = kept.count
    leftOut = max(0, characters - limit)
    if leftOut > 0 {
      // The count of the last one that is kept, and how many of those with this count are.
      let ascending = kept.map { counts[$0] }.sorted()
      let least = ascending[leftOut]
      var room = ascending[leftOut...].prefix { $0 == least }.count
      kept = kept.filter { scalar in
        if counts[scalar] != least { return counts[scalar] > least }
        room -= 1
        return room >= 0
      }
    }
    for scalar in kept { initial[scalar] = add(scalar, after: []) }
    for scalar in kept where continues[scalar] {
      continuing[scalar] = add(scalar, after: VocabularyTrainer.prefix)
    }
  }

  /// The pieces of a word's characters, without those that are left out.
  ///
  /// - Parameter first: the id of the first piece.
  func ids(_ word: UnsafeBufferPointer<UInt8>, from first: Int) -> [Int32] {
    var ids: [Int32] = []
    let offset = Int32(truncatingIfNeeded: first - 1)
    Self.forEachScalar(word) { scalar, isFirst in
      let number = isFirst ? initial[scalar] : continuing[scalar]
      if number > 0 { ids.append(number + offset) }
    }
    return ids
  }

  /// Adds the piece of a character and returns its number.
  private mutating func add(_ scalar: Int, after prefix: [UInt8]) -> Int32 {
    var bytes: [UInt8] = [0, 0, 0, 0]
    let count = bytes.withUnsafeMutableBufferPointer { bytes in
      bytes.baseAddress.map { UTF8Scan.encode(UInt32(truncatingIfNeeded: scalar), $0) } ?? 0
    }
    pieces.append(prefix + bytes[..<count])
    return Int32(truncatingIfNeeded: pieces.count)
  }

  private static func forEachScalar(_ word: UnsafeBufferPointer<UInt8>, _ body: (Int, _ isFirst: Bool) -> Void) {
    guard let base = word.baseAddress else { return }
    var p = 0
    while p < word.count {
      let (scalar, length) = UTF8Scan.decode(base, p)
      body(Int(scalar), p == 0)
      p &+= length
    }
  }
}
