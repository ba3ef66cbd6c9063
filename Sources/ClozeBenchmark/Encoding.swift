import ArgumentParser
import Cloze

/// Benchmark of a model.
struct Encoding: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "encoder", abstract: "Measure a model: time per token, and its share of the CPU's limit.",
    discussion: """
      On one thread. Runs alternate with the loop that measures the limit, as a busy machine slows \
      both. The share is the time of the encoder's dense layers at the limit, divided by that of \
      the whole run: the median of all rounds, with lowest and highest. All runs must give the same \
      bits.
      """)

  @Argument(help: "A model (default: the built-in one).") var model: String?
  @Option(help: "Only this instruction set.") var isa: String?
  @Option(help: "Sequences per batch.") var sequences = 8
  @Option(help: "Tokens per sequence.") var tokens = 128
  @Option(help: "Rounds of a run and the limit.") var rounds = 15
  @Option(help: "Duration of each in a round, in seconds.") var seconds = 0.2

  func validate() throws {
    guard sequences > 0, tokens > 0, rounds > 0 else {
      throw ValidationError("--sequences, --tokens and --rounds must be at least 1")
    }
  }

  func run() throws {
    for kernels in try variants(isa) {
      for precision in KernelPrecision.allCases {
        let options = LoadOptions(precision: precision == .int8 ? .int8 : .float32, isa: ISA(rawValue: kernels.name))
        let session = try Session(model: Model(path: model, options: options), threads: 1)
        var times: [Double] = []
        var shares: [Double] = []
        let work = Work(session.model.info, sequences: sequences, tokens: tokens)
        let expected = try work.states(session)
        for _ in 0..<rounds {
          var failure: (any Error)?
          let time = leastTime(seconds: seconds, rounds: 1) {
            do {
              guard try work.states(session) == expected else {
                throw BenchmarkFailure(description: "\(kernels.name): two runs differ")
              }
            } catch { failure = error }
          }
          if let failure { throw failure }
          times.append(time)
          if let limit = kernels.limit(precision, seconds: seconds, rounds: 1) {
            shares.append(work.operations / limit / time)
          }
        }
        times.sort()
        shares.sort()
        let share =
          shares.isEmpty
          ? ""
          : ", \(column(shares[rounds / 2], 2, 0)) (\(column(shares[0], 2, 0)) to "
            + "\(column(shares[rounds - 1], 2, 0))) of the limit"
        print(
          "encoder, \(kernels.name) \(precision.rawValue), \(sequences) x \(tokens) tokens: "
            + "\(column(times[rounds / 2] / work.count * 1e6, 1, 0)) us a token" + share)
      }
    }
  }
}

/// A batch of sequences of one length.
private struct Work {
  let ids: [Int32]
  let ends: [Int32]
  /// Floating-point operations of the encoder's dense layers.
  let operations: Double
  var count: Double { Double(ids.count) }

  init(_ info: ModelInfo, sequences: Int, tokens: Int) {
    ids = (0..<sequences * tokens).map { Int32(($0 * 7919 + 104_729) % info.vocabSize) }
    ends = (0...sequences).map { Int32($0 * tokens) }
    operations = Double(ids.count) * Double(info.configuration.operationsPerToken)
  }

  func states(_ session: Session) throws -> [Float] { try session.run(ids: ids, cuSeqlens: ends, output: .hidden) }
}
