internal import ClozeIO

/// A line or scatter plot as SVG, coloured by the page's style: classes `a` and `b` for lines, `grid`, `axis` and
/// `name` for the rest.
struct Plot {
  struct Line {
    /// For the legend; empty: none.
    var name = ""
    var points: [(x: Double, y: Double)]
    /// Whether many points are drawn faintly behind their moving average.
    var isNoisy = false
    /// Whether points are marked by dots.
    var hasDots = false
    /// A highlighted point and its caption.
    var mark: (x: Double, y: Double, text: String)?
  }

  var title: String
  var x: String
  var y: String
  var lines: [Line] = []
  /// A scatter plot, on two axes of one range, with the diagonal.
  var points: [(x: Double, y: Double)] = []

  private static let (width, height) = (480.0, 300.0)
  private static let (left, right, top, bottom) = (62.0, 464.0, 40.0, 252.0)

  /// Empty where there is no finite point.
  var svg: String {
    let all = (lines.flatMap(\.points) + points).filter { $0.x.isFinite && $0.y.isFinite }
    guard var horizontal = Axis(all.map(\.x), isWhole: points.isEmpty), var vertical = Axis(all.map(\.y)) else {
      return ""
    }
    if !points.isEmpty, let both = Axis(all.map(\.x) + all.map(\.y)) { (horizontal, vertical) = (both, both) }
    func px(_ value: Double) -> String { fixed(Self.left + horizontal.share(value) * (Self.right - Self.left), 1) }
    func py(_ value: Double) -> String { fixed(Self.bottom - vertical.share(value) * (Self.bottom - Self.top), 1) }
    var text = "<svg viewBox=\"0 0 480 300\" role=img aria-label=\"\(escaped(title))\">"
    text += "<text class=title x=10 y=18>\(escaped(title))</text>"
    for tick in vertical.ticks {
      text += "<path class=grid d=\"M62 \(py(tick))H464\" />"
      text += "<text x=55 y=\(py(tick)) dy=4 text-anchor=end>\(vertical.label(tick))</text>"
    }
    for tick in horizontal.ticks {
      if !points.isEmpty { text += "<path class=grid d=\"M\(px(tick)) 40V252\" />" }
      text += "<path class=axis d=\"M\(px(tick)) 252v4\" />"
      text += "<text x=\(px(tick)) y=270 text-anchor=middle>\(horizontal.label(tick))</text>"
    }
    text += "<path class=axis d=\"M62 252H464\" />"
    text += "<text class=name x=263 y=291 text-anchor=middle>\(escaped(x))</text>"
    text += "<text class=name transform=\"translate(14 146) rotate(-90)\" text-anchor=middle>"
    text += "\(escaped(y))</text>"
    for (number, line) in lines.enumerated() {
      let color = number % 2 == 0 ? "a" : "b"
      let points = line.points.filter { $0.x.isFinite && $0.y.isFinite }
      if line.isNoisy, points.count > 60 {
        text += path(thinned(points), "\(color) faint", px, py)
        text += path(thinned(smoothed(points)), color, px, py)
      } else {
        text += path(thinned(points), color, px, py)
      }
      if line.hasDots, points.count <= 60 {
        for point in points { text += "<circle class=\(color) cx=\(px(point.x)) cy=\(py(point.y)) r=2.5 />" }
      }
      if let mark = line.mark, mark.x.isFinite, mark.y.isFinite {
        text += "<circle class=\"\(color) mark\" cx=\(px(mark.x)) cy=\(py(mark.y)) r=5 />"
        text += "<text class=\(color) x=464 y=18 text-anchor=end>\(escaped(mark.text))</text>"
      }
      if !line.name.isEmpty {
        text += "<text class=\(color) x=\(464 - 56 * (lines.count - 1 - number)) y=18 "
        text += "text-anchor=end>\(escaped(line.name))</text>"
      }
    }
    if let first = horizontal.ticks.first, let last = horizontal.ticks.last, !points.isEmpty {
      text += "<path class=diagonal d=\"M\(px(first)) \(py(first))L\(px(last)) \(py(last))\" />"
    }
    for point in points where point.x.isFinite && point.y.isFinite {
      text += "<circle class=\"a point\" cx=\(px(point.x)) cy=\(py(point.y)) r=3 />"
    }
    return text + "</svg>\n"
  }

  private func path(
    _ points: [(x: Double, y: Double)], _ classes: String, _ px: (Double) -> String, _ py: (Double) -> String
  ) -> String {
    let parts = points.map { "\(px($0.x)) \(py($0.y))" }
    return "<path class=\"line \(classes)\" d=\"M\(parts.joined(separator: "L"))\" />"
  }

  /// At most about two points a pixel.
  private func thinned(_ points: [(x: Double, y: Double)]) -> [(x: Double, y: Double)] {
    let step = max(1, points.count / 800)
    return points.indices.filter { $0 % step == 0 || $0 == points.count - 1 }.map { points[$0] }
  }

  /// The moving average.
  private func smoothed(_ points: [(x: Double, y: Double)]) -> [(x: Double, y: Double)] {
    let reach = max(1, points.count / 50)
    var sums = [0.0]
    for point in points { sums.append((sums.last ?? 0) + point.y) }
    return points.indices.map { i in
      // Symmetric, so that the ends are not biased.
      let near = min(reach, i, points.count - 1 - i)
      let sum = sums[i + near + 1] - sums[i - near]
      return (points[i].x, sum / Double(2 * near + 1))
    }
  }
}

/// An axis with round ticks, from the first to the last.
private struct Axis {
  private(set) var ticks: [Double] = []
  private var step = 1.0

  /// - Parameter isWhole: whether ticks are whole numbers.
  /// - Returns: nil without values, or where their range is beyond what floats can draw.
  init?(_ values: [Double], isWhole: Bool = false) {
    guard var low = values.min(), var high = values.max(), abs(low) < 1e30, abs(high) < 1e30 else { return nil }
    // Ticks differ by more than the rounding errors of their computation.
    let least = max(abs(low), abs(high), 1e-12) * 1e-9
    if high - low < least {
      let reach = max(abs(low) / 10, 0.5)
      (low, high) = (low - reach, high + reach)
    }
    // 1, 2, 5, 10, ...
    while step * 5 < high - low { step *= 10 }
    while step > (high - low) / 5 { step /= 10 }
    let count = (high - low) / step
    step *= count <= 10 ? 2 : count <= 25 ? 5 : 10
    if isWhole { step = max(step.rounded(), 1) }
    let first = (low / step).rounded(.down)
    let last = (high / step).rounded(.up)
    guard last - first >= 1, last - first <= 20 else { return nil }
    ticks = (0...Int(last - first)).map { (first + Double($0)) * step }
  }

  /// 0 at the first tick, 1 at the last.
  func share(_ value: Double) -> Double {
    guard let first = ticks.first, let last = ticks.last else { return 0 }
    return (value - first) / (last - first)
  }

  /// With as many digits as ticks need to differ.
  func label(_ tick: Double) -> String {
    if abs(tick) >= 1e7 || step < 1e-6 { return "\(Float(tick))" }
    var (digits, scale) = (0, step)
    while scale < 0.999, digits < 6 { (digits, scale) = (digits + 1, scale * 10) }
    return fixed(tick, digits)
  }
}

/// A decimal number with `digits` digits after the point.
func fixed(_ value: Double, _ digits: Int) -> String {
  let scale = (0..<digits).reduce(1.0) { product, _ in product * 10 }
  guard value.isFinite, abs(value) * scale < 1e15 else { return "\(value)" }
  let whole = Int((abs(value) * scale).rounded())
  let sign = value < 0 && whole > 0 ? "-" : ""
  guard digits > 0 else { return "\(sign)\(whole)" }
  let text = "\(whole)"
  let padded = String(repeating: "0", count: max(0, digits + 1 - text.utf8.count)) + text
  return "\(sign)\(padded.dropLast(digits)).\(padded.suffix(digits))"
}

/// Text escaped for HTML, between tags or between double quotes.
func escaped(_ text: String) -> String {
  var result = ""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "<": result += "&lt;"
    case ">": result += "&gt;"
    case "&": result += "&amp;"
    case "\"": result += "&quot;"
    case "\t", "\n": result.unicodeScalars.append(scalar)
    // Control characters are not allowed in HTML.
    case _ where scalar.value < 0x20 || (0x7F..<0xA0).contains(scalar.value): result += "\u{FFFD}"
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result
}
