import Cloze
import Testing

@testable import ClozeTraining

struct ReportTests {
  private func result(labels: [String], _ set: (inout TrainingResult) -> Void) -> TrainingResult {
    let count = labels.count
    var result = TrainingResult(
      head: Head(task: .classify, labels: labels, layers: [], maxTokens: 8),
      evaluation: Evaluation(
        task: .classify, metrics: Metrics([("accuracy", 0.5), ("loss", .infinity)]), metric: "accuracy", baseline: nil,
        examples: 1, truncated: 0, labels: labels, classes: [], entities: [],
        confusion: (0..<count).map { i in (0..<count).map { i == $0 ? 0 : $0 } }, scatter: [], mistakes: []),
      epochs: [], steps: [], counts: (1, 1), truncated: 0)
    set(&result)
    return result
  }

  /// Texts, labels and titles come from anywhere.
  @Test func textIsText() {
    let evil = "<script>alert(\"&\")</script>\u{0}\u{1B}"
    let html = TrainingReport(
      result: result(labels: [evil, "b"]) {
        $0.evaluation.mistakes = [Mistake(place: evil, text: evil, truth: evil, predicted: "", loss: .nan)]
      }, title: evil, facts: [(evil, evil)]
    ).html
    #expect(!html.contains("<script"))
    #expect(html.contains("&lt;script&gt;alert(&quot;&amp;&quot;)&lt;/script&gt;"))
    #expect(!html.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" && $0 != "\t" })
    #expect(!html.contains("http") && !html.contains("src="))
  }

  @Test func manyLabelsAreAList() {
    let html = TrainingReport(result: result(labels: (0..<200).map { "label \($0)" }) { _ in }, title: "", facts: [])
      .html
    #expect(html.contains("<td>label 0<td>label 199<td>199"))
    #expect(html.utf8.count < 20_000)
  }

  @Test(arguments: [
    [0.0], [5, 5], [-1e-9, 1e-9], [1e15, 1e15 + 1], [1e29, -1e29], [1e300, 0], [.nan, .infinity, 1], [.nan], [],
    [0.1, 0.2, 0.3], [-3, 4], [1e-300, 2e-300], [0, 1e-300], [.greatestFiniteMagnitude],
  ]) func plotsOfAnyNumbers(_ values: [Double]) {
    let points = values.enumerated().map { (x: Double($0), y: $1) }
    let mark = (x: 0.0, y: values.first ?? 0, text: "best")
    let line = Plot(title: "t", x: "x", y: "y", lines: [.init(points: points, hasDots: true, mark: mark)])
    let dots = Plot(title: "t", x: "x", y: "y", points: points)
    for svg in [line.svg, dots.svg] {
      // A point beyond all others may be left out with its plot, but nothing is drawn outside.
      #expect(!svg.contains("nan") && !svg.contains("inf"))
      for part in svg.split(separator: "cy=").dropFirst() {
        let y = Double(part.prefix { $0 != " " }) ?? -1
        #expect((39...253).contains(y), "\(values)")
      }
    }
  }

  @Test func ticksAreRound() {
    let line = (1...190).map { (x: Double($0), y: 2.2 / Double($0)) }
    let svg = Plot(title: "", x: "", y: "", lines: [.init(points: line, isNoisy: true)]).svg
    for label in [">0<", ">50<", ">200<", ">0.5<", ">2.5<"] { #expect(svg.contains(label)) }
    #expect(svg.contains("faint"))
  }

  @Test func numbersWithDigits() {
    #expect(fixed(-0.049, 1) == "0.0" && fixed(-0.05, 1) == "-0.1" && fixed(1234.5678, 2) == "1234.57")
    #expect(fixed(0.007, 2) == "0.01" && fixed(7, 0) == "7" && fixed(.nan, 2) == "nan")
  }
}
