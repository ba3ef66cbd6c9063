import Glibc

/// The work could not be done: the message goes to standard error and the exit status is 1.
struct WorkFailure: Error, Hashable, CustomStringConvertible {
  let message: String

  init(_ message: String) { self.message = message }

  /// A system call failed.
  ///
  /// - Parameters:
  ///   - action: what was tried, "cannot open notes.txt".
  ///   - code: the value of `errno` right after the call.
  init(_ action: String, errno code: Int32) {
    self.message = "\(action): \(WorkFailure.reason(code))"
  }

  var description: String { message }

  /// The system's sentence for a value of `errno`.
  static func reason(_ code: Int32) -> String {
    guard let text = strerror(code) else { return "error \(code)" }
    return String(cString: text)
  }
}

/// Nobody reads standard output any more, as in `cloze embed ... | head -1`: the command ends
/// without a word.
struct ReaderGone: Error {}
