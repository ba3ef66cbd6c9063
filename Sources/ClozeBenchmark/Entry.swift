import ArgumentParser

/// The project's own benchmarks. `cloze bench` measures models as users run them.
@main
struct Entry: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cloze-benchmark",
    abstract: "Measure kernels, encoder and tokenizer on this machine.",
    discussion: """
      Everything is checked before it is timed; what is wrong is an error and no number. Times are \
      of the processor, on one thread, and the best of several runs: what another program takes \
      from the machine in between does not count.
      """,
    subcommands: [Products.self, Operators.self, Encoding.self, Tokenizing.self])
}

/// Why a benchmark gives no number.
struct BenchmarkFailure: Error, CustomStringConvertible {
  let description: String
}
