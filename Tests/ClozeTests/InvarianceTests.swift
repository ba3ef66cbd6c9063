import CClozeKernels
import ClozeTestSupport
import Testing

@testable import Cloze

/// An output must not depend, to the last bit, on its batch, threads, chunks, or the host's settings.
struct InvarianceTests {
  /// Three layers; a wide one with odd sizes and heads; a decoder of 1003 columns; two layers and
  /// every head; a bias by relative position. Small, so that the scalar kernels are quick.
  static let names = [
    "base-3-layers-opset11", "pretraining-sdpa-opset17", "pretraining-float16", "identity-aliases", "mpnet",
  ]

  /// The part of an output that belongs to one sequence of a batch.
  private func part(_ values: [Float], of sequence: Int, _ batch: Batch, _ output: RunOutput) -> [Float] {
    let ends = batch.ends.map { Int($0) }
    let byToken = output.kind == .hidden || output.kind == .mlm
    let rows = byToken ? ends[sequence]..<ends[sequence + 1] : sequence..<(sequence + 1)
    let width = values.count / (byToken ? batch.ids.count : batch.sequences.count)
    return Array(values[(rows.lowerBound * width)..<(rows.upperBound * width)])
  }

  @Test(arguments: names, Precision.allCases) func alone(_ name: String, _ precision: Precision) throws {
    let model = try Model.fixture(name, precision)
    let session = try Session(model: model, threads: 2)
    let batch = Batch(model, lengths: Batch.lengths(model, tokens: 200))
    for output in model.outputs {
      let together = try session.run(batch, output)
      for (i, sequence) in batch.sequences.enumerated() {
        let alone = try session.run(Batch([sequence]), output)
        #expect(alone.bits == part(together, of: i, batch, output).bits, "\(output.kind), sequence \(i)")
      }
    }
  }

  @Test(arguments: names, Precision.allCases) func order(_ name: String, _ precision: Precision) throws {
    let model = try Model.fixture(name, precision)
    let session = try Session(model: model, threads: 2)
    let batch = Batch(model, lengths: Batch.lengths(model, tokens: 150))
    var random = Random(state: 7)
    let order = batch.sequences.indices.shuffled(using: &random)
    let shuffled = Batch(order.map { batch.sequences[$0] })
    for output in model.outputs {
      let straight = try session.run(batch, output)
      let mixed = try session.run(shuffled, output)
      for (place, i) in order.enumerated() {
        #expect(
          part(mixed, of: place, shuffled, output).bits == part(straight, of: i, batch, output).bits,
          "\(output.kind), sequence \(i)")
      }
    }
  }

  @Test(arguments: names, Precision.allCases) func concatenation(_ name: String, _ precision: Precision) throws {
    let model = try Model.fixture(name, precision)
    let session = try Session(model: model, threads: 1)
    let one = Batch(model, lengths: [3, 1, 17], seed: 3)
    let other = Batch(model, lengths: [8, 24, 2, 5], seed: 4)
    let both = Batch(one.sequences + other.sequences)
    for output in model.outputs {
      let apart = try session.run(one, output) + session.run(other, output)
      #expect(try session.run(both, output).bits == apart.bits, "\(output.kind)")
    }
  }

  /// Few tokens are divided over threads by columns instead of by rows.
  @Test(arguments: names, Precision.allCases) func columns(_ name: String, _ precision: Precision) throws {
    let model = try Model.fixture(name, precision)
    let byRows = try Session(model: model, threads: 3)
    let byColumns = try Session(model: model, threads: 3)
    byRows.encoder.columnSplitTokens = 0
    byColumns.encoder.columnSplitTokens = 24
    for lengths in [[1], [5, 2], [3, 13], [23]] {
      let batch = Batch(model, lengths: lengths)
      for output in model.outputs {
        #expect(
          try byColumns.run(batch, output).bits == byRows.run(batch, output).bits, "\(output.kind), lengths \(lengths)")
      }
    }
  }

  @Test(arguments: names, Precision.allCases) func threads(_ name: String, _ precision: Precision) throws {
    let model = try Model.fixture(name, precision)
    let batch = Batch(model, lengths: Batch.lengths(model, tokens: 300))
    let sessions = try (1...4).map { try Session(model: model, threads: $0) }
    for output in model.outputs {
      let single = try sessions[0].run(batch, output)
      for session in sessions.dropFirst() {
        #expect(try session.run(batch, output).bits == single.bits, "\(output.kind), \(session.threads)")
      }
    }
  }

  /// So many threads that each head is divided by its queries.
  @Test(arguments: names, Precision.allCases) func heads(_ name: String, _ precision: Precision) throws {
    let model = try Model.fixture(name, precision)
    let alone = try Session(model: model, threads: 1)
    let many = try Session(model: model, threads: 24)
    for lengths in [[1], [23], [24, 7]] {
      let batch = Batch(model, lengths: lengths)
      for output in model.outputs {
        #expect(try many.run(batch, output).bits == alone.run(batch, output).bits, "\(output.kind), \(lengths)")
      }
    }
  }

  @Test(arguments: names, Precision.allCases) func instructionSet(_ name: String, _ precision: Precision) throws {
    try #require(availableISAs.contains(.scalar))
    let scalar = try Model.fixture(name, precision, isa: .scalar)
    let session = try Session(model: scalar, threads: 1)
    let batch = Batch(scalar, lengths: Batch.lengths(scalar, tokens: 80))
    for isa in availableISAs where isa != .scalar {
      let model = try Model.fixture(name, precision, isa: isa)
      #expect(model.info.isa == isa)
      let other = try Session(model: model, threads: 2)
      for output in model.outputs {
        #expect(try other.run(batch, output).bits == session.run(batch, output).bits, "\(output.kind), \(isa)")
      }
    }
  }

  /// More tokens than a chunk.
  @Test(arguments: Precision.allCases) func chunks(_ precision: Precision) throws {
    let model = try Model.fixture("identity-aliases", precision)
    let session = try Session(model: model, threads: 2)
    let batch = Batch(model, lengths: Batch.lengths(model, tokens: 2 * Session.chunkTokens + 500))
    for output in model.outputs {
      let whole = try session.run(batch, output)
      var pieces: [Float] = []
      for start in stride(from: 0, to: batch.sequences.count, by: 17) {
        let end = min(start + 17, batch.sequences.count)
        pieces += try session.run(Batch(Array(batch.sequences[start..<end])), output)
      }
      #expect(whole.bits == pieces.bits, "\(output.kind)")
    }
  }

  /// A run does not affect later runs of the session.
  @Test func sessionKeepsNothing() throws {
    let model = try Model.fixture("pretraining-sdpa-opset17", .int8)
    let session = try Session(model: model, threads: 2)
    let small = Batch(model, lengths: [5])
    let first = try session.run(small)
    _ = try session.run(Batch(model, lengths: Batch.lengths(model, tokens: 900)), .mlm)
    #expect(throws: ClozeError.self) { try session.run(ids: [-1], cuSeqlens: [0, 1]) }
    #expect(try session.run(small).bits == first.bits)
  }

  /// Settings of the host that would change results: rounding upwards, denormals flushed to zero and read as zero.
  #if arch(x86_64)
    static let oddEnvironment: UInt64 = 0x1f80 | 0x8000 | 0x4000 | 0x0040
    // The lowest six bits are exception flags.
    static let settings: UInt64 = 0xffc0
  #elseif arch(arm64)
    static let oddEnvironment: UInt64 = 1 << 24 | 1 << 22
    static let settings: UInt64 = 0x07f7_0000
  #endif

  @Test(arguments: names, Precision.allCases) func hostFloatEnvironment(_ name: String, _ precision: Precision) throws {
    func results() throws -> [[UInt32]] {
      let model = try Model.fixture(name, precision)
      let session = try Session(model: model, threads: 2)
      let batch = Batch(model, lengths: [9, 1, 20])
      return try model.outputs.map { try session.run(batch, $0).bits }
    }
    let usual = try results()
    let before = cloze_float_environment_enter()
    defer { cloze_float_environment_restore(before) }
    cloze_float_environment_restore(Self.oddEnvironment)
    let odd = try results()
    let after = cloze_float_environment_enter()
    cloze_float_environment_restore(before)
    #expect(after & Self.settings == Self.oddEnvironment & Self.settings)
    #expect(odd == usual)
  }

  /// Every rounding mode other than the default, with denormals flushed to zero.
  #if arch(x86_64)
    static let environments: [UInt64] = (1...3).map { 0x1f80 | 0x8000 | 0x0040 | $0 << 13 }
  #elseif arch(arm64)
    static let environments: [UInt64] = (1...3).map { 1 << 24 | $0 << 22 }
  #endif

  /// Everything that a session computes from text.
  private func textResults(_ sessions: HeadedSessions) throws -> [String: [UInt32]] {
    let texts: [Text] = ["a b c", Text("d e", "f g h"), "", "x y z", Text("q", String(repeating: "s t ", count: 30))]
    let pairs = texts.map { Text($0.first, $0.second ?? "u v w") }
    var results: [String: [UInt32]] = [:]
    for (task, session) in sessions.tasks {
      let inputs = task.takesPairs ? pairs : texts.map { Text($0.first) }
      results["predict \(task)"] = try session.predict(inputs).flatMap(\.bits)
    }
    results["predict apart"] = try sessions.apart.predict(pairs).flatMap(\.bits)
    results["rerank"] = try sessions.tasks[.regressPairs]?.rerank("a", ["b c", "d", "a b"]).map(\.score).bits
    results["predict words"] = try sessions.tasks[.tag]?.predict(words: ["a", "bc", "d"]).bits
    results["embed"] = try sessions.all.embed(texts).values.bits
    results["embed dense"] = try sessions.dense.embed(texts).values.bits
    results["encode"] = try sessions.all.encode(texts, layers: [0, -1]).flatMap(\.values).bits
    results["nextSentence"] = try sessions.all.nextSentence(pairs).map(\.probability).bits
    results["fillMask"] = try sessions.all.fillMask("a [MASK] c [MASK]").flatMap { mask in
      mask.candidates.flatMap { [UInt32(bitPattern: $0.tokenID), $0.probability.bitPattern] }
    }
    return results
  }

  @Test(arguments: Precision.allCases) func textUnderHostFloatEnvironments(_ precision: Precision) throws {
    let sessions = try HeadedSessions(precision)
    let usual = try textResults(sessions)
    for environment in Self.environments {
      let before = cloze_float_environment_enter()
      defer { cloze_float_environment_restore(before) }
      cloze_float_environment_restore(environment)
      let odd = try textResults(sessions)
      cloze_float_environment_restore(before)
      for (name, bits) in usual { #expect(odd[name] == bits, "\(name), \(environment)") }
    }
  }

  @Test func hostFloatEnvironmentAfterError() throws {
    let session = try Session(model: .fixture("sdpa-opset14"), threads: 1)
    let before = cloze_float_environment_enter()
    defer { cloze_float_environment_restore(before) }
    cloze_float_environment_restore(Self.oddEnvironment)
    #expect(throws: ClozeError.self) { try session.run(ids: [-1], cuSeqlens: [0, 1]) }
    let after = cloze_float_environment_enter()
    #expect(after & Self.settings == Self.oddEnvironment & Self.settings)
  }
}
