import ArgumentParser
import Cloze

struct Convert: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a model in its prepared form, which loads at once.",
    usage: "cloze convert [<options>] [<in>] <out>",
    discussion: """
      A .cloze file holds the weights as they are used, the tokenizer and all settings. It is mapped \
      into memory, shared between the programs that use it, and checked for damage. With one path \
      the built-in model is converted.

        cloze convert model.onnx model.cloze
        cloze embed --model model.cloze "A text."
      """)

  @Argument(help: ArgumentHelp("A .onnx file or a folder, the same as --model.", valueName: "in"))
  var first: String

  @Argument(help: ArgumentHelp("Where the .cloze file goes.", valueName: "out"))
  var second: String?

  @OptionGroup(title: "Model") var modelOptions: ModelOptions

  func validate() throws {
    if second != nil, modelOptions.model != nil {
      throw ValidationError("give the model as an argument or with --model, not both")
    }
  }

  func run() throws {
    let file = try AtomicFile(path: second ?? first)
    let prepared = try PreparedModel(
      second == nil ? modelOptions.model : first, options: modelOptions.loadOptions())
    try prepared.write { bytes throws(WorkFailure) in try file.write(bytes) }
    try file.commit()
  }
}
