import ArgumentParser
import Cloze
import ClozeIO

struct Convert: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a model in its prepared form, which loads in milliseconds.",
    usage: "cloze convert [<options>] [<in>] <out>",
    discussion: """
      A .cloze file holds packed weights, the tokenizer and all settings. It is mapped into memory, \
      shared between processes, and checked for damage when loaded. With one path, the built-in \
      model is converted.

        cloze convert model.onnx model.cloze
        cloze convert --head reviews model reviews.cloze
        cloze embed --model model.cloze "A text."
      """)

  @Argument(help: ArgumentHelp("A .onnx file or a folder, as for --model.", valueName: "in")) var first: String

  @Argument(help: ArgumentHelp("The .cloze file to write.", valueName: "out")) var second: String?

  @Option(
    help: ArgumentHelp(
      "A head that `cloze train` wrote for the model, to include: a file or a folder.", valueName: "path")) var head:
    String?

  @OptionGroup(title: "Model") var modelOptions: ModelOptions

  func validate() throws {
    if second != nil, modelOptions.model != nil {
      throw ValidationError("give the model as an argument or with --model, not both")
    }
  }

  func run() throws {
    if second == nil { try refuseModel(at: first, command: "convert") }
    let source = second == nil ? modelOptions.model : first
    let heads = head.map { [$0, "\($0)/\(Head.fileName)"] } ?? []
    let file = try AtomicFile(output: second ?? first, inputs: modelOptions.files(source) + heads)
    try refuseOtherSuffix(second ?? first, suffix: "cloze", format: "a prepared model")
    let prepared = try PreparedModel(
      source, head: try head.map { try Head(path: $0) }, options: modelOptions.loadOptions(for: source))
    try prepared.write { bytes throws(ClozeError) in try file.append(bytes) }
    try file.commit()
  }
}
