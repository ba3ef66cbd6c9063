import ArgumentParser
import Cloze
import ClozeTokenizer

/// Which model is used, and how. Every command has these options.
struct ModelOptions: ParsableArguments {
  @Option(
    name: [.short, .long],
    help: ArgumentHelp(
      "A .onnx or .cloze file, or a folder with model.onnx or onnx/model.onnx (default: the built-in model).",
      valueName: "path"))
  var model: String?

  @Option(
    help: ArgumentHelp(
      "A tokenizer.json, a vocab.txt, or a folder with one (default: what is beside the model).",
      valueName: "path"))
  var tokenizer: String?

  @Option(
    help:
      "Arithmetic: int8 is small and fast, float32 exact (default: int8, or what a .cloze file holds).")
  var precision: PrecisionName?

  @Option(
    help: ArgumentHelp(
      "Threads, 1 to 256 (default: as many as the machine lets this program have).", valueName: "n")
  )
  var threads: Int?

  @Option(
    help: ArgumentHelp(
      "Use these instructions of the CPU (default: the environment's CLOZE_ISA, else the best it has)."
    ))
  var isa: ISA?

  func validate() throws {
    if let threads, !(1...256).contains(threads) {
      throw ValidationError("--threads \(threads): must be from 1 to 256")
    }
  }

  func loadOptions() throws -> LoadOptions {
    LoadOptions(
      precision: precision?.value, isa: isa,
      tokenizer: try tokenizer.map { try Tokenizer(path: $0) }, threads: threads)
  }

  func loadModel() throws -> Model { try Model(path: model, options: loadOptions()) }

  /// The tokenizer alone, without reading the model.
  func loadTokenizer() throws -> Tokenizer {
    if let tokenizer { return try Tokenizer(path: tokenizer) }
    guard let tokenizer = try Model.tokenizer(path: model) else {
      throw WorkFailure("the model came without a tokenizer: give one with --tokenizer PATH")
    }
    return tokenizer
  }

  func makeSession() throws -> Session {
    try Session(model: loadModel(), threads: threads)
  }
}
