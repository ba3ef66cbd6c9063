import ArgumentParser
import Cloze

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Describe a model file.", usage: "cloze inspect [<options>] [<path>]",
    discussion: """
      Shows architecture, heads, weight types, opset, producer and memory use. For a file that is \
      not a supported BERT, names the first node that does not fit and what was expected there.

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
    let report = json ? inspection.json : inspection.description
    try printer.write(report.last == "\n" ? report : report + "\n")
    try printer.flush()
  }
}
