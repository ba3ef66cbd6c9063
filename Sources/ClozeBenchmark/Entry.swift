import ArgumentParser

/// The project's own benchmarks: of kernels and of the tokenizer. `cloze bench` measures models.
@main
struct Entry: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cloze-benchmark",
    abstract: "Measure the kernels and the tokenizer on this machine.",
    discussion: """
      Everything is checked before it is timed; what is wrong is an error and no number. Times are \
      of the processor, on one thread, and the best of several runs: what another program takes \
      from the machine in between does not count.
      """,
    subcommands: [Products.self, Operators.self, Tokenizing.self])
}

/// Why a benchmark gives no number.
struct BenchmarkFailure: Error, CustomStringConvertible {
  let description: String
}
