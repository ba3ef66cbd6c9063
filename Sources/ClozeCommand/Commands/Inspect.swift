import ArgumentParser
import Cloze

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say what a model file holds.",
    usage: "cloze inspect [<options>] [<path>]",
    discussion: """
      Shows the architecture that was recognised, heads, weight types, opset, producer, and the \
      memory it will take. Of a file that holds no BERT it names the first node that does not \
      fit, and what was expected there.

        cloze inspect model.onnx
        cloze inspect --json
      """)

  @Argument(help: "A .onnx or .cloze file, or a folder, the same as --model.")
  var path: String?

  @Flag(help: "Print one JSON object.")
  var json = false

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
