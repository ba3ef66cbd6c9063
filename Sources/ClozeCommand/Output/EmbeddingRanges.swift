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
    let expected = ClozeError(.damaged, "\(path): a NumPy array of float32 with shape (2, \(columns)) was expected")
    let file: NPYFile
    do { file = try NPYFile(path: path) } catch { throw error.cause == .damaged ? expected : error }
    guard file.rows == 2, file.columns == columns else { throw expected }
    let values = Array(UnsafeBufferPointer(start: file.values, count: 2 * columns))
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
