import ArgumentParser
import Cloze

struct Export: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a model as a clean ONNX file.",
    usage: "cloze export [<options>] [<in>] <out>",
    discussion: """
      Operator set 17, with the names of Hugging Face, for ONNX Runtime and others. Weights are those \
      of the model's file. float16 halves the file; int8 quantizes as Cloze does, each row of \
      activations with its own scale. With one path the built-in model is exported.

        cloze export model.cloze model.onnx
        cloze export --format float16 --head reviews model reviews.onnx
      """)

  @Argument(
    help: ArgumentHelp(
      "A .onnx or .cloze file or a folder, the same as --model.", valueName: "in"))
  var first: String

  @Argument(help: ArgumentHelp("Where the .onnx file goes.", valueName: "out"))
  var second: String?

  @Option(help: "How weights are held: float32, float16 or int8.")
  var format: ExportFormat = .float32

  @Option(
    help: ArgumentHelp(
      "A head that `train` wrote for the model: a file, or a folder with head.safetensors.",
      valueName: "path"))
  var head: String?

  @OptionGroup(title: "Model") var modelOptions: ModelOptions

  func validate() throws {
    if second != nil, modelOptions.model != nil {
      throw ValidationError("give the model as an argument or with --model, not both")
    }
    if modelOptions.precision != nil {
      throw ValidationError("--precision is of arithmetic; --format says how weights are held")
    }
  }

  func run() throws {
    let file = try AtomicFile(path: second ?? first)
    let model = try ExportedModel(
      second == nil ? modelOptions.model : first, format: format,
      head: try head.map { try Head(path: $0) }, options: modelOptions.loadOptions())
    while let bytes = try model.next() { try file.write(bytes) }
    try file.commit()
  }
}
