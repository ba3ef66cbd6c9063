/// What is shown of a training: one HTML file without anything outside it.
public struct TrainingReport: Sendable {
  /// The page.
  public let html: String

  /// - Parameter facts: names and values for the table at the top.
  public init(result: TrainingResult, title: String, facts: [(name: String, value: String)]) {
    var body = "<h1>\(escaped(title))</h1>\n<table class=facts>"
    for (name, value) in result.metrics.values {
      body += "<tr><th>\(escaped(name))<td class=figure>\(rounded(value))"
    }
    for (name, value) in facts { body += "<tr><th>\(escaped(name))<td>\(escaped(value))" }
    body += "</table>\n<div class=plots>"
    let steps = result.steps.map { (Double($0.step), $0.loss) }
    body += Plot(title: "Training loss, step by step", x: "step", lines: [("", steps)]).svg
    if result.epochs.count > 1 {
      let name = result.metric
      body +=
        Plot(
          title: "\(name), epoch by epoch", x: "epoch",
          lines: [("", result.epochs.map { (Double($0.epoch), $0.metrics[name] ?? 0) })]
        ).svg
      body +=
        Plot(
          title: "Loss, epoch by epoch", x: "epoch",
          lines: [
            ("train", result.epochs.map { (Double($0.epoch), $0.loss) }),
            ("valid", result.epochs.map { (Double($0.epoch), $0.metrics["loss"] ?? 0) }),
          ]
        ).svg
    }
    if !result.scatter.isEmpty {
      body +=
        Plot(
          title: "Truth and prediction", x: "truth", lines: [],
          points: result.scatter.prefix(2000).map { (Double($0.truth), Double($0.predicted)) }
        ).svg
    }
    body += "</div>\n"
    body += Self.confusion(result)
    body += Self.mistakes(result)
    html = """
      <!doctype html>
      <html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width">
      <title>\(escaped(title))</title>
      <style>
      body{font:15px/1.45 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;
      color:#1b1f24;background:#fff}
      h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}
      table{border-collapse:collapse}th,td{padding:.25rem .7rem;text-align:left;vertical-align:top}
      .facts th{font-weight:400;color:#57606a}.figure{font-weight:600}
      .plots{display:flex;flex-wrap:wrap;gap:1rem;margin-top:1rem}
      svg{max-width:100%;height:auto}
      .confusion td{text-align:right;min-width:3rem}.wide{overflow-x:auto}
      .mistakes{width:100%}.mistakes td{border-top:1px solid #d8dee4;overflow-wrap:anywhere}
      .mistakes td:first-child{width:60%}.place{color:#57606a;font-size:.85em}
      </style>
      <body>
      \(body)
      </body></html>

      """
  }

  private static func confusion(_ result: TrainingResult) -> String {
    guard !result.confusion.isEmpty, result.confusion.count <= 60 else { return "" }
    var text = "<h2>Confusion: rows are the truth, columns what was said</h2>"
    text += "<div class=wide><table class=confusion><tr><th>"
    for label in result.head.labels { text += "<th>\(escaped(label))" }
    for (label, row) in zip(result.head.labels, result.confusion) {
      text += "<tr><th>\(escaped(label))"
      let total = max(row.reduce(0, +), 1)
      for (column, count) in row.enumerated() {
        let share = Double(count) / Double(total)
        let isRight = label == result.head.labels[column]
        let color = isRight ? "9,105,218" : "207,34,46"
        text += "<td style=\"background:rgba(\(color),\(rounded(share * 0.6)))\">\(count)"
      }
    }
    return text + "</table></div>\n"
  }

  private static func mistakes(_ result: TrainingResult) -> String {
    guard !result.mistakes.isEmpty else { return "" }
    var text = "<h2>Most wrong</h2><table class=mistakes><tr><th>text<th>truth<th>said<th>loss"
    for mistake in result.mistakes {
      text += "<tr><td>\(escaped(String(mistake.text.prefix(500))))"
      if !mistake.place.isEmpty { text += " <span class=place>\(escaped(mistake.place))</span>" }
      text += "<td>\(escaped(mistake.truth))<td>\(escaped(mistake.predicted))"
      text += "<td>\(rounded(mistake.loss))"
    }
    return text + "</table>\n"
  }
}

/// A plot of lines or points, as SVG.
private struct Plot {
  let title: String
  let x: String
  let lines: [(name: String, points: [(Double, Double)])]
  var points: [(Double, Double)] = []

  var svg: String {
    let all = lines.flatMap(\.points) + points
    let finite = all.filter { $0.0.isFinite && $0.1.isFinite }
    guard let first = finite.first else { return "" }
    var (left, right, low, high) = (first.0, first.0, first.1, first.1)
    for (x, y) in finite {
      (left, right) = (min(left, x), max(right, x))
      (low, high) = (min(low, y), max(high, y))
    }
    if right == left { right = left + 1 }
    if high == low { (low, high) = (low - 0.5, high + 0.5) }
    let (width, height, edge, top) = (460.0, 260.0, 58.0, 30.0)
    func px(_ x: Double) -> String {
      rounded(edge + (x - left) / (right - left) * (width - edge - 14))
    }
    func py(_ y: Double) -> String {
      rounded(height - 40 - (y - low) / (high - low) * (height - 40 - top))
    }
    var text = "<svg viewBox=\"0 0 460 260\" width=460 role=img aria-label=\"\(escaped(title))\" "
    text += "font-family=\"system-ui,sans-serif\" font-size=11 fill=\"#57606a\">"
    text += "<text x=10 y=16 font-size=13 fill=\"#1b1f24\">\(escaped(title))</text>"
    for i in 0...4 {
      let y = low + (high - low) * Double(i) / 4
      text += "<path d=\"M58 \(py(y))H446\" stroke=\"#d8dee4\"/>"
      text += "<text x=52 y=\(py(y)) dy=4 text-anchor=end>\(short(y))</text>"
      let at = left + (right - left) * Double(i) / 4
      text += "<text x=\(px(at)) y=236 text-anchor=middle>\(short(at))</text>"
    }
    text += "<text x=252 y=254 text-anchor=middle>\(escaped(x))</text>"
    let colors = ["#0969da", "#bc4c00"]
    for (number, line) in lines.enumerated() {
      let color = colors[number % colors.count]
      // No more points than a screen shows.
      let step = max(1, line.points.count / 400)
      var path = ""
      for (i, point) in line.points.enumerated()
      where i % step == 0 && point.0.isFinite && point.1.isFinite {
        path += "\(path.isEmpty ? "M" : "L")\(px(point.0)) \(py(point.1))"
      }
      text += "<path d=\"\(path)\" fill=none stroke=\"\(color)\" stroke-width=1.6 />"
      if !line.name.isEmpty {
        text += "<text x=446 y=\(16 + 14 * number) text-anchor=end fill=\"\(color)\">"
        text += "\(escaped(line.name))</text>"
      }
    }
    for (x, y) in points where x.isFinite && y.isFinite {
      text += "<circle cx=\(px(x)) cy=\(py(y)) r=2 fill=\"#0969da\" fill-opacity=.35 />"
    }
    return text + "</svg>"
  }

  private func short(_ value: Double) -> String {
    abs(value) >= 100 ? "\(Int(min(max(value, -1e15), 1e15).rounded()))" : rounded(value)
  }
}

/// At most four digits after the point.
private func rounded(_ value: Double) -> String {
  guard value.isFinite, abs(value) < 1e12 else { return "\(value)" }
  let text = "\((value * 10000).rounded() / 10000)"
  return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
}

private func escaped(_ text: String) -> String {
  var result = ""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "<": result += "&lt;"
    case ">": result += "&gt;"
    case "&": result += "&amp;"
    case "\"": result += "&quot;"
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result
}
