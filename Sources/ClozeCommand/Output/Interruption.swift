import ClozeIO
import Glibc
import Synchronization

/// Deletes the unfinished files of this program when Ctrl-C or another signal ends it.
///
/// The signals are blocked in every thread and awaited by one with `sigwait`, as few functions are safe in a signal
/// handler. That thread deletes the files and raises the signal again with its default action, so that the parent
/// sees how the program ended. Signals that were ignored at the start (`nohup`) stay ignored.
struct Interruption: TemporaryFileGuard {
  private struct State {
    var unfinished: Set<String> = []
    var isWatching = false
  }

  private static let state = Mutex(State())

  /// The first call must come before other threads are created: they inherit the blocked signals.
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
    // Writing beyond the limit on file size then fails with an error instead of a signal.
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
    for number in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] where !isIgnored(number) { sigaddset(&signals, number) }
    return signals
  }

  static func isIgnored(_ number: Int32) -> Bool {
    var current = sigaction()
    guard sigaction(number, nil, &current) == 0 else { return false }
    return unsafeBitCast(current.__sigaction_handler.sa_handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
  }

  /// The body of the thread.
  private static func wait() -> UnsafeMutableRawPointer? {
    var signals = watchedSignals()
    var number: Int32 = 0
    while sigwait(&signals, &number) != 0 { if number == 0 { pause() } }
    state.withLock { state in
      for path in state.unfinished { unlink(path) }
      state.unfinished = []
      // The process ends here with the lock held, so that no file can be renamed any more.
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
  /// An output file of the command line, guarded against interruption.
  ///
  /// - Parameter inputs: files that the command reads, which are not replaced.
  convenience init(output path: String, inputs: [String] = []) throws(ClozeError) {
    try self.init(path: path, inputs: inputs, interruption: Interruption())
  }
}
