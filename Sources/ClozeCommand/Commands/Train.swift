import ArgumentParser
import Cloze
import ClozeTraining
import Glibc

struct Train: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Train a head: classes, numbers, tags or answers from labelled examples.",
    discussion: """
      The folder of --output receives head.safetensors, which `cloze predict --head` uses, \
      metrics.json, steps.jsonl, report.html to look at, and a checkpoint, from which --resume goes \
      on after an interruption to the same bits.

        cloze train classify --data train.tsv --text sentence --label label --output sentiment
        cloze train tag --data train.conll --valid valid.conll --output names
        cloze predict --head sentiment "What a film!"
      """)

  @Argument(help: "What is learned.")
  var task: Head.Task

  @Option(name: [.short, .long], help: ArgumentHelp("Examples to train on.", valueName: "file"))
  var data: String

  @Option(
    help: ArgumentHelp(
      "Examples to judge by (default: a tenth of --data is held out).", valueName: "file"))
  var valid: String?

  @Option(name: [.short, .long], help: ArgumentHelp("Where the results go.", valueName: "folder"))
  var output: String

  @Flag(help: "Go on from the checkpoint in --output.")
  var resume = false

  @Flag(
    help: "Write encoder and head as one ONNX file too, model.onnx in --output; as `cloze export`.")
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
      StandardError.note("\(count) of \(name) left out; \(first)")
    }
    guard mkdir(output, 0o777) == 0 || errno == EEXIST else {
      throw WorkFailure("cannot make the folder \(output)", errno: errno)
    }
    let isResumed = resume && access("\(output)/checkpoint.safetensors", F_OK) == 0
    if resume, !isResumed {
      StandardError.note("there is no checkpoint in \(output): training begins anew")
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
            : "interrupted before there was a checkpoint")
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
    try write(metricsJSON(result, seconds).line, to: "\(output)/metrics.json")
    let report = TrainingReport(
      result: result, title: "\(task.rawValue): \(data)",
      facts: [
        ("model", modelOptions.model ?? "built in"), ("precision", "\(model.info.precision)"),
        ("trained on", "\(grouped(result.counts.train)) examples"),
        ("judged by", "\(grouped(result.counts.valid)) examples"),
        ("texts that were cut", grouped(result.truncated)), ("seed", "\(options.seed)"),
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
      try printer.write(metricsJSON(result, seconds).line)
    } else {
      for (name, value) in result.metrics.values {
        try printer.write("\(name) \(fixed(value, digits: 4))\n")
      }
    }
    try printer.flush()
  }

  private func metricsJSON(_ result: TrainingResult, _ seconds: Double) -> JSONValue {
    .object([
      ("task", .string(task.rawValue)),
      ("metrics", .object(result.metrics.values.map { ($0.name, .double($0.value)) })),
      ("metric", .string(result.metric)), ("train", .int(result.counts.train)),
      ("valid", .int(result.counts.valid)), ("truncated", .int(result.truncated)),
      ("seconds", .double((seconds * 1000).rounded() / 1000)),
    ])
  }

  private func write(_ bytes: [UInt8], to path: String) throws {
    let file = try AtomicFile(path: path)
    try bytes.withUnsafeBytes { try file.write($0) }
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
    guard descriptor >= 0 else { throw WorkFailure("cannot write to \(path)", errno: errno) }
    writer = ByteWriter(descriptor: descriptor, name: path)
  }

  deinit { close(descriptor) }

  func add(_ event: TrainingEvent) {
    do {
      switch event {
      case .features, .result: break
      case .step(let step):
        try writer.write(
          JSONValue.object([
            ("step", .int(step.step)), ("epoch", .int(step.epoch)), ("loss", .double(step.loss)),
            ("gradient_norm", .double(step.gradientNorm)),
            ("learning_rate", .double(step.learningRate)),
          ]).line)
      case .epoch(let epoch):
        let metrics = epoch.metrics.values.map { ($0.name, JSONValue.double($0.value)) }
        try writer.write(
          JSONValue.object([
            ("epoch", .int(epoch.epoch)), ("mean_loss", .double(epoch.loss)),
            ("best", .bool(epoch.isBest)), ("metrics", .object(metrics)),
          ]).line)
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
