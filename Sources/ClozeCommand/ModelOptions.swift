import ArgumentParser
import Cloze
import ClozeIO
import ClozeTokenizer

/// The model, its precision and threads: options of every command.
struct ModelOptions: ParsableArguments {
  @Option(
    name: [.short, .long],
    help: ArgumentHelp(
      "A .onnx or .cloze file, or a folder with model.onnx or model.safetensors (default: the built-in model).",
      valueName: "path")) var model: String?

  @Option(
    help: ArgumentHelp(
      "A tokenizer.json, a vocab.txt, or a folder with one (default: beside the model).", valueName: "path"))
  var tokenizer: String?

  @Option(help: "Precision: int8 is small and fast, float32 exact (default: int8, or that of a .cloze file).")
  var precision: PrecisionName?

  @Option(help: ArgumentHelp("Threads, 1 to 256 (default: the CPUs available to the process).", valueName: "n"))
  var threads: Int?

  @Option(help: ArgumentHelp("Instruction set (default: the environment's CLOZE_ISA, else the best that the CPU has)."))
  var isa: ISA?

  func validate() throws {
    if let threads, !(1...256).contains(threads) {
      throw ValidationError("--threads \(threads): must be from 1 to 256")
    }
  }

  func loadOptions() throws -> LoadOptions {
    LoadOptions(
      precision: precision?.value, isa: isa, tokenizer: try tokenizer.map { try Tokenizer(path: $0) }, threads: threads)
  }

  func loadModel() throws -> Model { try Model(path: model, options: loadOptions()) }

  /// The model with a trained head in place of its own, where one is given.
  func loadModel(head path: String?) throws -> Model {
    guard let path else { return try loadModel() }
    let head = try Head(path: path)
    guard head.task != .mlm else {
      throw ClozeError(.noHead, "\(path) is a masked language model: use cloze fill-mask --head")
    }
    return try Model(loadModel(), head: head)
  }

  /// The tokenizer, without loading the model.
  func loadTokenizer() throws -> Tokenizer {
    if let tokenizer { return try Tokenizer(path: tokenizer) }
    return try found(Model.tokenizer(path: model))
  }

  /// The tokenizer of a loaded model.
  func tokenizer(of model: Model) throws -> Tokenizer { try found(model.tokenizer) }

  private func found(_ tokenizer: Tokenizer?) throws -> Tokenizer {
    guard let tokenizer else {
      throw ClozeError(.noTokenizer, "the model has no tokenizer: give one with --tokenizer PATH")
    }
    return tokenizer
  }

  func makeSession() throws -> Session { try Session(model: loadModel(), threads: threads) }
}
