import ClozeIO
import ClozeTestSupport
import Testing

@testable import Cloze

/// Exact search: against sorting all scores, in both precisions.
struct VectorIndexTests {
  /// Scores as they are defined: 16 chains of fma, added as a tree.
  private func score(_ a: ArraySlice<Float>, _ b: ArraySlice<Float>) -> Float {
    var lanes = [Float](repeating: 0, count: 16)
    for (p, (x, y)) in zip(a, b).enumerated() { lanes[p % 16].addProduct(x, y) }
    for half in [8, 4, 2, 1] { for i in 0..<half { lanes[i] += lanes[i + half] } }
    return lanes[0]
  }

  /// All rows, best first.
  private func ranked(_ vectors: [Float], _ query: ArraySlice<Float>, dimensions d: Int) -> [Neighbor] {
    let all = (0..<vectors.count / d).map {
      Neighbor(index: $0, score: score(vectors[$0 * d..<($0 + 1) * d], query))
    }
    return all.sorted { $0 < $1 }
  }

  /// Rows around a few centres, with repetitions, so that many scores are near each other or equal.
  private func clustered(_ count: Int, _ d: Int, spread: Float, _ random: inout SplitMix64) -> [Float] {
    let centres = (0..<5 * d).map { _ in Float.random(in: -1...1, using: &random) }
    var rows: [Float] = []
    for row in 0..<count {
      if row % 7 == 6 {
        rows += rows[(row - 3) * d..<(row - 2) * d]
      } else {
        let centre = Int.random(in: 0..<5, using: &random) * d
        rows += (0..<d).map { centres[centre + $0] + .random(in: -spread...spread, using: &random) }
      }
    }
    return rows
  }

  @Test(arguments: [1, 15, 16, 17, 48, 100]) func findsWhatSortingFinds(_ d: Int) throws {
    var random = SplitMix64(seed: UInt64(d))
    for spread: Float in [0, 0.001, 0.1, 1] {
      let vectors = clustered(300, d, spread: spread, &random)
      let queries = clustered(17, d, spread: 1, &random) + vectors[..<(3 * d)] + [Float](repeating: 0, count: d)
      let all = (0..<queries.count / d).map { ranked(vectors, queries[$0 * d..<($0 + 1) * d], dimensions: d) }
      for precision in Precision.allCases {
        let index = try VectorIndex(vectors, dimensions: d, precision: precision, threads: 2)
        for topK in [1, 10, 300] {
          #expect(
            try index.search(queries, topK: topK) == all.map { Array($0.prefix(topK)) }, "\(precision), \(spread)")
        }
      }
    }
  }

  /// More rows than start threads, and rows of magnitudes that int8 rounds to nothing beside each other.
  @Test func manyRowsOfManyMagnitudes() throws {
    var random = SplitMix64(seed: 9)
    let d = 64
    var vectors = clustered(9000, d, spread: 0.5, &random)
    for row in 0..<9000 where row % 3 == 0 {
      let scale: Float = [1e-44, 1e-38, 1e-20, 1e-3, 1e3, 1e15][row / 3 % 6]
      for p in row * d..<(row + 1) * d { vectors[p] *= scale }
      vectors[row * d + row % d] *= 50
    }
    for scale: Float in [1e-30, 1, 1e15] {
      let queries = clustered(33, d, spread: 0.5, &random).map { $0 * scale }
      let wanted = try VectorIndex(vectors, dimensions: d, precision: .float32, threads: 2).search(queries)
      #expect(wanted[32] == Array(ranked(vectors, queries[(32 * d)...], dimensions: d).prefix(10)))
      for threads in [1, 2, 5] {
        let index = try VectorIndex(vectors, dimensions: d, precision: .int8, threads: threads)
        #expect(try index.search(queries) == wanted)
      }
    }
  }

  @Test(arguments: Precision.allCases) func pairs(_ precision: Precision) throws {
    var random = SplitMix64(seed: 3)
    let d = 24
    let vectors = clustered(120, d, spread: 0.2, &random)
    let index = try VectorIndex(vectors, dimensions: d, precision: precision, threads: 2)
    var all: [NeighborPair] = []
    for i in 0..<120 {
      for j in (i + 1)..<120 {
        let score = score(vectors[i * d..<(i + 1) * d], vectors[j * d..<(j + 1) * d])
        all.append(NeighborPair(first: i, second: j, score: score))
      }
    }
    for threshold: Float in [-1000, 0, 5, all[77].score, 1000] {
      let found = try index.pairs(above: threshold)
      #expect(found == all.filter { $0.score > threshold })
      var parts: [NeighborPair] = []
      for rows in [0..<7, 7..<90, 90..<120] { parts += try index.pairs(above: threshold, rows: rows) }
      #expect(parts == found)
    }
    #expect(try index.pairs(above: 0, rows: 5..<5).isEmpty)
  }

  @Test(arguments: Precision.allCases) func refusals(_ precision: Precision) throws {
    func refused(_ part: String, _ body: () throws -> Void) {
      do {
        try body()
        Issue.record("\(part): nothing was thrown")
      } catch let error as ClozeError {
        #expect(error.status == .invalidArgument)
        #expect(error.message.contains(part), "\(error.message)")
      } catch { Issue.record("\(error)") }
    }
    func index(_ values: [Float], _ dimensions: Int, threads: Int? = 1) throws -> VectorIndex {
      try VectorIndex(values, dimensions: dimensions, precision: precision, threads: threads)
    }
    refused("no vectors") { _ = try index([], 3) }
    refused("7 values are no vectors of 3") { _ = try index([Float](repeating: 1, count: 7), 3) }
    refused("0 dimensions") { _ = try index([1], 0) }
    refused("65537 dimensions") { _ = try index([Float](repeating: 1, count: 65537), 65537) }
    refused("threads = 257") { _ = try index([1, 2], 2, threads: 257) }
    let sound = try index([1, 2, 3, 4], 2)
    #expect(try sound.search([], topK: 1).isEmpty)
    refused("top_k = 3, expected 1 to 2") { _ = try sound.search([1, 2], topK: 3) }
    refused("top_k = 0") { _ = try sound.search([1, 2], topK: 0) }
    refused("3 values are no queries of 2") { _ = try sound.search([1, 2, 3], topK: 1) }
    refused("queries[1, 0] is inf") { _ = try sound.search([1, 2, .infinity, 0], topK: 1) }
    refused("beyond float32") { _ = try sound.search([3e38, 3e38], topK: 1) }
    // Of scores below all others, too.
    for other: Float in [-3e38, 3e38] {
      let huge = try index([1, 1, 1, 2, -3e38, other], 2)
      refused("vectors[2] is beyond float32") { _ = try huge.search([3, 3], topK: 1) }
    }
    refused("rows 1 to 3") { _ = try sound.pairs(above: 0, rows: 1..<3) }
    refused("threshold is nan") { _ = try sound.pairs(above: .nan) }
    for value in [Float.nan, .infinity, -.infinity] {
      // Behind enough good rows that it could be passed over as the worst.
      var values = [Float](repeating: 1, count: 4000)
      values[3001] = value
      let bad = "vectors[1500, 1] is \(value)"
      refused(bad) { _ = try index(values, 2).search([1, 1], topK: 2) }
      refused(bad) { _ = try index(values, 2).search([0, 0], topK: 2) }
      refused(bad) { _ = try index(values, 2).pairs(above: 3) }
    }
  }

  @Test func files() throws {
    func npy(_ header: String, _ floats: [Float], version: UInt8 = 1) throws -> TemporaryFile {
      var bytes: [UInt8] = [0x93] + Array("NUMPY".utf8) + [version, 0]
      let length = 128 - (version == 1 ? 10 : 12)
      bytes += (0..<(version == 1 ? 2 : 4)).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) }
      bytes += Array(header.utf8) + [UInt8](repeating: 0x20, count: length - header.utf8.count)
      for value in floats { withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes += Array($0) } }
      return try TemporaryFile(bytes)
    }
    let values: [Float] = [1, 0, 0, 1, 1, 1]
    for version: UInt8 in 1...3 {
      let file = try npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }", values, version: version)
      let index = try VectorIndex(path: file.path)
      #expect(index.count == 3 && index.dimensions == 2 && index.precision == .int8)
      #expect(try index.search([0, 2], topK: 3)[0].map(\.index) == [1, 2, 0])
    }
    for (header, part) in [
      ("{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), }", "'<f8'"),
      ("{'descr': '<f4', 'fortran_order': True, 'shape': (3, 2), }", "Fortran"),
      ("{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }", "(6,)"),
      ("{'descr': '<f4', 'fortran_order': False, 'shape': (4, 2), }", "ends before"),
      ("{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 2), }", "ends before"),
      ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 2), }", "shape"),
      ("{'descr': '<f4', 'fortran_order': False, 'shape': (-3, 2), }", "shape"), ("{", "elements"), ("", "elements"),
    ] {
      let file = try npy(header, values)
      let path = file.path
      #expect { try VectorIndex(path: path) } throws: {
        guard let error = $0 as? ClozeError else { return false }
        return error.status == .invalidModel && error.message.contains(part) && error.message.contains(path)
      }
    }
    let text = try TemporaryFile(Array("not an array".utf8))
    let path = text.path
    #expect(throws: ClozeError.self) { try VectorIndex(path: path) }
    #expect(throws: ClozeError.self) { try VectorIndex(path: path + ".missing") }
  }
}
