import ArgumentParser
import Cloze
import ClozeIO

struct Export: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a model as an ONNX file.", usage: "cloze export [<options>] [<in>] <out>",
    discussion: """
      Opset 17, with the input and output names of Hugging Face, for ONNX Runtime and others. Weights \
      are those of the model's file; float16 halves its size, int8 quantizes as Cloze does, with one \
      scale per row of activations. With one path, the built-in model is exported.

        cloze export model.cloze model.onnx
        cloze export --format float16 --head reviews model reviews.onnx
      """)

  @Argument(help: ArgumentHelp("A .onnx or .cloze file or a folder, as for --model.", valueName: "in")) var first:
    String

  @Argument(help: ArgumentHelp("The .onnx file to write.", valueName: "out")) var second: String?

  @Option(help: "Format of the weights.") var format: ExportFormat = .float32

  @Option(
    help: ArgumentHelp(
      "A head that `cloze train` wrote for the model, to include: a file or a folder.", valueName: "path")) var head:
    String?

  @OptionGroup(title: "Model") var modelOptions: ModelOptions

  func validate() throws {
    if second != nil, modelOptions.model != nil {
      throw ValidationError("give the model as an argument or with --model, not both")
    }
    if modelOptions.precision != nil { throw ValidationError("--precision does not apply to export: use --format") }
  }

  func run() throws {
    if second == nil { try refuseModel(at: first, command: "export") }
    let source = second == nil ? modelOptions.model : first
    let heads = head.map { [$0, "\($0)/\(Head.fileName)"] } ?? []
    let file = try AtomicFile(output: second ?? first, inputs: modelOptions.files(source) + heads)
    try refuseOtherSuffix(second ?? first, suffix: "onnx", format: "an ONNX file")
    let model = try ExportedModel(
      source, format: format, head: try head.map { try Head(path: $0) }, options: modelOptions.loadOptions(for: source))
    while let bytes = try model.next() { try file.append(bytes) }
    try file.commit()
  }
}
