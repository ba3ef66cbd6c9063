internal import CClozeKernels
public import ClozeIO

/// Near duplicates: pairs of vectors of the index.
extension VectorIndex {
  /// All pairs of vectors with a dot product above `threshold`, ordered by the first, then the second.
  ///
  /// - Parameters:
  ///   - threshold: a cosine where vectors have length 1
  ///   - rows: those that are the first of a pair; nil: all. The second is any later row.
  /// - Throws: `.invalidArgument` for a threshold or a vector that is not finite, and for rows that do not exist;
  ///   `.outOfMemory`.
  public func pairs(above threshold: Float, rows: Range<Int>? = nil) throws(ClozeError) -> [NeighborPair] {
    guard threshold.isFinite else {
      throw ClozeError(.invalidArgument, "the threshold is \(threshold), expected a finite number")
    }
    let rows = rows ?? 0..<count
    guard rows.lowerBound >= 0, rows.upperBound <= count else {
      throw ClozeError(
        .invalidArgument, "rows \(rows.lowerBound) to \(rows.upperBound) of \(count) vectors were asked for")
    }
    let team = try Team(threads: threads)
    let saved = cloze_float_environment_enter()
    defer { cloze_float_environment_restore(saved) }
    var result: [NeighborPair] = []
    for first in stride(from: rows.lowerBound, to: rows.upperBound, by: Self.scanQueries) {
      let size = min(Self.scanQueries, rows.upperBound - first)
      let collectors = (0..<threads).map { _ in PairsOfThread(first: first, threshold: threshold) }
      try scan(vectors + first * dimensions, count: size, rows: first..<count, team: team, collectors)
      var found = collectors.flatMap(\.pairs)
      found.sort { ($0.first, $0.second) < ($1.first, $1.second) }
      result += found
    }
    return result
  }
}

/// The pairs among the rows that one thread has seen.
private final class PairsOfThread: ScanCollector {
  private let first: Int
  private let threshold: Float
  private(set) var pairs: [NeighborPair] = []

  init(first: Int, threshold: Float) {
    self.first = first
    self.threshold = threshold
  }

  func threshold(_ query: Int) -> Float { threshold }

  func add(_ query: Int, row: Int, score: Float) {
    guard row > first + query, score > threshold else { return }
    pairs.append(NeighborPair(first: first + query, second: row, score: score))
  }
}
