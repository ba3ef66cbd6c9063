import ClozeIO

/// The status line of a command over its texts, shown after half a second.
struct Progress {
  /// Bytes of input in total; nil if unknown.
  private let total: Int?
  private let start = Clock.seconds()
  private var status: StatusLine

  /// - Parameter hasOwnScreen: false if results are printed to the terminal, too.
  init(total: Int?, hasOwnScreen: Bool) {
    self.total = total
    status = StatusLine(isShown: hasOwnScreen)
  }

  mutating func show(texts: Int, bytes: Int) {
    let seconds = Clock.seconds() - start
    guard seconds >= 0.5 else { return }
    status.show { [total] width in Self.line(texts: texts, bytes: bytes, total: total, seconds: seconds, width: width) }
  }

  mutating func clear() { status.clear() }

  /// One line of at most `width - 1` columns: bar, share, texts, speed and remaining time, as far as known.
  static func line(texts: Int, bytes: Int, total: Int?, seconds: Double, width: Int) -> String {
    let speed = seconds > 0 ? Double(texts) / seconds : 0
    var facts = ["\(grouped(texts)) texts", "\(grouped(Int(speed)))/s"]
    var bar = ""
    if let total, total > 0 {
      let share = min(1, max(0, Double(bytes) / Double(total)))
      facts.insert("\(Int(share * 100)) %", at: 0)
      if share > 0.01 { facts.append("\(duration(seconds * (1 - share) / share)) left") }
      let room = min(30, width - 1 - facts.joined(separator: "  ").count - 2)
      if room >= 8 { bar = StatusLine.bar(share, width: room) + "  " }
    }
    return clipped(bar + facts.joined(separator: "  "), to: max(1, width - 1))
  }

  /// "0:07", "12:30", "3:05:00".
  static func duration(_ seconds: Double) -> String {
    let whole = Int(min(max(seconds, 0), 1e6).rounded(.up))
    func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
    let (hours, minutes) = (whole / 3600, whole / 60 % 60)
    return hours > 0 ? "\(hours):\(two(minutes)):\(two(whole % 60))" : "\(minutes):\(two(whole % 60))"
  }
}
