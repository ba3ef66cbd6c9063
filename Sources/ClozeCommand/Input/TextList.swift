import ClozeIO

/// All texts of an input, in one block of memory: for commands that print texts by their number.
struct TextList {
  private var bytes: [UInt8] = []
  /// Where each text ends in `bytes`.
  private var ends: [Int] = []
  private var numbers: [Int] = []
  /// What reading took for granted; nil where nothing was.
  let remark: String?

  init(_ input: TextInput) throws(ClozeError) {
    var input = input
    while let text = try input.next() {
      bytes.append(contentsOf: text.text.first.utf8)
      ends.append(bytes.count)
      numbers.append(text.number)
    }
    remark = input.remark
  }

  var count: Int { ends.count }

  subscript(index: Int) -> String { String(decoding: bytes[range(index)], as: UTF8.self) }

  /// The line of a text, or the first line of its record, counted from 1.
  func number(_ index: Int) -> Int { numbers[index] }

  /// The index of a text that is as long as any other.
  var longest: Int { ends.indices.max { range($0).count < range($1).count } ?? 0 }

  /// A hash of all texts and their bounds, in 64 bits. Not cryptographic.
  var hash: UInt64 {
    var hash = ends.reduce(UInt64(truncatingIfNeeded: ends.count)) {
      SplitMix64.mix($0 ^ UInt64(truncatingIfNeeded: $1))
    }
    bytes.withUnsafeBytes { bytes in
      let words = bytes.count / 8 * 8
      for at in stride(from: 0, to: words, by: 8) {
        hash = SplitMix64.mix(hash ^ bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self).littleEndian)
      }
      for at in words..<bytes.count { hash = SplitMix64.mix(hash ^ UInt64(bytes[at])) }
    }
    return hash
  }

  private func range(_ index: Int) -> Range<Int> { (index == 0 ? 0 : ends[index - 1])..<ends[index] }
}
