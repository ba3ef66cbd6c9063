import Glibc
import Synchronization

/// Ctrl-C as a question that long work asks from time to time, where it should not end anywhere but
/// leave something to go on from. A second one ends the program at once.
enum StopRequest {
  private static let isSet = Atomic<Bool>(false)

  /// From now on a first Ctrl-C is a request. Where it was ignored from the start, it stays so.
  static func begin() {
    guard !Interruption.isIgnored(SIGINT) else { return }
    isSet.store(false, ordering: .relaxed)
    signal(SIGINT) { _ in
      signal(SIGINT, SIG_DFL)
      StopRequest.isSet.store(true, ordering: .relaxed)
    }
  }

  static var isMade: Bool { isSet.load(ordering: .relaxed) }

  /// From now on Ctrl-C ends the program again; one that was not heeded does so now.
  static func end() {
    guard !Interruption.isIgnored(SIGINT) else { return }
    signal(SIGINT, SIG_DFL)
    if isMade { kill(getpid(), SIGINT) }
  }
}
