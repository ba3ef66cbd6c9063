/// The report of a training: one self-contained HTML page.
public struct TrainingReport: Sendable {
  /// The page.
  public let html: String

  /// - Parameter facts: names and values for the table at the top.
  public init(result: TrainingResult, title: String, facts: [(name: String, value: String)]) {
    var body = "<h1>\(escaped(title))</h1>\n<div class=metrics>"
    for (name, value) in result.metrics.values {
      body += "<div\(name == result.metric ? " class=main" : "")><b>\(rounded(value))</b>"
      body += "<span>\(escaped(named(name)))</span></div>"
    }
    body += "</div>\n<dl>"
    for (name, value) in facts { body += "<div><dt>\(escaped(name))<dd>\(escaped(value))</div>" }
    body += "</dl>\n<div class=plots>\n"
    for plot in Self.plots(result) { body += plot.svg }
    body += "</div>\n"
    body += Self.confusion(result)
    body += Self.mistakes(result)
    html = """
      <!doctype html>
      <html lang=en><head><meta charset=utf-8>
      <meta name=viewport content="width=device-width, initial-scale=1">
      <title>\(escaped(title))</title>
      <style>
      \(Self.style)
      </style></head>
      <body>
      \(body)
      </body></html>

      """
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
    if !result.scatter.isEmpty {
      plots.append(
        Plot(
          title: "Truth and prediction", x: "truth", y: "prediction",
          points: result.scatter.prefix(2000).map { (Double($0.truth), Double($0.predicted)) }))
    }
    return plots
  }

  private static func confusion(_ result: TrainingResult) -> String {
    let (labels, table) = (result.head.labels, result.confusion)
    guard !table.isEmpty, table.count == labels.count else { return "" }
    let columns = labels.indices.map { column in table.reduce(0) { $0 + $1[column] } }
    // More than a page is wide: what was confused most.
    guard labels.count <= 30 else {
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

  private static func mistakes(_ result: TrainingResult) -> String {
    guard !result.mistakes.isEmpty else { return "" }
    let measure = result.head.task.training.mistakeMeasure
    var text = "<h2>Most wrong</h2>\n<table class=mistakes><thead><tr><th>text<th>truth"
    text += "<th>prediction<th>\(measure)</thead>"
    for mistake in result.mistakes {
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

  private static func shortened(_ text: String, to count: Int) -> String {
    let part = text.prefix(count)
    return part.endIndex == text.endIndex ? text : "\(part) …"
  }

  private static let style = """
    :root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--line:#d8dee4;--page:#fff;
    --card:#f6f8fa;--a:#0969da;--b:#bc4c00;--right:9,105,218;--wrong:207,34,46}
    @media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9198a1;--line:#30363d;
    --page:#0d1117;--card:#161b22;--a:#4493f8;--b:#f0883e;--right:68,147,248;--wrong:248,81,73}}
    *{box-sizing:border-box}
    body{font:15px/1.5 system-ui,sans-serif;max-width:66rem;margin:2rem auto;padding:0 1rem;
    color:var(--ink);background:var(--page)}
    h1{font-size:1.5rem;overflow-wrap:anywhere}h2{font-size:1.15rem;margin:2.2rem 0 .6rem}
    p{color:var(--soft);margin:0 0 .8rem}
    .metrics{display:flex;flex-wrap:wrap;gap:.7rem}
    .metrics div{background:var(--card);border:1px solid var(--line);border-radius:8px;
    padding:.6rem 1rem;min-width:7rem}
    .metrics .main{border-color:var(--a);box-shadow:inset 0 0 0 1px var(--a)}
    .metrics b{display:block;font-size:1.35rem;font-weight:600;font-variant-numeric:tabular-nums}
    .metrics span,dt,.place,th{color:var(--soft)}
    dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(11rem,1fr));gap:.7rem 1.4rem;
    margin:1.3rem 0}
    dt{font-size:.85rem}dd{margin:0;overflow-wrap:anywhere}
    .plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(26rem,100%),1fr));gap:1rem}
    svg{width:100%;max-width:36rem;height:auto;background:var(--card);border:1px solid var(--line);
    border-radius:8px;font:11px system-ui,sans-serif}
    svg text{fill:var(--soft)}svg .title{fill:var(--ink);font-size:13px;font-weight:600}
    svg .name{font-size:12px}.grid{stroke:var(--line)}.axis{stroke:var(--soft)}
    .line{fill:none;stroke-width:1.8;stroke-linejoin:round}.line.faint{stroke-width:1;opacity:.3}
    .line.a{stroke:var(--a)}.line.b{stroke:var(--b)}
    circle.a,svg text.a{fill:var(--a)}circle.b,svg text.b{fill:var(--b)}
    circle.mark{fill:none;stroke:var(--a);stroke-width:2}circle.point{fill-opacity:.4}
    .diagonal{stroke:var(--soft);stroke-dasharray:5 4}
    table{border-collapse:collapse}
    th,td{padding:.35rem .7rem;text-align:left;vertical-align:top}th{font-weight:500}
    .wide{overflow-x:auto}
    .confusion td,.confusion th{text-align:right;white-space:nowrap;
    font-variant-numeric:tabular-nums}
    .confusion th span{display:inline-block;max-width:9rem;overflow:hidden;text-overflow:ellipsis}
    .confusion th[scope=row]{position:sticky;left:0;background:var(--page);max-width:14rem;
    overflow:hidden;text-overflow:ellipsis}
    .right{background:rgba(var(--right),calc(var(--share)*.6))}
    .wrong{background:rgba(var(--wrong),calc(var(--share)*.6))}
    .mistakes{width:100%;table-layout:fixed}
    .mistakes th:first-child{width:50%}.mistakes th:last-child{width:5.5rem}
    .mistakes td{border-top:1px solid var(--line);overflow-wrap:anywhere}
    .mistakes td:last-child,.mistakes th:last-child{text-align:right}.place{font-size:.85em}
    @media(max-width:42rem){
    .mistakes thead{display:none}.mistakes,.mistakes tbody,.mistakes tr,.mistakes td{display:block}
    .mistakes tr{border-top:1px solid var(--line);padding:.5rem 0}
    .mistakes td{border:0;padding:.15rem 0}.mistakes td:last-child{text-align:left}
    .mistakes td[data-name]:before{content:attr(data-name) ": ";color:var(--soft)}}
    """
}

/// A metric's name as it is written in a sentence.
private func named(_ metric: String) -> String {
  switch metric {
  case "f1": "F1"
  case "f1_macro": "F1, macro"
  case "f1_micro": "F1, micro"
  case "exact_match": "exact match"
  case "mse": "mean squared error"
  case "matthews": "Matthews"
  case "pearson": "Pearson"
  case "spearman": "Spearman"
  default: metric
  }
}

private func rounded(_ value: Double) -> String { fixed(value, abs(value) >= 1000 ? 1 : 4) }
