import CClozeKernels
import ClozeKernelsTestSupport
import Testing

@Suite struct ScanTests {
  /// A lane rounds once for each of ceil(d / 16) products, the tree four times.
  private func roundings(_ d: Int) -> Double { Double((d + 15) / 16 + 4) }

  /// [n, m] dot products, in rows of stride m + 3.
  private func products(
    _ variant: Variant, _ x: [Float], _ queries: [Float], m: Int, n: Int, d: Int, gap: Int = 0
  ) -> [Float] {
    let rows = GuardedBuffer(x, width: d, stride: d + gap), columns = GuardedBuffer(queries, width: d, stride: d + gap)
    let y = GuardedBuffer<Float>(count: (n - 1) * (m + 3) + m)
    variant.rows.dot_products(rows.pointer, d + gap, columns.pointer, d + gap, m, n, d, y.pointer, m + 3)
    let (result, untouched) = y.rows(n, width: m, stride: m + 3)
    #expect(untouched)
    return result
  }

  @Test(arguments: Variant.supported) func dotProductsAreNearTheExactOnes(variant: Variant) {
    var random = Random(71)
    for d in Sizes.spread(upTo: 400) {
      let (m, n) = (1 + d % 5, 1 + d % 9)
      let (x, queries) = (random.floats(m * d), random.floats(n * d))
      let found = products(variant, x, queries, m: m, n: n, d: d, gap: d % 3)
      var (sum, magnitude) = ([Double](repeating: 0, count: m * n), [Double](repeating: 0, count: m * n))
      reference_product(queries, x, n, m, d, &sum, &magnitude)
      for i in 0..<(m * n) {
        // Denormal products are off by half a denormal each.
        let tolerance = roundings(d) * unit * magnitude[i] * 1.01 + Double(d) * Double(Float.leastNonzeroMagnitude)
        #expect(abs(Double(found[i]) - sum[i]) <= tolerance, "d \(d)")
      }
    }
  }

  @Test(arguments: Variant.supported) func aDotProductIsTheSameInAnyCompanyAndOnEveryVariant(variant: Variant) {
    var random = Random(72)
    for d in [1, 7, 16, 17, 31, 32, 48, 100, 384, 385] {
      let (m, n) = (6, 11)
      let (x, queries) = (random.floats(m * d), random.floats(n * d))
      let found = products(variant, x, queries, m: m, n: n, d: d)
      #expect(sameBits(found, products(.scalar, x, queries, m: m, n: n, d: d)))
      for j in 0..<n {
        for i in 0..<m {
          let (row, query) = (Array(x[i * d..<(i + 1) * d]), Array(queries[j * d..<(j + 1) * d]))
          #expect(sameBits(products(variant, row, query, m: 1, n: 1, d: d), [found[j * m + i]]))
          // Both orders are the same products in the same order.
          #expect(sameBits(products(variant, query, row, m: 1, n: 1, d: d), [found[j * m + i]]))
        }
      }
    }
  }

  @Test(arguments: Variant.supported) func whatIsNotFiniteShows(variant: Variant) {
    for d in [1, 16, 40] {
      for value in [Float.nan, .infinity, -.infinity] {
        for other: Float in [0, 1, -2] {
          var x = [Float](repeating: 0.5, count: d)
          x[d - 1] = value
          let query = [Float](repeating: other, count: d)
          #expect(!products(variant, x, query, m: 1, n: 1, d: d)[0].isFinite)
        }
      }
    }
  }

  @Test(arguments: Variant.supported) func productsOfIntegersAreExact(variant: Variant) {
    var random = Random(73)
    let padding = Int(CLOZE_SCAN_PADDING)
    for d in [1, 2, 3, 5, 8, 24, 31].map({ $0 * padding }) {
      // The largest sum that the contract allows.
      let limit = min(32767, Int(Int32.max) / 127 / d)
      for n in [1, 2, 4, 5, 9] {
        let m = 1 + n % 3
        let x = (0..<m * d).map { i in Int8(i < d ? [-127, 127][i / 3 % 2] : random.int(-127...127)) }
        let queries = (0..<n * d).map { i in Int16(i < d ? [limit, -limit][i / 5 % 2] : random.int(-limit...limit)) }
        let (rows, columns) = (GuardedBuffer(x), GuardedBuffer(queries))
        let y = GuardedBuffer<Int32>(count: (n - 1) * (m + 1) + m)
        variant.rows.dot_products_int8(rows.pointer, d, columns.pointer, d, m, n, d, y.pointer, m + 1)
        let (found, untouched) = y.rows(n, width: m, stride: m + 1)
        #expect(untouched)
        var expected = [Int64](repeating: 0, count: m * n)
        reference_integer_product(queries.map(Int32.init), x, n, m, d, &expected)
        #expect(found.map(Int64.init) == expected, "d \(d), n \(n)")
      }
    }
  }
}
