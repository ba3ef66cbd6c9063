internal import Cloze
package import ClozeIO
internal import Glibc

/// The folder of a training: the head, and beside it `metrics.json`, `steps.jsonl` and `report.html`.
///
/// `steps.jsonl` has one JSON object a step and epoch, written after each epoch; a training that is resumed goes on with
/// the file.
package final class TrainingFolder {
  /// The files that a training writes, its checkpoint included.
  package static let fileNames = [
    Head.fileName, Checkpoint.fileName, "metrics.json", "steps.jsonl", "report.html",
  ]

  private let path: String
  private let stepsPath: String
  private let descriptor: Int32
  /// Lines of `steps.jsonl` that are not written yet.
  private var lines: [UInt8] = []
  private var failure: ClozeError?

  /// Opens `steps.jsonl`.
  ///
  /// - Parameters:
  ///   - path: an existing folder.
  ///   - inputs: files that are read, over which nothing is written.
  package init(_ path: String, options: TrainingOptions, inputs: [String]) throws(ClozeError) {
    for name in Self.fileNames { try refuse(writing: joined(path, name), over: inputs) }
    self.path = path
    stepsPath = joined(path, "steps.jsonl")
    let end = try options.goesOn() ? O_APPEND : O_TRUNC
    descriptor = open(stepsPath, O_WRONLY | O_CREAT | O_CLOEXEC | end, 0o666)
    guard descriptor >= 0 else { throw ClozeError.system("cannot write to \(stepsPath)") }
  }

  deinit { close(descriptor) }

  /// Adds a step or an epoch.
  package func add(_ event: TrainingEvent) {
    switch event {
    case .features, .result: break
    case .step(let step):
      lines += JSONWriter.line {
        $0.value("step", step.step)
        $0.value("epoch", step.epoch)
        $0.value("loss", step.loss)
        $0.value("gradient_norm", step.gradientNorm)
        $0.value("learning_rate", step.learningRate)
      }
    case .epoch(let epoch):
      lines += JSONWriter.line {
        $0.value("epoch", epoch.epoch)
        $0.value("mean_loss", epoch.loss)
        $0.value("best", epoch.isBest)
        $0.object("metrics") { for (name, value) in epoch.metrics.values { $0.value(name, value) } }
      }
      flush()
    }
  }

  /// Writes the head, its metrics and the report.
  ///
  /// - Parameters:
  ///   - facts: for the report's table.
  ///   - open: how files are opened that appear under their names when they are complete.
  package func write(
    _ result: TrainingResult, title: String, facts: [(name: String, value: String)], seconds: Double,
    open: (_ path: String) throws(ClozeError) -> AtomicFile = { path throws(ClozeError) in try AtomicFile(path: path) }
  ) throws(ClozeError) {
    flush()
    if let failure { throw failure }
    try result.head.save(to: joined(path, Head.fileName))
    let report = TrainingReport(result: result, title: title, facts: facts)
    for (name, bytes) in [("metrics.json", result.json(seconds: seconds)), ("report.html", Array(report.html.utf8))] {
      let file = try open(joined(path, name))
      try file.append(bytes)
      try file.commit()
    }
  }

  /// The first failure is kept for the end.
  private func flush() {
    let code = lines.withUnsafeBytes { writeAll($0, to: descriptor) }
    lines.removeAll(keepingCapacity: true)
    if code != 0 { failure = failure ?? ClozeError.system("cannot write to \(stepsPath)", code) }
  }
}

extension TrainingResult {
  /// Metrics and counts as one line of JSON.
  package func json(seconds: Double) -> [UInt8] {
    JSONWriter.line {
      $0.value("task", head.task.rawValue)
      evaluation.writeMetrics(to: &$0)
      $0.value("train", counts.train)
      $0.value("valid", counts.valid)
      $0.value("truncated", truncated)
      $0.value("seconds", (seconds * 1000).rounded() / 1000)
    }
  }
}
