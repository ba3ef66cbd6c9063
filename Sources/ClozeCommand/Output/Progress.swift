import Glibc

/// A line on the terminal that says how far long work has come. Where standard error is no
/// terminal, nothing is shown.
struct Progress {
  private let isShown: Bool
  /// Bytes of input in all; nil where that is not known.
  private let total: Int?
  private let start = Clock.seconds()
  private var lastShown = 0.0
  private var hasLine = false

  /// - Parameter hasOwnScreen: false where results go to the terminal, too.
  init(total: Int?, hasOwnScreen: Bool) {
    self.total = total
    isShown = hasOwnScreen && StandardError.isTerminal && Self.terminalType != "dumb"
  }

  /// Shows the state, at most ten times a second, and nothing for work that ends within half a
  /// second.
  mutating func show(texts: Int, bytes: Int) {
    guard isShown else { return }
    let now = Clock.seconds()
    guard now - start >= 0.5, now - lastShown >= 0.1 else { return }
    lastShown = now
    hasLine = true
    let line = Self.line(
      texts: texts, bytes: bytes, total: total, seconds: now - start, width: Self.terminalWidth)
    StandardError.write("\r\u{1B}[K" + line)
  }

  /// Takes the line away, so that messages begin on an empty one.
  mutating func clear() {
    guard hasLine else { return }
    hasLine = false
    StandardError.write("\r\u{1B}[K")
  }

  /// One line of at most `width - 1` columns: bar, share, texts, speed and the time left, as far as
  /// they are known.
  static func line(texts: Int, bytes: Int, total: Int?, seconds: Double, width: Int) -> String {
    let speed = seconds > 0 ? Double(texts) / seconds : 0
    var facts = ["\(grouped(texts)) texts", "\(grouped(Int(speed)))/s"]
    var bar = ""
    if let total, total > 0 {
      let share = min(1, max(0, Double(bytes) / Double(total)))
      facts.insert("\(Int(share * 100)) %", at: 0)
      if share > 0.01 { facts.append("\(duration(seconds * (1 - share) / share)) left") }
      let room = min(30, width - 1 - facts.joined(separator: "  ").count - 2)
      if room >= 8 {
        let filled = Int(share * Double(room))
        bar =
          String(repeating: "█", count: filled) + String(repeating: "░", count: room - filled)
          + "  "
      }
    }
    return clipped(bar + facts.joined(separator: "  "), to: max(1, width - 1))
  }

  /// "0:07", "12:30", "3:05:00".
  static func duration(_ seconds: Double) -> String {
    let whole = Int(min(max(seconds, 0), 1e6).rounded(.up))
    func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
    let (hours, minutes) = (whole / 3600, whole / 60 % 60)
    return hours > 0
      ? "\(hours):\(two(minutes)):\(two(whole % 60))" : "\(minutes):\(two(whole % 60))"
  }

  private static var terminalWidth: Int {
    var size = winsize()
    guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }

  private static var terminalType: String {
    guard let type = getenv("TERM") else { return "dumb" }
    return String(cString: type)
  }
}

/// A clock that only goes forward.
enum Clock {
  static func seconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
