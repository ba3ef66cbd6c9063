/// The report of an evaluation: one self-contained HTML page.
public struct EvaluationReport: Sendable {
  /// The page.
  public let html: String

  /// - Parameter facts: names and values for the table at the top.
  public init(_ evaluation: Evaluation, title: String, facts: [(name: String, value: String)]) {
    let plot = evaluation.scatterPlot.map { "<div class=plots>\n\($0.svg)</div>\n" } ?? ""
    html =
      ReportPage(
        title: title,
        body: evaluation.tilesHTML + evaluation.remarksHTML + ReportPage.facts(facts) + plot + evaluation.tablesHTML
      ).html
  }
}

/// Parts of a report.
extension Evaluation {
  /// The metrics, and the baseline of the one that counts.
  var tilesHTML: String {
    var text = "<div class=metrics>"
    for (name, value) in metrics.values {
      text += "<div\(name == metric ? " class=main" : "")><b>\(rounded(value))</b>"
      text += "<span>\(escaped(named(name)))</span></div>"
      guard name == metric, let baseline else { continue }
      text += "<div><b>\(rounded(baseline.value))</b><span>baseline: \(escaped(baseline.description))</span></div>"
    }
    return text + "</div>\n"
  }

  var remarksHTML: String { findings.reduce("") { $0 + "<p class=remark>\(escaped($1))</p>\n" } }

  /// True and predicted numbers; nil where there are none.
  var scatterPlot: Plot? {
    guard !scatter.isEmpty else { return nil }
    return Plot(
      title: "Truth and prediction", x: "truth", y: "prediction",
      points: scatter.prefix(2000).map { (Double($0.truth), Double($0.predicted)) })
  }

  /// Entities, labels, confusion and mistakes.
  var tablesHTML: String {
    // Precision and recall of classes that fit into the confusion matrix stand beside it.
    let needsClasses = confusion.isEmpty || labels.count > Self.confusionLimit
    return scoresHTML(entities, "Entities", "type") + (needsClasses ? scoresHTML(classes, "Labels", "label") : "")
      + confusionHTML + mistakesHTML
  }

  /// Labels that a page is wide enough for.
  private static var confusionLimit: Int { 30 }

  private func scoresHTML(_ scores: [ClassScore], _ title: String, _ name: String) -> String {
    guard !scores.isEmpty else { return "" }
    var text = "<h2>\(title)</h2>\n<div class=wide><table class=scores><tr><th>\(name)"
    text += "<th>precision<th>recall<th>F1<th>examples"
    for score in scores.prefix(200) {
      text += "<tr><td>\(escaped(score.name))"
      for value in [score.precision, score.recall, score.f1] { text += "<td>\(fixed(value, 3))" }
      text += "<td>\(score.support)"
    }
    return text + "</table></div>\n"
  }

  /// [C, C], or what was confused most.
  private var confusionHTML: String {
    let table = confusion
    guard !table.isEmpty, table.count == labels.count else { return "" }
    let columns = labels.indices.map { column in table.reduce(0) { $0 + $1[column] } }
    // More than a page is wide: what was confused most.
    guard labels.count <= Self.confusionLimit else {
      var wrong: [(truth: Int, said: Int, count: Int)] = []
      for (i, row) in table.enumerated() {
        for (j, count) in row.enumerated() where i != j && count > 0 { wrong.append((i, j, count)) }
      }
      wrong.sort { $0.count > $1.count }
      var text = "<h2>Most often confused</h2>\n<table><tr><th>truth<th>prediction<th>examples"
      for (truth, said, count) in wrong.prefix(30) {
        text += "<tr><td>\(escaped(labels[truth]))<td>\(escaped(labels[said]))<td>\(count)"
      }
      return text + "</table>\n"
    }
    var text = "<h2>Confusion</h2>\n<p>Rows are the truth, columns the prediction; "
    text += "the stronger a field's colour, the larger its share of the row.</p>\n"
    text += "<div class=wide><table class=confusion><tr><td>"
    for label in labels { text += "<th scope=col><span>\(escaped(label))</span>" }
    text += "<th scope=col>recall<th scope=col>precision"
    for (i, row) in table.enumerated() {
      text += "<tr><th scope=row>\(escaped(labels[i]))"
      let total = row.reduce(0, +)
      for (j, count) in row.enumerated() {
        let share = fixed(Double(count) / Double(max(total, 1)), 3)
        text += "<td class=\(i == j ? "right" : "wrong") style=\"--share:\(share)\">\(count)"
      }
      for sum in [total, columns[i]] { text += "<td>\(sum == 0 ? "–" : fixed(Double(row[i]) / Double(sum), 3))" }
    }
    return text + "</table></div>\n"
  }

  private var mistakesHTML: String {
    guard !mistakes.isEmpty else { return "" }
    let measure = task.training.mistakeMeasure
    var text = "<h2>Most wrong</h2>\n<table class=mistakes><thead><tr><th>text<th>truth"
    text += "<th>prediction<th>\(measure)</thead>"
    for mistake in mistakes {
      text += "\n<tr><td dir=auto>\(escaped(shortened(mistake.text, to: 600)))"
      if !mistake.place.isEmpty { text += " <span class=place>\(escaped(mistake.place))</span>" }
      for (name, value) in [("truth", mistake.truth), ("prediction", mistake.predicted)] {
        text += "<td dir=auto data-name=\(name)>"
        text += value.isEmpty ? "<i>none</i>" : escaped(shortened(value, to: 300))
      }
      text += "<td data-name=\"\(measure)\">\(fixed(mistake.loss, 2))"
    }
    return text + "</table>\n"
  }

  private func shortened(_ text: String, to count: Int) -> String {
    let part = text.prefix(count)
    return part.endIndex == text.endIndex ? text : "\(part) …"
  }
}
