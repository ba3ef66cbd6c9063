import ArgumentParser

/// The project's own benchmarks. `cloze bench` measures models as users run them.
@main struct Entry: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cloze-benchmark", abstract: "Measure kernels, encoder and tokenizer on this machine.",
    discussion: """
      Results are checked before they are timed. Times are CPU times of one thread, the best of \
      several runs, so that other load on the machine counts little.
      """, subcommands: [Products.self, Operators.self, Encoding.self, Tokenizing.self])
}

/// Why a benchmark fails.
struct BenchmarkFailure: Error, CustomStringConvertible { let description: String }
