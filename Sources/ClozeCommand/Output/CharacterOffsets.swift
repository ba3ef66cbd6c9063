import ClozeIO

/// Byte offsets in a text's UTF-8 as offsets in characters: Unicode code points, which strings of Python, and of
/// JavaScript by `Array.from`, count.
struct CharacterOffsets {
  /// [bytes + 1] the code points that begin before each byte; nil for ASCII, where both offsets are equal.
  private let counts: [Int]?

  init(_ text: String) {
    guard text.utf8.contains(where: { $0 >= 0x80 }) else {
      counts = nil
      return
    }
    var counts = [0]
    counts.reserveCapacity(text.utf8.count + 1)
    for byte in text.utf8 { counts.append(counts[counts.count - 1] + (byte & 0xC0 == 0x80 ? 0 : 1)) }
    self.counts = counts
  }

  subscript(byte: Int) -> Int { counts.map { $0[min(byte, $0.count - 1)] } ?? byte }

  /// Writes the members `begin` and `end`, in characters, `byte_begin` and `byte_end`.
  func write(_ begin: Int, _ end: Int, to object: inout JSONWriter) {
    object.value("begin", self[begin])
    object.value("end", self[end])
    object.value("byte_begin", begin)
    object.value("byte_end", end)
  }
}
