internal import CClozeKernels
internal import CClozeSupport
public import ClozeIO
internal import ClozeTokenizer
internal import Synchronization

internal import Glibc

/// Scratch memory and threads for running a model. One call at a time; a second one at the same
/// time is an error. `cancel` may come from any thread.
public final class Session: @unchecked Sendable {
  /// The model, kept alive by its sessions.
  public let model: Model
  /// Threads that a run uses, the caller's included.
  public let threads: Int

  let encoder: Encoder
  private let running = Atomic<Bool>(false)
  private let doneTexts = Atomic<Int>(0)
  private let totalTexts = Atomic<Int>(0)

  /// Tokens that go through the layers together: bounds the scratch memory of any batch.
  package static let chunkTokens = 2048

  // Reused by every call, so that one that is no larger than an earlier one allocates nothing.
  let tokens = EncodingBuffer(keepsOffsets: false)
  var offsets: [Int] = []
  var order: [Int] = []
  var captures: [Chunk.Capture] = []
  var layers: [Int32] = []
  var headScratch: HeadScratch?

  /// Makes a session; memory is taken and threads are started by its first run.
  ///
  /// - Parameter threads: 1 to 256; nil: as many as the process may use, by affinity mask, cgroup quota and
  ///   OMP_NUM_THREADS.
  public init(model: Model, threads: Int? = nil) throws(ClozeError) {
    if let threads, !(1...Team.maxThreads).contains(threads) {
      throw ClozeError(.invalidArgument, "threads = \(threads), expected 1 to \(Team.maxThreads)")
    }
    self.model = model
    self.threads = threads ?? min(defaultThreads(), Team.maxThreads)
    encoder = try Encoder(model: model, threads: self.threads)
  }

  /// Makes the call that is running on this session throw `cancelled` within milliseconds. Does
  /// nothing when none is running.
  public func cancel() { encoder.team.stop() }

  /// The texts that the call on texts that is running has done, and all of its texts; 0 of 0 when none is running.
  /// May be read from any thread.
  public var progress: (done: Int, total: Int) {
    let total = totalTexts.load(ordering: .acquiring)
    return (min(doneTexts.load(ordering: .relaxed), total), total)
  }

  package func begin(texts total: Int) {
    doneTexts.store(0, ordering: .relaxed)
    totalTexts.store(total, ordering: .releasing)
  }

  package func finish(texts done: Int) { doneTexts.store(done, ordering: .relaxed) }

  /// Throws where the call that runs was cancelled.
  package func checkCancellation() throws(ClozeError) {
    guard !encoder.team.isStopped else { throw ClozeError(.cancelled, "cancelled") }
  }

  /// Whether a call is running; what is only valid within `exclusively` asserts it.
  var isRunning: Bool { running.load(ordering: .relaxed) }

  /// Runs `body` as this session's only call, under the library's floating-point environment.
  ///
  /// Every public call enters here once, and takes back any earlier cancellation with it. Below it
  /// only what threads start with sets the floating-point environment.
  package func exclusively<Result>(_ body: () throws(ClozeError) -> Result) throws(ClozeError) -> Result {
    guard running.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged else {
      throw ClozeError(.busy, "another call is running on this session; use a session for each thread")
    }
    defer {
      begin(texts: 0)
      running.store(false, ordering: .releasing)
    }
    encoder.team.resume()
    let saved = cloze_float_environment_enter()
    defer { cloze_float_environment_restore(saved) }
    return try body()
  }
}
