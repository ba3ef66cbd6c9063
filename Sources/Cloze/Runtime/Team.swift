internal import CClozeKernels
internal import CClozeSupport
internal import ClozeIO

/// Threads that share out the work of loading a model.
final class Team {
  private let team: OpaquePointer
  private let threads: Int

  init(threads: Int) throws(ClozeError) {
    guard let team = cloze_team_create(Int32(clamping: threads)) else {
      throw ClozeError(.outOfMemory, "no memory for \(threads) threads")
    }
    self.team = team
    self.threads = threads
  }

  deinit { cloze_team_free(team) }

  /// Calls `body` with 0 to `count`, not included, in any order and on all threads, under the
  /// floating-point settings of the library.
  func each(_ count: Int, _ body: (Int) -> Void) {
    withoutActuallyEscaping(body) { body in
      let job = Job(team: team, count: count, body: body)
      let work: @convention(c) (UnsafeMutableRawPointer?, Int32) -> Void = { context, _ in
        guard let context else { return }
        Unmanaged<Job>.fromOpaque(context).takeUnretainedValue().work()
      }
      let context = Unmanaged.passUnretained(job).toOpaque()
      withExtendedLifetime(job) {
        // Threads that can't be had are no reason not to load.
        if count < 2 || threads < 2 || cloze_team_run(team, 1, work, context) != 0 {
          _ = cloze_team_run(team, 0, work, context)
        }
      }
    }
  }

  private final class Job {
    let team: OpaquePointer
    let count: Int
    let body: (Int) -> Void

    init(team: OpaquePointer, count: Int, body: @escaping (Int) -> Void) {
      self.team = team
      self.count = count
      self.body = body
    }

    func work() {
      let saved = cloze_float_environment_enter()
      defer { cloze_float_environment_restore(saved) }
      while true {
        let next = cloze_team_next(team)
        if next >= count { return }
        body(next)
      }
    }
  }
}

/// What came of pieces of work, written by several threads.
final class Flags: @unchecked Sendable {
  let count: Int
  private let flags: UnsafeMutablePointer<Bool>

  init(_ count: Int) {
    self.count = count
    flags = .allocate(capacity: max(count, 1))
    flags.initialize(repeating: false, count: count)
  }

  deinit { flags.deallocate() }

  subscript(index: Int) -> Bool {
    get { flags[index] }
    set { flags[index] = newValue }
  }

  var allSet: Bool { (0..<count).allSatisfy { flags[$0] } }
}
