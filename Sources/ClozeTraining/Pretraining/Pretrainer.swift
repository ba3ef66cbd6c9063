public import Cloze
public import ClozeIO

/// Trains a BERT on raw text: a new one, or a model that it is given (Devlin et al. 2019).
///
///     var options = PretrainingOptions()
///     options.vocabularySize = 8000
///     options.length = .minutes(60)
///     let result = try Pretrainer(options: options).run(["corpus.txt"], output: "bert")
///     let model = try Model(path: "bert")
///
/// The same files, options and seed give the same bits, on any number of threads, interrupted or not; with
/// `.minutes`, what is learned depends on the machine's speed.
public final class Pretrainer: Sendable {
  /// The model whose training is continued; nil: a new one.
  public let model: Model?
  /// How.
  public let options: PretrainingOptions

  /// Checks the options; nothing is computed yet.
  ///
  /// - Parameter model: a BERT in float32 whose training is continued; nil: a new one.
  /// - Throws: `.invalidArgument` for options out of range or that contradict each other.
  public init(model: Model? = nil, options: PretrainingOptions = PretrainingOptions()) throws(ClozeError) {
    try options.check()
    if model != nil { try options.checkContinuing() }
    self.model = model
    self.options = options
  }

  /// The files of the output folder, but for the tokenizer's.
  package static let fileNames = [
    "config.json", "model.safetensors", "metrics.json", "steps.jsonl", "report.html", Checkpoint.fileName,
  ]

  /// Trains, and writes the model, its tokenizer, checkpoints, steps.jsonl, metrics.json and report.html.
  ///
  /// - Parameters:
  ///   - files: A sentence a line, an empty line between documents.
  ///   - valid: The same, to validate on; empty: a share of the documents is held out.
  ///   - output: A folder; made where it is missing.
  ///   - onEvent: Called on this thread as training goes on; false ends it after a checkpoint.
  /// - Throws: `.invalidText` for a bad line, with its place, and for a corpus that is too small; `.cancelled`;
  ///   `.invalidArgument`; `.io` and `.outOfMemory`.
  public func run(
    _ files: [String], valid: [String] = [], output: String,
    onEvent: @escaping (PretrainingEvent) -> Bool = { _ in true }
  ) throws(ClozeError) -> PretrainingResult {
    guard !files.isEmpty else { throw ClozeError(.invalidArgument, "no file to train on") }
    try checkFolder(output, inputs: files + valid)
    try makeFolder(output)
    return try PretrainingRun(self, files, valid, output, onEvent).run()
  }

  /// Refuses a folder with a model, which is neither resumed nor replaced, and one whose files are read.
  private func checkFolder(_ folder: String, inputs: [String]) throws(ClozeError) {
    for name in Self.fileNames + WordPieceFiles.fileNames { try refuse(writing: joined(folder, name), over: inputs) }
    let hasCheckpoint = try FileKind(joined(folder, Checkpoint.fileName)) == .file
    if options.overwrite || options.resume && hasCheckpoint { return }
    if hasCheckpoint {
      throw ClozeError(
        .invalidArgument,
        "\(folder) has a checkpoint, \(Checkpoint.fileName) (--resume goes on from it, --overwrite begins anew)")
    }
    for name in ["model.safetensors", "model.onnx"] where try FileKind(joined(folder, name)) != .missing {
      throw ClozeError(
        .invalidArgument, "\(folder) has a model, \(name): train to another folder (--overwrite replaces it)")
    }
  }
}
