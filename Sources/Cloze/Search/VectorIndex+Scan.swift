internal import CClozeKernels
internal import ClozeIO

/// What a scan does with the rows that it finds, on one thread.
protocol ScanCollector: AnyObject {
  /// The score below which a row is of no interest to a query.
  func threshold(_ query: Int) -> Float
  /// Takes a row whose score is not below the threshold.
  func add(_ query: Int, row: Int, score: Float)
}

/// The reading of all rows for a few queries at once.
extension VectorIndex {
  /// The most queries of a scan: their products with a block of rows stay in the second-level cache.
  package static let scanQueries = 64

  /// Shows each collector, one a thread, the rows of some blocks: at least those whose score with one of the queries is
  /// not below the collector's threshold. Rows are read once, in blocks that stay in the second-level cache, and a block
  /// meets all queries.
  ///
  /// - Parameters:
  ///   - queries: [count, dimensions], finite; at most `scanQueries`
  ///   - rows: those to scan
  /// - Throws: `.invalidArgument` for a score that is not finite.
  func scan(
    _ queries: UnsafePointer<Float>, count: Int, rows: Range<Int>, team: Team, _ collectors: [any ScanCollector]
  ) throws(ClozeError) {
    let stride = bytes?.stride ?? dimensions
    let rowBytes = bytes == nil ? stride * MemoryLayout<Float>.size : stride
    let block = min(max(Self.blockBytes / rowBytes / 16 * 16, 16), 512)
    let short = bytes.map { ShortQueries(queries, count: count, dimensions: dimensions, for: $0) }
    let products = try AlignedMemory(bytes: team.threads * count * block * MemoryLayout<Float>.size)
    let (work, overflow) = (rows.count * dimensions).multipliedReportingOverflow(by: count)
    try team.forEach((rows.count + block - 1) / block, parallel: overflow || work >= Self.parallelWork) {
      index, thread throws(ClozeError) in
      let first = rows.lowerBound + index * block
      let range = first..<min(first + block, rows.upperBound)
      let target = products.base + thread * count * block * MemoryLayout<Float>.size
      if let bytes, let short {
        let sums = target.assumingMemoryBound(to: Int32.self)
        short.values.withUnsafeBufferPointer { values in
          guard let values = values.baseAddress else { return }
          kernels.rows.dot_products_int8(
            bytes.values + first * stride, stride, values, stride, range.count, count, stride, sums, block)
        }
        for query in 0..<count {
          try look(
            queries + query * dimensions, query, range, sums + query * block, step: short.steps[query],
            slack: short.slacks[query], bytes.scales + first, collectors[thread])
        }
      } else {
        let scores = target.assumingMemoryBound(to: Float.self)
        kernels.rows.dot_products(
          vectors + first * dimensions, dimensions, queries, dimensions, range.count, count, dimensions, scores, block)
        for query in 0..<count {
          try take(query, range, scores + query * block, collectors[thread])
        }
      }
    }
  }

  private static let blockBytes = 128 * 1024

  /// Passes on scores of a block.
  private func take(
    _ query: Int, _ rows: Range<Int>, _ scores: UnsafePointer<Float>, _ collector: any ScanCollector
  ) throws(ClozeError) {
    var threshold = collector.threshold(query)
    for i in 0..<rows.count {
      let score = scores[i]
      // Neither comparison is true of a NaN, and -inf is below every threshold.
      if score < threshold, score > -.infinity { continue }
      guard score.isFinite else { throw notFinite(rows.lowerBound + i, query) }
      collector.add(query, row: rows.lowerBound + i, score: score)
      threshold = collector.threshold(query)
    }
  }

  /// Computes the scores of those rows of a block whose bound is not below the threshold, and passes them on.
  private func look(
    _ values: UnsafePointer<Float>, _ query: Int, _ rows: Range<Int>, _ sums: UnsafePointer<Int32>, step: Float,
    slack: Float, _ scales: UnsafePointer<Float>, _ collector: any ScanCollector
  ) throws(ClozeError) {
    var threshold = collector.threshold(query)
    for i in 0..<rows.count {
      let bound = scales[i] * (step * Float(sums[i]) + slack) + ShortQueries.underflow
      if bound < threshold { continue }
      let row = rows.lowerBound + i
      var score: Float = 0
      kernels.rows.dot_products(vectors + row * dimensions, dimensions, values, dimensions, 1, 1, dimensions, &score, 1)
      guard score.isFinite else { throw notFinite(row, query) }
      if score < threshold { continue }
      collector.add(query, row: row, score: score)
      threshold = collector.threshold(query)
    }
  }

  private func notFinite(_ row: Int, _ query: Int) -> ClozeError {
    let values = UnsafeBufferPointer(start: vectors + row * dimensions, count: dimensions)
    if values.contains(where: { !$0.isFinite }) { return Self.failure(vectors, dimensions, row: row) }
    return ClozeError(.invalidArgument, "the dot product of a query and vectors[\(row)] is beyond float32")
  }
}
