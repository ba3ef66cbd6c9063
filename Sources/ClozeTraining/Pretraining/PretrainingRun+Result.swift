internal import Cloze
internal import ClozeIO

/// Writing the model and what a person reads of its training.
extension PretrainingRun {
  func finish(_ record: StepRecord) throws(ClozeError) -> PretrainingResult {
    try record.flush()
    let train = trainDocuments.reduce(into: (sentences: 0, tokens: 0)) { sum, document in
      let sentences = corpus.sentences(of: document)
      sum.sentences += sentences.count
      sum.tokens += corpus.tokens(sentences).count
    }
    let result = PretrainingResult(
      folder: folder, precision: options.precision, metrics: validations.last?.metrics ?? Metrics([]),
      validations: validations,
      steps: checkpoint.steps, tokens: tokens, seconds: seconds,
      corpus: (trainDocuments.count, train.sentences, train.tokens),
      validSequences: valid.reduce(0) { $0 + $1.sequences }, remarks: remarks)
    try write("config.json", model.configurationJSON(padID: Int(tokenizer.padID ?? 0)))
    try model.tensorFile.write(to: joined(folder, "model.safetensors"))
    try write("metrics.json", result.json)
    try write("report.html", Array(report(result).utf8))
    return result
  }

  func write(_ name: String, _ bytes: [UInt8]) throws(ClozeError) {
    let file = try AtomicFile(path: joined(folder, name))
    try file.append(bytes)
    try file.commit()
  }

  private func report(_ result: PretrainingResult) throws(ClozeError) -> String {
    let sizes = model.configuration
    let parameters = model.blocks.reduce(0) { $0 + $1.values.count }
    let tiles = result.metrics.values.reduce("<div class=metrics>") {
      $0 + "<div><b>\(rounded($1.value))</b><span>\(escaped(named($1.name)))</span></div>"
    }
    let facts: [(String, String)] = [
      ("objective", options.objective.rawValue),
      ("network", "\(sizes.layers) layers, \(sizes.hidden) wide, \(sizes.heads) heads, \(sizes.intermediate) inner"),
      ("vocabulary", "\(sizes.vocabulary)"), ("parameters", "\(parameters)"), ("positions", "\(sizes.positions)"),
      ("trained on", "\(result.corpus.documents) documents, \(result.corpus.tokens) tokens"),
      ("validated on", "\(result.validSequences) sequences"), ("steps", "\(result.steps)"),
      ("tokens seen", "\(result.tokens)"), ("tokens a second", rounded(result.tokensPerSecond)),
      ("learning rate", "\(options.learningRate)"), ("precision", options.precision.rawValue),
      ("seed", "\(options.seed)"),
    ]
    let plots = try lossPlots() + validationPlots(result)
    return ReportPage(
      title: "Pre-training",
      body: tiles + "</div>\n" + remarks.reduce("") { $0 + "<p class=remark>\(escaped($1))</p>\n" }
        + ReportPage.facts(facts) + "<div class=plots>\n" + plots.reduce("") { $0 + $1.svg } + "</div>\n"
    ).html
  }

  /// Losses of steps, read back from the record, at most 2,000 points of each.
  private func lossPlots() throws(ClozeError) -> [Plot] {
    let every = checkpoint.steps / 2000 + 1
    var (words, pairs): ([(x: Double, y: Double)], [(x: Double, y: Double)]) = ([], [])
    var reader = LineReader(try SequentialFile(path: joined(folder, StepRecord.fileName)))
    while let line = try reader.next() {
      guard line.number % every == 0 else { continue }
      let field = try JSONField(parsing: Array(line.bytes), name: StepRecord.fileName)
      let step = try field.required("step").number()
      words.append((step, try field.required("mlm_loss").number()))
      if hasPairs { pairs.append((step, try field.required("nsp_loss").number())) }
    }
    let plots = [
      Plot(title: "Masked words: loss", x: "step", y: "loss", lines: [.init(points: words, isNoisy: true)]),
      Plot(title: "Next sentence: loss", x: "step", y: "loss", lines: [.init(points: pairs, isNoisy: true)]),
    ]
    return hasPairs ? plots : [plots[0]]
  }

  private func validationPlots(_ result: PretrainingResult) -> [Plot] {
    func line(_ name: String, _ title: String) -> Plot {
      Plot(
        title: title, x: "step", y: "accuracy",
        lines: [
          .init(points: result.validations.map { (Double($0.step), $0.metrics[name] ?? .nan) }, hasDots: true)
        ])
    }
    let words = line("mlm_accuracy", "Masked words: accuracy on held-out text")
    return hasPairs ? [words, line("nsp_accuracy", "Next sentence: accuracy on held-out text")] : [words]
  }
}

extension PretrainingResult {
  /// Tokens trained on in a second, of the whole training.
  public var tokensPerSecond: Double { seconds > 0 ? Double(tokens) / seconds : 0 }

  /// As one JSON object in a line, the content of metrics.json.
  package var json: [UInt8] {
    JSONWriter.line {
      $0.value("task", "pretrain")
      $0.value("precision", precision.rawValue)
      for (name, value) in metrics.values { $0.value(name, value) }
      $0.value("tokens_per_second", (tokensPerSecond * 10).rounded() / 10)
      $0.value("steps", steps)
      $0.value("tokens", tokens)
      $0.value("seconds", (seconds * 1000).rounded() / 1000)
      $0.object("corpus") {
        $0.value("documents", corpus.documents)
        $0.value("sentences", corpus.sentences)
        $0.value("tokens", corpus.tokens)
      }
      $0.value("valid", validSequences)
      $0.array("remarks", remarks)
    }
  }
}
