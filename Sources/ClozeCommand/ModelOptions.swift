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

  @Flag(inversion: .prefixedNo, help: "Lower-case text, or keep its case (default: as the tokenizer's files say).")
  var lowercase: Bool?

  @Flag(
    inversion: .prefixedNo,
    help: "Take special tokens in a text, such as [SEP], as text (default: as the tokenizer's files say, else no).")
  var splitSpecialTokens: Bool?

  @Option(help: "Precision: int8 is small and fast, float32 exact (default: int8, or that of a .cloze file).")
  var precision: PrecisionName?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Threads, 1 to \(Team.maxThreads) (default: the CPUs available to the process).", valueName: "n")
  )
  var threads: Int?

  @Option(help: ArgumentHelp("Instruction set (default: the environment's CLOZE_ISA, else the best that the CPU has)."))
  var isa: ISA?

  func validate() throws {
    if let threads, !(1...Team.maxThreads).contains(threads) {
      throw ValidationError("--threads \(threads): must be from 1 to \(Team.maxThreads)")
    }
  }

  /// - Parameter path: of a model that is an argument of the command; nil: that of --model.
  func loadOptions(for path: String? = nil) throws -> LoadOptions {
    LoadOptions(
      precision: precision?.value, isa: isa, tokenizer: try chosenTokenizer(path ?? model), threads: threads)
  }

  /// A tokenizer in place of the one beside the model at `path`; nil for that one as it is.
  private func chosenTokenizer(_ path: String?) throws -> Tokenizer? {
    let options = TokenizerOptions(lowercase: lowercase, splitSpecialTokens: splitSpecialTokens)
    if let tokenizer { return try Tokenizer(path: tokenizer, options: options) }
    return options == TokenizerOptions() ? nil : try found(Model.tokenizer(path: path, options: options))
  }

  /// The files that loading reads, which no command replaces.
  ///
  /// - Parameter model: in place of `--model`.
  func files(_ model: String?) -> [String] { Model.files(model, tokenizer: tokenizer) }

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
    try chosenTokenizer(model) ?? found(Model.tokenizer(path: model))
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
