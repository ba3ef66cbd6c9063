import ArgumentParser
import Cloze
import ClozeIO
import ClozeTraining

struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Judge a head, trained or of the model's file, by labelled examples.",
    discussion: """
      Prints the metrics under the names that `cloze train` uses, beside the one that counts that of \
      a baseline which reads no text; precision, recall and F1 of each label and type of entity; \
      what is confused with what; and the predictions that are most wrong. Files are those of \
      `cloze train`.

        cloze evaluate --head sentiment --data test.tsv --report test.html
        cloze evaluate --model bert-base-NER --data test.conll --json
        cloze evaluate --task mlm --data texts.txt
      """)

  @Option(
    help: ArgumentHelp(
      "A head that `cloze train` wrote (default: the one that the model's file brings).", valueName: "folder"))
  var head: String?

  @Option(name: [.short, .long], help: ArgumentHelp("Labelled examples.", valueName: "file")) var data: String

  @Option(
    help: ArgumentHelp(
      "The task, where the model answers several: mlm, nsp, or that of pairs (default: the head's).", valueName: "task"
    )) var task: Head.Task?

  @Option(help: ArgumentHelp("Also write the result as a page of HTML.", valueName: "file")) var report: String?

  @Flag(help: "Print the result as one JSON object.") var json = false

  @OptionGroup(title: "Data") var dataOptions: DataOptions
  @OptionGroup(title: "Length") var length: LengthLimit
  @OptionGroup(title: "Model") var modelOptions: ModelOptions

  func run() throws {
    let start = Clock.seconds()
    if let report {
      let heads = head.map { [$0, joined($0, Head.fileName)] } ?? []
      try refuse(writing: report, over: [data] + heads + modelOptions.files(modelOptions.model))
    }
    let format = dataOptions.dataFormat
    let base = try modelOptions.loadModel()
    let model = try head.map { try Model(base, head: Head(path: $0)) } ?? base
    let reading = try model.evaluationTask(task, format: format)
    let dataset = try Dataset(path: data, task: reading, format: format)
    for remark in dataset.remarks(for: reading) { StandardError.note("\(data): \(remark)") }
    let session = try Session(model: model, threads: modelOptions.threads)
    var progress = Progress(total: 1000, hasOwnScreen: true)
    let result: Evaluation
    do {
      defer { progress.clear() }
      result = try session.evaluate(
        dataset, task: task, skipBad: format.skipBad, maxTokens: length.maxTokens
      ) { done, total in
        progress.show(texts: done, bytes: done * 1000 / max(total, 1))
      }
    }
    if let report {
      let page = EvaluationReport(
        result, title: "\(result.task.rawValue): \(data)",
        facts: [
          ("head", head ?? "of the model's file"), ("model", modelOptions.model ?? "built in"),
          ("precision", "\(model.info.precision)"), ("examples", grouped(result.examples)),
          ("truncated texts", grouped(result.truncated)), ("time", Progress.duration(Clock.seconds() - start)),
        ])
      let file = try AtomicFile(output: report)
      try file.append(Array(page.html.utf8))
      try file.commit()
    }
    for remark in result.findings { StandardError.note(remark) }
    if result.truncated > 0 {
      StandardError.note("\(grouped(result.truncated)) of \(grouped(result.examples)) examples were cut")
    }
    let printer = ByteWriter.standardOutput()
    try printer.write(json ? result.json + "\n" : text(result))
    try printer.flush()
  }

  /// The result for people.
  private func text(_ result: Evaluation) -> String {
    let count = result.examples == 1 ? "1 example" : "\(grouped(result.examples)) examples"
    var parts = [metricsText(result) + "\(count)\n"]
    for (name, scores) in [("type", result.entities), ("label", result.classes)] where !scores.isEmpty {
      var table = Table([
        (name, .left), ("precision", .right), ("recall", .right), ("F1", .right), ("examples", .right),
      ])
      for score in scores.prefix(50) {
        let values = [score.precision, score.recall, score.f1].map { fixed($0, digits: 4) }
        table.add([score.name] + values + [grouped(score.support)])
      }
      let more = scores.count > 50 ? "\(grouped(scores.count - 50)) more, all in --json\n" : ""
      parts.append(table.rendered() + more)
    }
    let labels = result.labels
    if !result.confusion.isEmpty, labels.count <= 12 {
      var table = Table([("truth \\ prediction", .left)] + labels.map { (clipped($0, to: 16), .right) })
      for (label, row) in zip(labels, result.confusion) { table.add([label] + row.map(grouped)) }
      parts.append(table.rendered())
    }
    if !result.mistakes.isEmpty {
      let headings = ["most wrong", "truth", "prediction", "text"]
      var table = Table(headings.map { ($0, $0 == "most wrong" ? .right : .left) })
      for mistake in result.mistakes.prefix(10) {
        let place = mistake.place.isEmpty ? "" : "\(mistake.place): "
        let cells = [mistake.truth, mistake.predicted].map { $0.isEmpty ? "(none)" : clipped($0, to: 40) }
        table.add([fixed(mistake.loss, digits: 2)] + cells + [place + clipped(mistake.text, to: 70)])
      }
      parts.append(table.rendered())
    }
    return parts.joined(separator: "\n")
  }
}

/// A line for each metric, with the baseline of the one that counts.
func metricsText(_ evaluation: Evaluation) -> String {
  evaluation.metrics.values.reduce("") { text, metric in
    var line = "\(metric.name) \(fixed(metric.value, digits: 4))"
    if metric.name == evaluation.metric, let baseline = evaluation.baseline {
      line += "  (baseline \(fixed(baseline.value, digits: 4)): \(printable(baseline.description)))"
    }
    return text + line + "\n"
  }
}
