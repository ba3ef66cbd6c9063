import Cloze
import ClozeIO
import Testing

@testable import ClozeCommand

@Suite struct BenchTests {
  @Test func shapesFitTheModel() {
    for longest in [1, 3, 16, 100, 128, 512] {
      for workload in Workload.all(longest: longest) {
        #expect(workload.lengths.allSatisfy { (1...longest).contains($0) })
        #expect(workload.offsets.count == workload.lengths.count + 1)
        #expect(workload.offsets.last == workload.tokens)
        let ids = workload.ids(vocabulary: 50)
        #expect(ids.count == workload.tokens)
        #expect(ids.allSatisfy { (0..<50).contains($0) })
      }
    }
    #expect(Workload.all(longest: 512).map(\.name) == ["single16", "single128", "batch8x128", "single512", "ragged"])
    #expect(Workload.all(longest: 100).map(\.name) == ["single16", "single100", "batch8x100", "ragged"])
  }

  @Test func raggedHasShortAndLongTexts() throws {
    let lengths = try #require(Workload.all(longest: 512).last).lengths
    #expect(lengths.count == 256)
    #expect((lengths.min() ?? 0) < 8)
    #expect((lengths.max() ?? 0) > 80)
    // Half of them lie below the distribution's middle, exp(2.9) + 2.
    #expect((112...144).contains(lengths.count { $0 < 20 }))
  }

  @Test(.enabled(if: CommandRun.isFast, "takes minutes without an optimised command; name one in CLOZE_COMMAND"))
  func printsEveryShape() throws {
    let objects = try CommandRun(["bench", "--seconds", "0.01", "--threads", "1", "--json"]).objects()
    #expect(objects.compactMap { $0["shape"] as? String } == ["single16", "single128", "batch8x128", "ragged"])
    for object in objects {
      let speed = try #require(object["tokens_per_second"] as? Double)
      #expect(speed > 0)
      #expect(object["threads"] as? Int == 1)
      // No bound from above: a machine that does other work while the limit is measured may exceed it.
      #expect(try #require(object["share_of_limit"] as? Double) > 0)
      #expect(try #require(object["limit_operations_per_second"] as? Double) > 0)
    }
    let run = try CommandRun(["bench", "--seconds", "0.01", "--threads", "1", "--precision", "float32"])
    #expect(run.status == 0)
    #expect(run.text.contains("float32"))
    #expect(run.text.contains("1 thread\n"))
    #expect(run.lines.contains { $0.hasPrefix("limit: ") && $0.contains("float32") })
    #expect(run.lines.filter { $0.hasSuffix(" %") }.count == 4)
    #expect(run.lines.count == 12)
  }

  @Test func countsOperations() {
    // Two layers of width 2, with 4 in between: 2 (4 x 2 x 2 + 2 x 2 x 4) parameters, and two products of width 2 for
    // each pair of tokens of a text.
    let configuration = BERTConfiguration(
      hiddenSize: 2, numHiddenLayers: 2, numAttentionHeads: 1, intermediateSize: 4, vocabSize: 8,
      maxPositionEmbeddings: 8, typeVocabSize: 1, layerNormEps: 1e-12, hiddenAct: .gelu)
    #expect(configuration.operationsPerToken == 128)
    let workload = Workload(name: "two", lengths: [1, 3])
    // 4 tokens of 128; 2 layers with 4 x 2 for each of 1 + 9 pairs.
    #expect(workload.operations(configuration) == 512 + 160)
  }

  @Test(arguments: Precision.allCases) func productsHaveARate(_ precision: Precision) throws {
    for isa in ISA.allCases {
      guard let kernels = try? Kernels.choose(isa) else { continue }
      for threads in [1, 3] {
        let start = Clock.seconds()
        let rate = try productRate(kernels, precision, threads: threads, seconds: 0.005)
        // At least one product, of 3 million operations, was timed; no CPU does a million operations a nanosecond.
        #expect(rate > 3e6 / (Clock.seconds() - start) && rate < 1e15, "\(isa)")
      }
    }
  }
}
