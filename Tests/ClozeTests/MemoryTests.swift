import CClozeTestSupport
import ClozeTestSupport
import ClozeTokenizer
import Foundation
import Testing

@testable import Cloze

/// Memory that stays allocated. In processes of their own, as other tests allocate at the same time; where the C
/// library does not report its memory, nothing is measured.
struct MemoryTests {
  /// Bytes allocated by the C library, in its heap and in mappings.
  static var allocated: Int { cloze_test_allocated() }

  /// An upper bound of the memory that the test itself takes.
  static let noise = 64 * 1024

  @Test func runsAllocateNothingThatStays() async {
    await #expect(processExitsWith: .success) {
      let model = try Model.fixture("identity-aliases", .int8)
      let session = try Session(model: model, threads: 2)
      let batch = Batch(model, lengths: [24, 3, 17, 8])
      let (ids, ends, types) = (batch.ids, batch.ends, batch.types)
      var values = [Float](repeating: 0, count: 24 * 20 * 3 * 4)
      func run(_ count: Int, _ output: RunOutput) throws {
        for _ in 0..<count {
          var span = values.mutableSpan
          try session.run(ids: ids.span, cuSeqlens: ends.span, typeIDs: types.span, output: output, into: &span)
        }
      }
      for output in [RunOutput.hidden(layers: [0, 1]), .embedding, .pooler, .nsp] {
        try run(2, output)
        let before = MemoryTests.allocated
        try run(40, output)
        let after = MemoryTests.allocated
        // Less than the smallest block for each run.
        #expect(after - before < 40 * 16)
      }
    }
  }

  @Test func scratchFollowsTheChunk() async {
    await #expect(processExitsWith: .success) {
      let tokenizer = try Tokenizer(vocabulary: Array(TextTests.vocabulary.joined(separator: "\n").utf8))
      let model = try Model(path: Fixture.modelPath("pretraining-float16"), options: LoadOptions(tokenizer: tokenizer))
      let session = try Session(model: model, threads: 2)
      func grown(_ count: Int) throws -> Int {
        let texts = Array(repeating: Text("a b c d e f"), count: count)
        let before = MemoryTests.allocated
        // The result is freed before memory is measured again.
        let embedded = try session.embed(texts, embedding: EmbeddingOptions(dimensions: 1)).count
        #expect(embedded == count)
        return MemoryTests.allocated - before
      }
      _ = try grown(700)
      #expect(try grown(7000) < MemoryTests.noise)
      // A ragged batch of many chunks.
      let ids = [Int32](repeating: 1, count: 20_000)
      let ends = (0...500).map { Int32($0 * 40) }
      _ = try session.run(ids: ids, cuSeqlens: ends, output: .embedding)
      let scratch = session.encoder.scratch.tokens
      #expect(scratch <= Session.chunkTokens + model.info.maxPositionEmbeddings)
    }
  }

  @Test func memoryIsGivenBack() async {
    await #expect(processExitsWith: .success) {
      func use() throws {
        let model = try Model.fixture("pretraining-sdpa-opset17", .int8)
        let session = try Session(model: model, threads: 3)
        let batch = Batch(model, lengths: Batch.lengths(model, tokens: 2500))
        for output in model.outputs { _ = try session.run(batch, output) }
        #expect(throws: ClozeError.self) { try session.run(ids: [-1], cuSeqlens: [0, 1]) }
      }
      for _ in 0..<3 { try use() }
      let before = MemoryTests.allocated
      for _ in 0..<3 { try use() }
      // One of them takes megabytes.
      #expect(MemoryTests.allocated - before < MemoryTests.noise)
    }
  }
}
