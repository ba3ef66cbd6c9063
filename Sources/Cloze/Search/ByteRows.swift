internal import CClozeKernels
internal import ClozeIO

/// Vectors in symmetric int8, a scale each: v = scale w + e with |e| <= scale / 2. What a search reads first, in a
/// quarter of the bytes.
struct ByteRows: @unchecked Sendable {
  /// [N, stride] s8, zero beyond the dimensions.
  let values: UnsafeMutablePointer<Int8>
  /// [N]
  let scales: UnsafeMutablePointer<Float>
  /// Bytes of a row: the dimensions, padded.
  let stride: Int
  /// No less than the magnitude of any value.
  let largest: Double
  private let memory: [AlignedMemory]

  /// - Throws: `.invalidArgument` for a vector that is not finite; `.outOfMemory`.
  init(_ vectors: UnsafePointer<Float>, count: Int, dimensions: Int, kernels: Kernels, team: Team) throws(ClozeError) {
    let stride = dimensions.roundedUp(to: Int(CLOZE_SCAN_PADDING))
    let rows = try AlignedMemory(bytes: bytes(count, stride))
    let scaling = try AlignedMemory(bytes: bytes(count, MemoryLayout<Float>.size))
    let (values, scales) = (rows.base.assumingMemoryBound(to: Int8.self), scaling.floats())
    let block = 256
    try team.forEach((count + block - 1) / block, parallel: count * stride >= VectorIndex.parallelWork) {
      index, _ throws(ClozeError) in
      let first = index * block
      let rows = min(block, count - first)
      let target = values + first * stride
      if stride > dimensions { target.initialize(repeating: 0, count: rows * stride) }
      let bad = kernels.rows.quantize_weights(
        vectors + first * dimensions, dimensions, nil, rows, dimensions, target, stride, scales + first)
      if bad > 0 { throw VectorIndex.failure(vectors, dimensions, row: first + bad - 1) }
    }
    (self.values, self.scales, self.stride, memory) = (values, scales, stride, [rows, scaling])
    largest = 127.5 * Double(UnsafeBufferPointer(start: scales, count: count).max() ?? 0)
  }
}

/// Queries in int16, and how far the dot product of such a query and a row of `ByteRows` may be from the float32 one.
///
/// With q = step u + f, and v = scale w + e as above,
///
///     v q = scale step w u + e q + scale w f,   |e q| <= scale / 2 |q|_1,   |w f| <= 127 |f|_1
///
/// and the float32 sum of d products is off by at most (d / 16 + 5) 2^-24 sum |v_i q_i|, of which each |v_i| <= 127.5
/// scale. So a row's float32 score is at most scale (step w u + slack), with one slack for a query. It is infinite where
/// a sum of float32 may overflow, so that every row is looked at.
struct ShortQueries {
  /// [n, stride] s16, zero beyond the dimensions.
  private(set) var values: [Int16]
  private(set) var steps: [Float]
  private(set) var slacks: [Float]

  init(_ queries: UnsafePointer<Float>, count: Int, dimensions: Int, for rows: ByteRows) {
    let stride = rows.stride
    values = [Int16](repeating: 0, count: count * stride)
    steps = []
    slacks = []
    for query in 0..<count {
      let row = UnsafeBufferPointer(start: queries + query * dimensions, count: dimensions)
      let (largest, total) = row.reduce((0.0, 0.0)) { (max($0.0, abs(Double($1))), $0.1 + abs(Double($1))) }
      // |u| <= 32767, and 127 |u|_1 < 2^31, where rounding adds a half to each.
      let bound = Double(Int32.max / 127) - Double(dimensions)
      let step = largest > 0 ? Double(Float(max(largest / 32766, total / bound) + 1e-45)) : 1
      var rest = 0.0
      for (column, value) in row.enumerated() {
        let short = min(max((Double(value) / step).rounded(), -32767), 32767)
        values[query * stride + column] = Int16(short)
        rest += abs(Double(value) - step * short)
      }
      // 16 more roundings than those of the sum are more than come with the estimate and its comparison.
      let roundings = Double(dimensions / 16 + 6 + 16) * 0x1p-24
      steps.append(Float(step))
      let overflows = total * rows.largest * 1.01 >= Double(Float.greatestFiniteMagnitude)
      slacks.append(
        overflows ? .infinity : Float((total * (0.5001 + 128 * roundings) + 127.01 * rest) * 1.00001))
    }
  }

  /// Added to each bound, as denormal products and scales are off by more than a relative error.
  static let underflow: Float = 1e-37
}
