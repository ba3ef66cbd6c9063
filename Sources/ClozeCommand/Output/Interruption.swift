import Glibc
import Synchronization

/// The unfinished files of this program, so that Ctrl-C and the other signals that end it can take
/// them away.
///
/// The signals are blocked in every thread and awaited in a thread of their own, because hardly
/// anything may be done inside a signal handler. That thread deletes the files and then lets the
/// signal do what it always does, so that a shell sees how the program ended. Signals that were
/// ignored from the start (`nohup`) stay so.
enum Interruption {
  private struct State {
    var unfinished: Set<String> = []
    var isWatching = false
  }

  private static let state = Mutex(State())

  /// From now on the signals delete the file at `path`. The first call should come before other
  /// threads are made: they inherit which signals are blocked.
  static func guardFile(at path: String) throws(WorkFailure) {
    try state.withLock { (state) throws(WorkFailure) in
      if !state.isWatching { try watch() }
      state.isWatching = true
      state.unfinished.insert(path)
    }
  }

  /// Ends the guard over the file at `path`; a signal comes wholly before or after `action`, which
  /// gives the file its final name or deletes it. Not called where the file is not guarded.
  static func release(
    _ path: String, _ action: () throws(WorkFailure) -> Void
  ) throws(WorkFailure) {
    try state.withLock { (state) throws(WorkFailure) in
      guard state.unfinished.remove(path) != nil else { return }
      try action()
    }
  }

  private static func watch() throws(WorkFailure) {
    // Beyond a limit on the size of files, writing shall fail, with a message, and not kill.
    signal(SIGXFSZ, SIG_IGN)
    var signals = watchedSignals()
    pthread_sigmask(SIG_BLOCK, &signals, nil)
    var thread = pthread_t()
    let code = pthread_create(&thread, nil, { _ in Interruption.wait() }, nil)
    guard code == 0 else {
      pthread_sigmask(SIG_UNBLOCK, &signals, nil)
      throw WorkFailure("cannot make a thread", errno: code)
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
