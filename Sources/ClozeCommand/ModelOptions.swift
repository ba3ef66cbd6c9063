import ArgumentParser
import Cloze
import ClozeTokenizer

/// Which model is used, and how. Every command has these options.
struct ModelOptions: ParsableArguments {
  @Option(
    name: [.short, .long],
    help: ArgumentHelp(
      "An ONNX file, or a folder with model.onnx or onnx/model.onnx (default: the built-in model).",
      valueName: "path"))
  var model: String?

  @Option(
    help: ArgumentHelp(
      "A tokenizer.json, a vocab.txt, or a folder with one (default: what is beside the model).",
      valueName: "path"))
  var tokenizer: String?

  @Option(help: "Arithmetic: int8 is small and fast, float32 exact.")
  var precision = PrecisionName.int8

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

  func loadModel() throws -> Model {
    var options = LoadOptions(precision: precision.value, isa: isa)
    if let tokenizer { options.tokenizer = try Tokenizer(path: tokenizer) }
    return try Model(path: model, options: options)
  }

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
