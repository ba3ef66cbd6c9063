internal import CClozeKernels
public import ClozeIO

/// Searching: the vectors with the largest dot products.
extension VectorIndex {
  /// The best vectors for each query, best first; of equal scores the lower index comes first.
  ///
  /// - Parameters:
  ///   - queries: [Q, dimensions], row after row
  ///   - topK: how many, 1 to N
  /// - Throws: `.invalidArgument` for another size or a value that is not finite, in a query or a vector; `.outOfMemory`.
  public func search(_ queries: [Float], topK: Int = 10) throws(ClozeError) -> [[Neighbor]] {
    guard queries.count % dimensions == 0 else {
      throw ClozeError(.invalidArgument, "\(queries.count) values are no queries of \(dimensions) dimensions")
    }
    let count = queries.count / dimensions
    var result: [[Neighbor]] = []
    try queries.withUnsafeBufferPointer { queries throws(ClozeError) in
      guard let base = queries.baseAddress else { return }
      try search(base, count: count, topK: topK) { _, best in result.append(best) }
    }
    return result
  }

  /// The same for queries anywhere in memory: calls `body` with the number of each query and its neighbors, in order.
  package func search(
    _ queries: UnsafePointer<Float>, count queryCount: Int, topK: Int, _ body: (_ query: Int, [Neighbor]) -> Void
  ) throws(ClozeError) {
    guard topK >= 1, topK <= count else {
      throw ClozeError(.invalidArgument, "top_k = \(topK), expected 1 to \(count), the number of vectors")
    }
    let team = try Team(threads: threads)
    let saved = cloze_float_environment_enter()
    defer { cloze_float_environment_restore(saved) }
    // Many results take memory for each thread and each query of a scan.
    let group = max(4, min(Self.scanQueries, (1 << 22) / topK))
    for first in stride(from: 0, to: queryCount, by: group) {
      let size = min(group, queryCount - first)
      let start = queries + first * dimensions
      for query in 0..<size
      where UnsafeBufferPointer(start: start + query * dimensions, count: dimensions).contains(where: { !$0.isFinite })
      {
        throw Self.failure(queries, dimensions, row: first + query, name: "queries")
      }
      let collectors = (0..<threads).map { _ in BestOfThread(queries: size, topK: topK) }
      try scan(start, count: size, rows: 0..<count, team: team, collectors)
      for query in 0..<size {
        var all = collectors.flatMap { $0.best[query].neighbors }
        all.sort { $0 < $1 }
        body(first + query, Array(all.prefix(topK)))
      }
    }
  }
}

/// The best neighbors of each query among the rows that one thread has seen.
private final class BestOfThread: ScanCollector {
  var best: [BestNeighbors]

  init(queries: Int, topK: Int) {
    best = [BestNeighbors](repeating: BestNeighbors(capacity: topK), count: queries)
  }

  func threshold(_ query: Int) -> Float { best[query].threshold }
  func add(_ query: Int, row: Int, score: Float) { best[query].add(Neighbor(index: row, score: score)) }
}
