public import CCloze
internal import Cloze
internal import ClozeIO

// 9. Searching vectors

extension cloze_index_options: SizedStruct { static var name: String { "cloze_index_options" } }

@c @implementation public func cloze_index_create(
  _ vectors: UnsafePointer<Float>?, _ count: Int, _ dimensions: Int, _ options: UnsafePointer<cloze_index_options>?,
  _ index: UnsafeMutablePointer<OpaquePointer?>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let target = try required(index, "index")
    target.pointee = nil
    let options = try cloze_index_options.read(options)
    let precision = try precisionChoice(options.precision) ?? .int8
    target.pointee = handle(
      try vectorIndex(vectors, count, dimensions, precision: precision, threads: threadChoice(options.threads)))
  }
}

private func vectorIndex(
  _ vectors: UnsafePointer<Float>?, _ count: Int, _ dimensions: Int, precision: Precision, threads: Int?
) throws(ClozeError) -> VectorIndex {
  // A size_t beyond Int.max arrives as negative.
  guard count >= 0, dimensions >= 0 else {
    throw ClozeError(
      .invalidArgument,
      "\(UInt(bitPattern: count)) vectors of \(UInt(bitPattern: dimensions)) dimensions are beyond the address space")
  }
  return try VectorIndex(
    required(vectors, "vectors"), count: count, dimensions: dimensions, precision: precision, threads: threads)
}

@c @implementation public func cloze_index_free(_ index: OpaquePointer?) { release(index, VectorIndex.self) }

@c @implementation public func cloze_index_search(
  _ index: OpaquePointer?, _ queries: UnsafePointer<Float>?, _ query_count: Int, _ top_k: Int,
  _ indices: UnsafeMutablePointer<Int64>?, _ scores: UnsafeMutablePointer<Float>?, _ capacity: Int
) -> cloze_status {
  call { () throws(ClozeError) in
    let index = try required(object(index, VectorIndex.self), "index")
    try search(index, queries, query_count, top_k, indices, scores, capacity)
  }
}

@c @implementation public func cloze_search(
  _ vectors: UnsafePointer<Float>?, _ count: Int, _ dimensions: Int, _ queries: UnsafePointer<Float>?,
  _ query_count: Int, _ top_k: Int, _ threads: Int32, _ indices: UnsafeMutablePointer<Int64>?,
  _ scores: UnsafeMutablePointer<Float>?, _ capacity: Int
) -> cloze_status {
  call { () throws(ClozeError) in
    let index = try vectorIndex(vectors, count, dimensions, precision: .float32, threads: threadChoice(threads))
    try search(index, queries, query_count, top_k, indices, scores, capacity)
  }
}

private func search(
  _ index: VectorIndex, _ queries: UnsafePointer<Float>?, _ queryCount: Int, _ topK: Int,
  _ indices: UnsafeMutablePointer<Int64>?, _ scores: UnsafeMutablePointer<Float>?, _ capacity: Int
) throws(ClozeError) {
  guard topK >= 1, topK <= index.count else {
    throw ClozeError(
      .invalidArgument, "top_k = \(UInt(bitPattern: topK)), expected 1 to \(index.count), the number of vectors")
  }
  if queryCount == 0 { return }
  let (needed, overflow) = queryCount.multipliedReportingOverflow(by: topK)
  guard queryCount > 0, !overflow else {
    throw ClozeError(.invalidArgument, "\(UInt(bitPattern: queryCount)) queries are beyond the address space")
  }
  guard fits(needed, capacity) else { throw tooSmall("indices and scores", capacity, needed) }
  let indices = try required(indices, "indices")
  let scores = try required(scores, "scores")
  try index.search(required(queries, "queries"), count: queryCount, topK: topK) { query, best in
    for (rank, neighbor) in best.enumerated() {
      indices[query * topK + rank] = Int64(neighbor.index)
      scores[query * topK + rank] = neighbor.score
    }
  }
}

@c @implementation public func cloze_index_pairs(
  _ index: OpaquePointer?, _ threshold: Float, _ begin: Int, _ end: Int,
  _ pairs: UnsafeMutablePointer<cloze_neighbor_pair>?, _ capacity: Int, _ count: UnsafeMutablePointer<Int>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let index = try required(object(index, VectorIndex.self), "index")
    guard begin >= 0, begin <= end, end <= index.count else {
      throw ClozeError(
        .invalidArgument,
        "rows \(UInt(bitPattern: begin)) to \(UInt(bitPattern: end)), of \(index.count) vectors, do not exist")
    }
    let found = try index.pairs(above: threshold, rows: begin..<end)
    count?.pointee = found.count
    if pairs == nil, capacity == 0 { return }
    guard fits(found.count, capacity) else { throw tooSmall("pairs", capacity, found.count) }
    if found.isEmpty { return }
    let target = try required(pairs, "pairs")
    for (i, pair) in found.enumerated() {
      target[i] = cloze_neighbor_pair(
        first: Int64(pair.first), second: Int64(pair.second), score: pair.score, reserved: 0)
    }
  }
}
