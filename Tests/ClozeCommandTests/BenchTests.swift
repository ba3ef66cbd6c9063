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
    }
    let run = try CommandRun(["bench", "--seconds", "0.01", "--threads", "1", "--precision", "float32"])
    #expect(run.status == 0)
    #expect(run.text.contains("float32"))
    #expect(run.text.contains("1 thread\n"))
    #expect(run.lines.count == 10)
  }
}
