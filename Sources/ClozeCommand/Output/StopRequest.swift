import Glibc
import Synchronization

/// Ctrl-C as a request that long work polls, so that it ends at a point from which it can be resumed. A second Ctrl-C
/// ends the program at once.
enum StopRequest {
  private static let isSet = Atomic<Bool>(false)

  /// Turns the next Ctrl-C into a request, unless the signal is ignored.
  static func begin() {
    guard !Interruption.isIgnored(SIGINT) else { return }
    isSet.store(false, ordering: .relaxed)
    signal(SIGINT) { _ in
      signal(SIGINT, SIG_DFL)
      StopRequest.isSet.store(true, ordering: .relaxed)
    }
  }

  static var isMade: Bool { isSet.load(ordering: .relaxed) }

  /// Restores the default action of Ctrl-C, and takes it if there was a request.
  static func end() {
    guard !Interruption.isIgnored(SIGINT) else { return }
    signal(SIGINT, SIG_DFL)
    if isMade { kill(getpid(), SIGINT) }
  }
}
