/// The report of a training: one self-contained HTML page.
public struct TrainingReport: Sendable {
  /// The page.
  public let html: String

  /// - Parameter facts: names and values for the table at the top.
  public init(result: TrainingResult, title: String, facts: [(name: String, value: String)]) {
    let evaluation = result.evaluation
    let plots = Self.plots(result).reduce("") { $0 + $1.svg }
    html =
      ReportPage(
        title: title,
        body: evaluation.tilesHTML + evaluation.remarksHTML + ReportPage.facts(facts)
          + "<div class=plots>\n\(plots)</div>\n" + evaluation.tablesHTML
      ).html
  }

  private static func plots(_ result: TrainingResult) -> [Plot] {
    // L-BFGS has one epoch and no learning rate.
    let isExact = result.epochs.count <= 1 && result.steps.allSatisfy { $0.learningRate == 0 }
    let step = isExact ? "iteration" : "step"
    var plots = [
      Plot(
        title: "Training loss", x: step, y: "loss",
        lines: [.init(points: result.steps.map { (Double($0.step), $0.loss) }, isNoisy: !isExact)])
    ]
    if result.epochs.count > 1 {
      let name = named(result.metric)
      func values(_ metric: String) -> [(x: Double, y: Double)] {
        result.epochs.map { (Double($0.epoch), $0.metrics[metric] ?? .nan) }
      }
      var line = Plot.Line(points: values(result.metric), hasDots: true)
      if let best = result.epochs.last(where: \.isBest) {
        let value = best.metrics[result.metric] ?? .nan
        line.mark = (Double(best.epoch), value, "best \(rounded(value)), epoch \(best.epoch)")
      }
      plots.append(Plot(title: "\(name) on held-out examples", x: "epoch", y: name, lines: [line]))
      plots.append(
        Plot(
          title: "Loss of epochs", x: "epoch", y: "loss",
          lines: [
            .init(name: "training", points: result.epochs.map { (Double($0.epoch), $0.loss) }, hasDots: true),
            .init(name: "held out", points: values("loss"), hasDots: true),
          ]))
    }
    if let scatter = result.evaluation.scatterPlot { plots.append(scatter) }
    return plots
  }
}
