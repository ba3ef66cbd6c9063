import ArgumentParser
import Cloze
import ClozeIO
import ClozeTraining
import Glibc

struct Train: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Train a head on labelled examples: classes, numbers, tags or answers.",
    discussion: """
      Writes to the folder --output: head.safetensors for `cloze predict --head`, metrics.json, \
      steps.jsonl, report.html, and a checkpoint, from which --resume goes on after an interruption \
      to the same bits as an uninterrupted run.

        cloze train classify --data train.tsv --text sentence --label label --output sentiment
        cloze train tag --data train.conll --valid valid.conll --output names
        cloze predict --head sentiment "What a film!"
      """)

  @Argument(help: "The task.") var task: Head.Task

  @Option(name: [.short, .long], help: ArgumentHelp("Training examples.", valueName: "file")) var data: String

  @Option(help: ArgumentHelp("Validation examples (default: a tenth of --data is held out).", valueName: "file"))
  var valid: String?

  @Option(name: [.short, .long], help: ArgumentHelp("The folder for the results.", valueName: "folder")) var output:
    String

  @Flag(help: "Resume from the checkpoint in --output.") var resume = false

  @Flag(help: "Replace the head and the checkpoint that are in --output already.") var overwrite = false

  @Flag(help: "Also write encoder and head as one ONNX file, model.onnx in --output; as `cloze export`.") var export =
    false

  @Flag(help: "Print the metrics as one JSON object.") var json = false

  @OptionGroup(title: "Data") var dataOptions: DataOptions
  @OptionGroup(title: "Training") var headOptions: HeadOptions
  @OptionGroup(title: "Model") var modelOptions: ModelOptions

  func run() throws {
    let start = Clock.seconds()
    let options = try headOptions.options(
      threads: modelOptions.threads, folder: output, resume: resume, overwrite: overwrite)
    try options.checkFolder()
    let inputs = [data] + (self.valid.map { [$0] } ?? []) + modelOptions.files(modelOptions.model)
    for name in outputs { try refuse(writing: "\(output)/\(name)", over: inputs) }
    let format = dataOptions.dataFormat
    let train = try Dataset(path: data, task: task, format: format)
    let valid = try valid.map { try Dataset(path: $0, task: task, format: format) }
    for (name, set) in [(data, train), (self.valid ?? "", valid ?? Dataset())] {
      for remark in set.remarks(for: task) { StandardError.note("\(name): \(remark)") }
    }
    try makeFolder(output)
    let isResumed = try options.goesOn()
    if resume, !isResumed { StandardError.note("no checkpoint in \(output): training starts from the beginning") }
    let model = try modelOptions.loadModel()
    let trainer = try Trainer(model: model, task: task, options: options)
    let folder = try TrainingFolder(output, options: options, inputs: inputs)
    var progress = TrainingProgress()
    let result: TrainingResult
    var hasCheckpoint = isResumed
    StopRequest.begin()
    do {
      result = try trainer.train(train, valid: valid) { event in
        folder.add(event)
        progress.show(event)
        if case .epoch = event { hasCheckpoint = true }
        return !StopRequest.isMade
      }
    } catch {
      progress.clear()
      if error.status == .cancelled, StopRequest.isMade {
        StandardError.note(
          hasCheckpoint
            ? "interrupted; --resume goes on from the last checkpoint" : "interrupted before the first checkpoint")
        StopRequest.end()
      }
      throw error
    }
    progress.clear()
    StopRequest.end()
    let seconds = Clock.seconds() - start
    let pairs = task == .classifyPairs || task == .regressPairs ? [("pairs", result.head.pairs.rawValue)] : []
    try folder.write(
      result, title: "\(task.rawValue): \(data)",
      facts: [("model", modelOptions.model ?? "built in"), ("precision", "\(model.info.precision)")] + pairs + [
        ("trained on", "\(grouped(result.counts.train)) examples"),
        ("validated on", "\(grouped(result.counts.valid)) examples"), ("truncated texts", grouped(result.truncated)),
        ("seed", "\(options.seed)"), ("time", Progress.duration(seconds)),
      ], seconds: seconds
    ) { path throws(ClozeError) in try AtomicFile(output: path) }
    if export {
      try Model.export(
        modelOptions.model, to: "\(output)/model.onnx", head: result.head, options: modelOptions.loadOptions())
    }
    if result.truncated > 0 {
      StandardError.note(
        "\(grouped(result.truncated)) of \(grouped(result.counts.train + result.counts.valid)) " + "examples were cut")
    }
    for remark in result.evaluation.findings { StandardError.note(remark) }
    let printer = ByteWriter.standardOutput()
    if json {
      try printer.write(result.json(seconds: seconds))
    } else {
      try printer.write(metricsText(result.evaluation))
    }
    try printer.flush()
  }

  /// The files that training writes to the folder.
  private var outputs: [String] {
    TrainingFolder.fileNames + (export ? ["model.onnx"] : [])
  }
}
