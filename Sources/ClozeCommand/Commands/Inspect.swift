import ArgumentParser
import Cloze
import ClozeIO

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Describe a model file.", usage: "cloze inspect [<options>] [<path>]",
    discussion: """
      Shows architecture, heads, weight types, opset, producer and memory use, and at most how \
      fast the model can be on this machine. For a file that is not a supported BERT, names the \
      first node that does not fit and what was expected there.

        cloze inspect model.onnx
        cloze inspect --json
      """)

  @Argument(help: "A .onnx or .cloze file, or a folder, as for --model.") var path: String?

  @Flag(help: "Print one JSON object.") var json = false

  @OptionGroup(title: "Model") var modelOptions: ModelOptions

  func validate() throws {
    if path != nil, modelOptions.model != nil {
      throw ValidationError("give the path as an argument or with --model, not both")
    }
  }

  func run() throws {
    let inspection = try Inspection(path: path ?? modelOptions.model)
    let printer = ByteWriter.standardOutput()
    let report = json ? inspection.json : inspection.description(speed: try speed(of: inspection))
    try printer.write(report.last == "\n" ? report : report + "\n")
    try printer.flush()
  }

  /// At most how many tokens a second this machine can do, with the options of the command; nil where there is no
  /// model.
  private func speed(of inspection: Inspection) throws -> String? {
    guard let operations = inspection.configuration?.operationsPerToken, operations > 0 else { return nil }
    let kernels = try Kernels.choose(modelOptions.isa)
    let precision = inspection.preparedPrecision ?? modelOptions.precision?.value ?? .int8
    let threads = modelOptions.threads ?? min(defaultThreads(), Team.maxThreads)
    let rate = try productRate(kernels, precision, threads: threads, seconds: 0.01)
    return "at most \(roughly(rate / Double(operations))) tokens per second here: "
      + "\(PrecisionName(precision)) products on \(threads == 1 ? "1 thread" : "\(threads) threads") with "
      + "\(kernels.isa) do \(roughly(rate / 1e9)) billion operations per second"
  }
}
