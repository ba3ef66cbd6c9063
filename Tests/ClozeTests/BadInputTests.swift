import ClozeTestSupport
import ClozeIO
import Testing

@testable import Cloze

/// Invalid arguments of a run on token ids, and their messages.
struct BadInputTests {
  let model: Model
  let session: Session

  init() throws {
    model = try Model.fixture("sdpa-opset14", .int8)
    session = try Session(model: model, threads: 2)
  }

  @Test(arguments: [53, -1, Int32.max, Int32.min]) func idsOutOfRange(_ id: Int32) {
    expectError(.invalidArgument, "input_ids[2] = \(id)", "53") {
      _ = try session.run(ids: [0, 52, id, 1], cuSeqlens: [0, 1, 4])
    }
  }

  @Test(arguments: [2, -1, Int32.max, Int32.min]) func typesOutOfRange(_ type: Int32) {
    expectError(.invalidArgument, "token_type_ids[3] = \(type)", "2 token types") {
      _ = try session.run(ids: [0, 1, 2, 3], cuSeqlens: [0, 4], typeIDs: [0, 1, 0, type])
    }
  }

  @Test func typesOfAnotherLength() {
    expectError(.invalidArgument, "2 token_type_ids", "3 token ids") {
      _ = try session.run(ids: [0, 1, 2], cuSeqlens: [0, 3], typeIDs: [0, 1])
    }
  }

  @Test(arguments: [
    ([1, 3], "cu_seqlens[0] = 1"), ([-1, 3], "cu_seqlens[0] = -1"), ([0, 2, 2, 3], "cu_seqlens[2] = 2"),
    ([0, 2, 1, 3], "cu_seqlens[2] = 1"), ([0, Int32.min, 3], "cu_seqlens[1] = -2147483648"), ([0, 2], "ends at 2"),
    ([0, 4], "ends at 4"),
  ]) func offsets(_ ends: [Int32], _ part: String) {
    expectError(.invalidArgument, part) { _ = try session.run(ids: [0, 1, 2], cuSeqlens: ends) }
  }

  @Test func emptyBatch() {
    for ends: [Int32] in [[], [0]] {
      expectError(.invalidArgument, "the batch is empty") { _ = try session.run(ids: [], cuSeqlens: ends) }
      for output in [RunOutput.embedding, .hidden(layers: [0, 1]), .pooler] {
        expectError(.invalidArgument, "the batch is empty") {
          _ = try session.run(ids: [], cuSeqlens: ends, output: output)
        }
      }
    }
  }

  @Test func tooLong() throws {
    let longest = [Int32](repeating: 3, count: 24)
    #expect(try session.run(ids: longest, cuSeqlens: [0, 24]).count == 24 * 20)
    expectError(.tooLong, "sequence 1 has 25 tokens", "takes 24") {
      _ = try session.run(ids: [0] + longest + [0], cuSeqlens: [0, 1, 26])
    }
    expectError(.tooLong, "sequence 0 has 2147483647 tokens") { _ = try session.run(ids: [0], cuSeqlens: [0, .max]) }
  }

  @Test(arguments: [2, -3, Int.max, Int.min]) func layersOutOfRange(_ layer: Int) {
    expectError(.invalidArgument, "layer \(layer)", "0 to 1", "-1 to -2") {
      _ = try session.run(ids: [0], cuSeqlens: [0, 1], output: .hidden(layers: [0, layer]))
    }
  }

  @Test func noLayers() {
    expectError(.invalidArgument, "layers is empty") {
      _ = try session.run(ids: [0], cuSeqlens: [0, 1], output: .hidden(layers: []))
    }
  }

  @Test(arguments: [3, -1, Int.max, Int.min]) func positionsOutOfRange(_ position: Int) {
    expectError(.invalidArgument, "positions[1] = \(position)", "3 tokens") {
      _ = try session.run(ids: [0, 1, 2], cuSeqlens: [0, 3], positions: [2, position])
    }
  }

  @Test func noPositions() {
    expectError(.invalidArgument, "positions is empty") {
      _ = try session.run(ids: [0, 1, 2], cuSeqlens: [0, 3], positions: [])
    }
  }

  @Test func positionsOfVectors() {
    expectError(.invalidArgument, "positions are for") {
      _ = try session.run(ids: [0, 1, 2], cuSeqlens: [0, 3], output: .embedding, positions: [0, 1, 2])
    }
  }

  @Test(arguments: [0, -1, 21, Int.max, Int.min]) func dimensions(_ dimensions: Int) {
    expectError(.invalidArgument, "dimensions = \(dimensions)", "20") {
      _ = try session.run(ids: [0], cuSeqlens: [0, 1], output: .embedding(EmbeddingOptions(dimensions: dimensions)))
    }
  }

  /// The message lists the model's heads.
  @Test func missingHeads() throws {
    for (name, output, missing, has) in [
      ("sdpa-opset14", RunOutput.mlm, "masked language model", "it has pooler"),
      ("sdpa-opset14", .nsp, "next-sentence head", "it has pooler"),
      ("masked-lm-opset13", .pooler, "pooler", "it has masked language model"),
      ("distilbert", .embedding(EmbeddingOptions(pooling: .pooler)), "pooler", "no heads"),
    ] {
      let session = try Session(model: .fixture(name), threads: 1)
      expectError(.noHead, "no \(missing)", has) { _ = try session.run(ids: [0], cuSeqlens: [0, 1], output: output) }
    }
  }

  @Test func sizesBeyondMemory() {
    for (sequences, tokens) in [(Int.max, Int.max), (1, Int.max), (-1, 1), (1, -1), (.min, .min)] {
      #expect(throws: ClozeError.self) {
        try session.count(of: .hidden(layers: [0, 1]), sequences: sequences, tokens: tokens)
          + session.count(of: .embedding, sequences: sequences, tokens: tokens)
      }
    }
  }

  @Test(arguments: [0, -1, 257, 10_000, Int.max, Int.min]) func threads(_ threads: Int) {
    expectError(.invalidArgument, "threads = \(threads)", "1 to 256") {
      _ = try Session(model: model, threads: threads)
    }
  }

  @Test func threadsByDefault() throws {
    #expect(defaultThreads() >= 1)
    #expect(try Session(model: model).threads == min(defaultThreads(), 256))
    // More threads than units of work, and than processors.
    let many = try Session(model: model, threads: 64)
    let batch = Batch(model, lengths: [24, 3])
    #expect(try many.run(batch).bits == session.run(batch).bits)
  }
}
