internal import CClozeKernels
internal import CClozeSupport
package import ClozeIO
internal import Synchronization

/// Threads that run one function in parallel, each with its own number, as a team of OpenMP does;
/// thread 0 is the caller. One run at a time.
///
/// Threads start at the first parallel run and sleep between runs. All of them, the caller included,
/// compute under the floating-point environment of the library.
package final class Team: @unchecked Sendable {
  /// The largest number of threads of a team.
  package static let maxThreads = 256

  package let threads: Int
  private let handle: OpaquePointer
  private var body: (@Sendable (Int) -> Void)?

  package init(threads: Int) throws(ClozeError) {
    guard let handle = cloze_team_create(Int32(clamping: threads)) else {
      throw ClozeError(.outOfMemory, "no memory for \(threads) threads")
    }
    self.handle = handle
    self.threads = threads
  }

  deinit { cloze_team_free(handle) }

  /// Calls `body` on every thread with its number; where not `parallel`, on the caller alone with 0. Allocates
  /// nothing once the threads exist.
  ///
  /// - Throws: `.outOfMemory` where threads cannot be started; then nothing has run.
  package func run(parallel: Bool, _ body: @escaping @Sendable (_ thread: Int) -> Void) throws(ClozeError) {
    self.body = body
    defer { self.body = nil }
    let error = cloze_team_run(
      handle, parallel ? 1 : 0,
      { context, thread in
        guard let context else { return }
        let saved = cloze_float_environment_enter()
        defer { cloze_float_environment_restore(saved) }
        Unmanaged<Team>.fromOpaque(context).takeUnretainedValue().body?(Int(thread))
      }, Unmanaged.passUnretained(self).toOpaque())
    guard error == 0 else { throw ClozeError(.outOfMemory, "cannot start \(threads) threads: \(systemError(error))") }
  }

  /// Calls `body` once for each index below `count`, in any order, with the number of the thread that
  /// runs it: on all threads where `parallel`, and on the caller's alone where they cannot be started.
  ///
  /// - Throws: the error of the smallest index that failed.
  package func forEach(
    _ count: Int, parallel: Bool = true, _ body: (_ index: Int, _ thread: Int) throws(ClozeError) -> Void
  ) throws(ClozeError) {
    let failure = Mutex<(index: Int, error: ClozeError)?>(nil)
    withoutActuallyEscaping(body) { body in
      nonisolated(unsafe) let body = body
      let work: @Sendable (Int) -> Void = { thread in
        while true {
          let index = self.next()
          if index >= count { return }
          do throws(ClozeError) { try body(index, thread) } catch {
            failure.withLock { if index < $0?.index ?? .max { $0 = (index, error) } }
          }
        }
      }
      if !parallel || count < 2 || threads < 2 || (try? run(parallel: true, work)) == nil {
        try? run(parallel: false, work)
      }
    }
    if let failure = failure.withLock({ $0 }) { throw failure.error }
  }

  // MARK: - Within a run

  /// Waits for all threads and sets the counter of `next` back to 0. True, for all threads alike,
  /// where the run should end because `stop` was called.
  package func barrier() -> Bool { cloze_team_barrier(handle) != 0 }

  /// 0, 1, 2, ... for whichever thread asks, counted since the last barrier.
  package func next() -> Int { cloze_team_next(handle) }

  // MARK: - Cancelling

  /// Asks the current run to end at its next barrier; may be called from any thread. Stays in force
  /// until `resume`.
  func stop() { cloze_team_stop(handle) }
  func resume() { cloze_team_resume(handle) }
  var isStopped: Bool { cloze_team_stopped(handle) != 0 }
}
