import ClozeIO
import Glibc

/// A line on the terminal that is overwritten by the next. Nothing is shown if standard error is not a terminal, or a
/// dumb one.
struct StatusLine {
  private let isShown: Bool
  private var lastShown = 0.0
  private var isThere = false

  init(isShown: Bool = true) {
    self.isShown = isShown && StandardError.isTerminal && (environment("TERM") ?? "dumb") != "dumb"
  }

  /// Shows a line of at most `width - 1` columns, at most ten times a second.
  mutating func show(_ line: (_ width: Int) -> String) {
    guard isShown else { return }
    let now = Clock.seconds()
    guard now - lastShown >= 0.1 else { return }
    lastShown = now
    isThere = true
    StandardError.write("\r\u{1B}[K" + line(Self.terminalWidth))
  }

  /// Erases the line, so that messages begin on an empty one.
  mutating func clear() {
    guard isThere else { return }
    isThere = false
    StandardError.write("\r\u{1B}[K")
  }

  /// A bar that is filled by `share`, 0 to 1.
  static func bar(_ share: Double, width: Int) -> String {
    let filled = Int(share * Double(width))
    return String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
  }

  private static var terminalWidth: Int {
    var size = winsize()
    guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }
}
