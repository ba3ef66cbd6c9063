import ClozeTestSupport
import Testing

@testable import Cloze

/// Layers, positions, pooling, and output buffers.
struct OutputTests {
  let model: Model
  let session: Session
  let batch: Batch

  init() throws {
    model = try Model.fixture("base-3-layers-opset11")
    session = try Session(model: model, threads: 2)
    batch = Batch(model, lengths: [7, 1, 40, 12])
  }

  @Test func layers() throws {
    let width = model.info.hiddenSize
    let each = try (0...3).map { try session.run(batch, .hidden(layers: [$0])) }
    #expect(try session.run(batch).bits == each[3].bits)
    let wanted = [2, 0, -1, -4, 2]
    let several = try session.run(batch, .hidden(layers: wanted))
    #expect(several.count == batch.ids.count * wanted.count * width)
    for (slot, layer) in wanted.enumerated() {
      let expected = each[layer < 0 ? layer + 4 : layer]
      for token in batch.ids.indices {
        let start = (token * wanted.count + slot) * width
        #expect(
          Array(several[start..<(start + width)]).bits == Array(expected[(token * width)..<((token + 1) * width)]).bits)
      }
    }
  }

  /// Positions in any order, repeated, in several chunks.
  @Test(arguments: [RunOutput.hidden, .hidden(layers: [1, -1]), .mlm]) func positions(_ output: RunOutput) throws {
    let model = try Model.fixture("identity-aliases", .int8)
    let session = try Session(model: model, threads: 2)
    let batch = Batch(model, lengths: Batch.lengths(model, tokens: 2 * Session.chunkTokens + 100))
    let tokens = batch.ids.count
    var random = Random(state: 5)
    var positions = [tokens - 1, 0, 0, tokens - 1, Session.chunkTokens, 3, 2, 1]
    for _ in 0..<300 { positions.append(.random(in: 0..<tokens, using: &random)) }
    let all = try session.run(batch, output)
    let width = all.count / tokens
    let some = try session.run(batch, output, positions: positions)
    #expect(some.count == positions.count * width)
    #expect(some.bits == positions.flatMap { all[($0 * width)..<(($0 + 1) * width)] }.bits)
    // More than there are tokens.
    let many = Array(repeating: 4, count: 40)
    let short = Batch(model, lengths: [3, 2])
    let row = try session.run(short, output, positions: [4])
    #expect(try session.run(short, output, positions: many).bits == many.flatMap { _ in row }.bits)
  }

  @Test(arguments: Pooling.allCases, [nil, 1, 13, 60]) func pooling(_ pooling: Pooling, _ dimensions: Int?) throws {
    let width = model.info.hiddenSize
    let hidden = try session.run(batch)
    let pooler = try session.run(batch, .pooler)
    let kept = dimensions ?? width
    let plain = try session.run(
      batch, .embedding(EmbeddingOptions(pooling: pooling, normalize: false, dimensions: dimensions)))
    let unit = try session.run(
      batch, .embedding(EmbeddingOptions(pooling: pooling, normalize: true, dimensions: dimensions)))
    #expect(plain.count == batch.sequences.count * kept)
    #expect(unit.count == plain.count)
    for i in batch.sequences.indices {
      let rows = Int(batch.ends[i])..<Int(batch.ends[i + 1])
      let n = Double(rows.count)
      var expected: [Double] = []
      var largest = 0.0
      for column in 0..<kept {
        let values = rows.map { Double(hidden[$0 * width + column]) }
        largest = values.reduce(largest) { max($0, abs($1)) }
        switch pooling {
        case .mean: expected.append(values.reduce(0, +) / n)
        case .meanSqrtLen: expected.append(values.reduce(0, +) / n.squareRoot())
        case .max: expected.append(values.max() ?? .nan)
        case .cls: expected.append(values[0])
        case .pooler: expected.append(Double(pooler[i * width + column]))
        case .lastToken: expected.append(values[values.count - 1])
        case .weightedMean:
          let sum = values.enumerated().reduce(0) { $0 + Double($1.offset + 1) * $1.element }
          expected.append(sum / (n * (n + 1) / 2))
        }
      }
      // A sum of n floats, divided, rounds n + 1 times.
      let tolerance = 0x1p-24 * (n + 1) * largest * n.squareRoot() * 2
      let length = expected.reduce(0) { $0 + $1 * $1 }.squareRoot()
      for column in 0..<kept {
        let (a, b) = (Double(plain[i * kept + column]), expected[column])
        #expect(abs(a - b) <= ([.mean, .meanSqrtLen, .weightedMean].contains(pooling) ? tolerance : 0))
        // The length adds a sum of `kept` squares, a root and a division.
        let normalized = expected[column] / length
        #expect(
          abs(Double(unit[i * kept + column]) - normalized) <= 2 * tolerance / length + 0x1p-24 * Double(kept + 4))
      }
    }
  }

  /// The defaults without settings in the model's files: mean, normalized.
  @Test func defaultEmbedding() throws {
    let standard = try session.run(batch, .embedding)
    let named = try session.run(batch, .embedding(EmbeddingOptions(pooling: .mean, normalize: true)))
    #expect(standard.bits == named.bits)
  }

  @Test func typesAreZeroWhereAbsent() throws {
    let zeros = [Int32](repeating: 0, count: batch.ids.count)
    let without = try session.run(ids: batch.ids, cuSeqlens: batch.ends)
    let with = try session.run(ids: batch.ids, cuSeqlens: batch.ends, typeIDs: zeros)
    #expect(without.bits == with.bits)
    #expect(try session.run(batch).bits != with.bits)
  }

  @Test func spans() throws {
    let needed = try session.count(of: .hidden, sequences: batch.sequences.count, tokens: batch.ids.count)
    #expect(needed == batch.ids.count * model.info.hiddenSize)
    let (ids, ends, types) = (batch.ids, batch.ends, batch.types)
    var values = [Float](repeating: 7, count: needed + 5)
    var span = values.mutableSpan
    try session.run(ids: ids.span, cuSeqlens: ends.span, typeIDs: types.span, into: &span)
    #expect(Array(values.prefix(needed)).bits == (try session.run(batch).bits))
    #expect(values.suffix(5) == [7, 7, 7, 7, 7])

    let positions = [3, 1]
    span = values.mutableSpan
    try session.run(
      ids: ids.span, cuSeqlens: ends.span, typeIDs: types.span, output: .hidden(layers: [0]), positions: positions.span,
      into: &span)
    let rows = try session.run(batch, .hidden(layers: [0]), positions: positions)
    #expect(Array(values.prefix(rows.count)).bits == rows.bits)
  }

  @Test func spanTooSmall() throws {
    let (ids, ends) = (batch.ids, batch.ends)
    var values = [Float](repeating: 7, count: 3599)
    expectError(.bufferTooSmall, "3599", "3600") {
      var span = values.mutableSpan
      try session.run(ids: ids.span, cuSeqlens: ends.span, into: &span)
    }
    #expect(values.allSatisfy { $0 == 7 })
  }
}
