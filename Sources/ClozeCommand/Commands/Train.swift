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

  @Argument(help: "The task.")
  var task: Head.Task

  @Option(name: [.short, .long], help: ArgumentHelp("Training examples.", valueName: "file"))
  var data: String

  @Option(
    help: ArgumentHelp(
      "Validation examples (default: a tenth of --data is held out).", valueName: "file"))
  var valid: String?

  @Option(name: [.short, .long], help: ArgumentHelp("The folder for the results.", valueName: "folder"))
  var output: String

  @Flag(help: "Resume from the checkpoint in --output.")
  var resume = false

  @Flag(
    help: "Also write encoder and head as one ONNX file, model.onnx in --output; as `cloze export`.")
  var export = false

  @Flag(help: "Print the metrics as one JSON object.")
  var json = false

  @OptionGroup(title: "Data") var dataOptions: DataOptions
  @OptionGroup(title: "Training") var headOptions: HeadOptions
  @OptionGroup(title: "Model") var modelOptions: ModelOptions

  func run() throws {
    let start = Clock.seconds()
    let options = try headOptions.options(
      threads: modelOptions.threads, folder: output, resume: resume)
    let format = dataOptions.dataFormat
    let train = try Dataset(path: data, task: task, format: format)
    let valid = try valid.map { try Dataset(path: $0, task: task, format: format) }
    for (name, set) in [(data, train), (self.valid ?? "", valid ?? Dataset())] {
      guard let first = set.skipped.first else { continue }
      let count = set.skipped.count == 1 ? "1 bad line" : "\(grouped(set.skipped.count)) bad lines"
      StandardError.note("\(name): \(count) skipped; \(first)")
    }
    guard mkdir(output, 0o777) == 0 || errno == EEXIST else {
      throw ClozeError.system("cannot create the folder \(output)")
    }
    let isResumed = resume && access("\(output)/checkpoint.safetensors", F_OK) == 0
    if resume, !isResumed {
      StandardError.note("no checkpoint in \(output): training starts from the beginning")
    }
    let model = try modelOptions.loadModel()
    let trainer = try Trainer(model: model, task: task, options: options)
    let recorder = try TrainingRecorder(folder: output, isResumed: isResumed)
    var progress = TrainingProgress()
    let result: TrainingResult
    var hasCheckpoint = isResumed
    StopRequest.begin()
    do {
      result = try trainer.train(train, valid: valid) { event in
        recorder.add(event)
        progress.show(event)
        if case .epoch = event { hasCheckpoint = true }
        return !StopRequest.isMade
      }
    } catch {
      progress.clear()
      if error.status == .cancelled, StopRequest.isMade {
        StandardError.note(
          hasCheckpoint
            ? "interrupted; --resume goes on from the last checkpoint"
            : "interrupted before the first checkpoint")
        StopRequest.end()
      }
      throw error
    }
    progress.clear()
    StopRequest.end()
    try recorder.finish()
    try result.head.save(to: "\(output)/\(Head.fileName)")
    if export {
      try Model.export(
        modelOptions.model, to: "\(output)/model.onnx", head: result.head,
        options: modelOptions.loadOptions())
    }
    let seconds = Clock.seconds() - start
    try write(metricsJSON(result, seconds), to: "\(output)/metrics.json")
    let report = TrainingReport(
      result: result, title: "\(task.rawValue): \(data)",
      facts: [
        ("model", modelOptions.model ?? "built in"), ("precision", "\(model.info.precision)"),
        ("trained on", "\(grouped(result.counts.train)) examples"),
        ("validated on", "\(grouped(result.counts.valid)) examples"),
        ("truncated texts", grouped(result.truncated)), ("seed", "\(options.seed)"),
        ("time", Progress.duration(seconds)),
      ])
    try write(Array(report.html.utf8), to: "\(output)/report.html")
    if result.truncated > 0 {
      StandardError.note(
        "\(grouped(result.truncated)) of \(grouped(result.counts.train + result.counts.valid)) "
          + "examples were cut")
    }
    let printer = ByteWriter.standardOutput()
    if json {
      try printer.write(metricsJSON(result, seconds))
    } else {
      for (name, value) in result.metrics.values {
        try printer.write("\(name) \(fixed(value, digits: 4))\n")
      }
    }
    try printer.flush()
  }

  private func metricsJSON(_ result: TrainingResult, _ seconds: Double) -> [UInt8] {
    JSONWriter.line {
      $0.value("task", task.rawValue)
      $0.object("metrics") { for (name, value) in result.metrics.values { $0.value(name, value) } }
      $0.value("metric", result.metric)
      $0.value("train", result.counts.train)
      $0.value("valid", result.counts.valid)
      $0.value("truncated", result.truncated)
      $0.value("seconds", (seconds * 1000).rounded() / 1000)
    }
  }

  private func write(_ bytes: [UInt8], to path: String) throws {
    let file = try AtomicFile(output: path)
    try file.append(bytes)
    try file.commit()
  }
}

/// The record of every step, one JSON object a line, flushed after each epoch.
final class TrainingRecorder {
  private let writer: ByteWriter
  private let descriptor: Int32
  private var failure: (any Error)?

  init(folder: String, isResumed: Bool) throws {
    let path = "\(folder)/steps.jsonl"
    descriptor = open(
      path, O_WRONLY | O_CREAT | O_CLOEXEC | (isResumed ? O_APPEND : O_TRUNC), 0o666)
    guard descriptor >= 0 else { throw ClozeError.system("cannot write to \(path)") }
    writer = ByteWriter(descriptor: descriptor, name: path)
  }

  deinit { close(descriptor) }

  func add(_ event: TrainingEvent) {
    do {
      switch event {
      case .features, .result: break
      case .step(let step):
        try writer.write(
          JSONWriter.line {
            $0.value("step", step.step)
            $0.value("epoch", step.epoch)
            $0.value("loss", step.loss)
            $0.value("gradient_norm", step.gradientNorm)
            $0.value("learning_rate", step.learningRate)
          })
      case .epoch(let epoch):
        try writer.write(
          JSONWriter.line {
            $0.value("epoch", epoch.epoch)
            $0.value("mean_loss", epoch.loss)
            $0.value("best", epoch.isBest)
            $0.object("metrics") { for (name, value) in epoch.metrics.values { $0.value(name, value) } }
          })
        try writer.flush()
      }
    } catch { failure = failure ?? error }
  }

  func finish() throws {
    if let failure { throw failure }
    try writer.flush()
  }
}

/// The line on the terminal that says how far training has come.
struct TrainingProgress {
  private let isShown = StandardError.isTerminal
  private let start = Clock.seconds()
  private var phase = 0.0
  private var last = 0.0
  private var hasLine = false
  private var metrics = ""

  mutating func show(_ event: TrainingEvent) {
    guard isShown else { return }
    let now = Clock.seconds()
    var line = ""
    switch event {
    case .features(let done, let total):
      guard now - last >= 0.1 else { return }
      line = bar(done, total, now - start) + "\(grouped(done)) of \(grouped(total)) texts encoded"
      phase = now
    case .step(let step):
      guard now - last >= 0.1 else { return }
      line =
        bar(step.step, step.steps, now - phase)
        + "epoch \(step.epoch)  loss \(fixed(step.loss, digits: 4))  \(metrics)"
    case .epoch(let epoch):
      metrics = epoch.metrics.values.prefix(1)
        .map { "\($0.name) \(fixed($0.value, digits: 4))" }.joined()
      return
    case .result: return
    }
    last = now
    hasLine = true
    StandardError.write("\r\u{1B}[K" + clipped(line, to: 79))
  }

  private func bar(_ done: Int, _ total: Int, _ seconds: Double) -> String {
    let share = min(1, Double(done) / Double(max(total, 1)))
    let filled = Int(share * 20)
    let left = share > 0.01 ? Progress.duration(seconds * (1 - share) / share) + " left  " : ""
    return String(repeating: "█", count: filled) + String(repeating: "░", count: 20 - filled)
      + "  \(Int(share * 100)) %  \(left)"
  }

  mutating func clear() {
    guard hasLine else { return }
    hasLine = false
    StandardError.write("\r\u{1B}[K")
  }
}
