import ClozeIO

/// The lowest and highest value of each dimension, by which embeddings become bytes.
///
/// Source: `quantize_embeddings` of sentence-transformers 5: 255 steps from lowest to highest, rounded down.
struct EmbeddingRanges: Equatable {
  /// [columns]
  private(set) var lowest: [Float]
  private(set) var highest: [Float]

  /// Those of no embeddings, to which `add` adds some.
  init(columns: Int) {
    lowest = [Float](repeating: .infinity, count: columns)
    highest = [Float](repeating: -.infinity, count: columns)
  }

  /// Reads a NumPy file: float32 [2, columns], lowest and highest.
  ///
  /// - Throws: `.io` or `.damaged` with the path.
  init(path: String, columns: Int) throws(ClozeError) {
    let bytes = try contents(of: path)
    let header = NPYWriter.header(rows: 2, columns: columns, elementType: .float32)
    let length = bytes.count >= 10 ? 10 + Int(bytes[8]) + Int(bytes[9]) << 8 : Int.max
    guard length <= bytes.count, Self.settings(bytes[10..<length]) == Self.settings(header[10...]),
      bytes[..<8] == header[..<8], bytes.count - length == 8 * columns
    else {
      throw ClozeError(.damaged, "\(path): a NumPy array of float32 with shape (2, \(columns)) was expected")
    }
    let values = (0..<(2 * columns)).map { index in
      Float(bitPattern: (0..<4).reduce(0) { $0 | UInt32(bytes[length + 4 * index + $1]) << UInt32(8 * $1) })
    }
    lowest = Array(values[..<columns])
    highest = Array(values[columns...])
    for column in 0..<columns {
      // The difference must be finite, too.
      guard lowest[column] <= highest[column], (highest[column] - lowest[column]).isFinite else {
        throw ClozeError(
          .damaged, "\(path): dimension \(column) is from \(lowest[column]) to \(highest[column]), which is no range")
      }
    }
  }

  /// A header's dictionary without blanks, which writers place differently.
  private static func settings(_ header: ArraySlice<UInt8>) -> [UInt8] {
    header.filter { $0 != 0x20 && $0 != 0x0A && $0 != UInt8(ascii: ",") }
  }

  /// Extends the ranges by rows [n, columns].
  mutating func add(rows values: some Collection<Float>) {
    var column = 0
    for value in values {
      lowest[column] = min(lowest[column], value)
      highest[column] = max(highest[column], value)
      column += 1
      if column == lowest.count { column = 0 }
    }
  }

  /// Appends one byte a value for rows [n, columns], 0 at the lowest and 255 at the highest; values outside are cut.
  func quantize(rows values: some Collection<Float>, to bytes: inout [UInt8]) {
    let steps = zip(lowest, highest).map { lowest, highest in
      let step = (highest - lowest) / 255
      return step == 0 ? 1 : step
    }
    var column = 0
    for value in values {
      let level = ((value - lowest[column]) / steps[column]).rounded(.down)
      // NaN becomes 0.
      bytes.append(level > 0 ? UInt8(min(level, 255)) : 0)
      column += 1
      if column == lowest.count { column = 0 }
    }
  }
}
