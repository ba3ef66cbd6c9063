import ClozeIO
import Glibc
import Synchronization

/// Deletes the unfinished files of this program where Ctrl-C or another signal ends it.
///
/// The signals are blocked in every thread and awaited in a thread of their own, because hardly
/// anything may be done inside a signal handler. That thread deletes the files and then lets the
/// signal do what it always does, so that a shell sees how the program ended. Signals that were
/// ignored from the start (`nohup`) stay so.
struct Interruption: TemporaryFileGuard {
  private struct State {
    var unfinished: Set<String> = []
    var isWatching = false
  }

  private static let state = Mutex(State())

  /// The first call should come before other threads are made: they inherit which signals are blocked.
  func begin(_ path: String) throws(ClozeError) {
    try Self.state.withLock { (state) throws(ClozeError) in
      if !state.isWatching { try Self.watch() }
      state.isWatching = true
      state.unfinished.insert(path)
    }
  }

  func end(_ path: String, _ action: () throws(ClozeError) -> Void) throws(ClozeError) {
    try Self.state.withLock { (state) throws(ClozeError) in
      guard state.unfinished.remove(path) != nil else { return }
      try action()
    }
  }

  private static func watch() throws(ClozeError) {
    // Beyond a limit on the size of files, writing shall fail, with a message, and not kill.
    signal(SIGXFSZ, SIG_IGN)
    var signals = watchedSignals()
    pthread_sigmask(SIG_BLOCK, &signals, nil)
    var thread = pthread_t()
    let code = pthread_create(&thread, nil, { _ in Interruption.wait() }, nil)
    guard code == 0 else {
      pthread_sigmask(SIG_UNBLOCK, &signals, nil)
      throw ClozeError(.outOfMemory, "cannot create a thread: \(systemError(code))")
    }
    pthread_detach(thread)
  }

  private static func watchedSignals() -> sigset_t {
    var signals = sigset_t()
    sigemptyset(&signals)
    for number in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] where !isIgnored(number) {
      sigaddset(&signals, number)
    }
    return signals
  }

  static func isIgnored(_ number: Int32) -> Bool {
    var current = sigaction()
    guard sigaction(number, nil, &current) == 0 else { return false }
    return unsafeBitCast(current.__sigaction_handler.sa_handler, to: Int.self)
      == unsafeBitCast(SIG_IGN, to: Int.self)
  }

  /// What the thread does.
  private static func wait() -> UnsafeMutableRawPointer? {
    var signals = watchedSignals()
    var number: Int32 = 0
    while sigwait(&signals, &number) != 0 { if number == 0 { pause() } }
    state.withLock { state in
      for path in state.unfinished { unlink(path) }
      state.unfinished = []
      // The program ends here, with the lock held: nobody can give a file its final name any more.
      signal(number, SIG_DFL)
      kill(getpid(), number)
      var one = sigset_t()
      sigemptyset(&one)
      sigaddset(&one, number)
      pthread_sigmask(SIG_UNBLOCK, &one, nil)
      while true { pause() }
    }
    return nil
  }
}

extension AtomicFile {
  /// A file that the user asked for by its path, which an interruption leaves as it was.
  convenience init(output path: String) throws(ClozeError) {
    try self.init(path: path, interruption: Interruption())
  }
}
