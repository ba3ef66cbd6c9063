// libcloze.so has no Swift interface, and needs nothing of the 1 MB that carries asynchronous functions.
#if !CLOZE_STANDALONE
  internal import Cloze
  public import ClozeIO
  internal import Glibc
  internal import Synchronization

  extension Trainer {
    /// Trains a head as `train` does, with its events as an asynchronous sequence; the last is the result.
    ///
    ///     for try await event in trainer.events(data) {
    ///       switch event {
    ///       case .features(let done, let total): print("\(done) of \(total) texts encoded")
    ///       case .step(let step): print(step.loss)
    ///       case .epoch(let epoch): print(epoch.metrics.values)
    ///       case .result(let result): try result.head.save(to: "head.safetensors")
    ///       }
    ///     }
    ///
    /// Training starts with the loop and runs on a thread of its own; it does not wait for the loop's body. When the
    /// task that runs the loop is cancelled, training ends after the present step, the last checkpoint stays, and then
    /// the loop throws `.cancelled`. When the loop is left early, training ends after the present step too, but nothing
    /// waits for it.
    public func events(_ train: Dataset, valid: Dataset? = nil) -> TrainingEvents {
      TrainingEvents(trainer: self, train: train, valid: valid)
    }
  }

  /// The events of a training in order, `.result` last. Every loop over it trains anew, or with
  /// `TrainingOptions.resume` from the last checkpoint.
  public struct TrainingEvents: AsyncSequence, Sendable {
    public typealias Element = TrainingEvent
    public typealias Failure = ClozeError

    let trainer: Trainer
    let train: Dataset
    let valid: Dataset?

    /// Starts the training.
    public func makeAsyncIterator() -> AsyncIterator {
      let channel = EventChannel()
      onThread { [self] in
        do throws(ClozeError) {
          _ = try trainer.train(train, valid: valid) { channel.send($0) }
          channel.finish(nil)
        } catch { channel.finish(error) }
      } orElse: { error in
        channel.finish(error)
      }
      return AsyncIterator(subscription: Subscription(channel))
    }

    /// Iterates over the events of one training.
    public struct AsyncIterator: AsyncIteratorProtocol {
      let subscription: Subscription

      /// Waits for the next event; nil after the result.
      public mutating func next(isolation actor: isolated (any Actor)?) async throws(ClozeError) -> TrainingEvent? {
        let channel = subscription.channel
        return try await withTaskCancellationHandler(
          operation: { await channel.next(isolation: actor) }, onCancel: { channel.cancel() }, isolation: actor
        ).get()
      }
    }

    /// Ends the training when the last iterator over it is gone.
    final class Subscription: Sendable {
      let channel: EventChannel

      init(_ channel: EventChannel) { self.channel = channel }

      deinit { channel.cancel() }
    }
  }

  /// A queue of events from the training thread to the tasks that wait for them.
  final class EventChannel: Sendable {
    typealias Answer = Result<TrainingEvent?, ClozeError>

    private struct State {
      /// Sent events; those before `next` have been taken.
      var events: [TrainingEvent] = []
      var next = 0
      var isCancelled = false
      /// The answer after the last event: nil or an error.
      var end: Answer?
      var waiting: [CheckedContinuation<Answer, Never>] = []

      /// The next event, or the end; nil while there is neither.
      mutating func answer() -> Answer? {
        guard next < events.count else { return end }
        next += 1
        defer {
          if next == events.count {
            events.removeAll(keepingCapacity: true)
            next = 0
          }
        }
        return .success(events[next - 1])
      }
    }

    private let state = Mutex(State())

    /// Queues an event; false after `cancel`.
    func send(_ event: TrainingEvent) -> Bool {
      let (waiting, goesOn) = state.withLock { state in
        let waiting = state.waiting.isEmpty ? nil : state.waiting.removeFirst()
        if waiting == nil { state.events.append(event) }
        return (waiting, !state.isCancelled)
      }
      waiting?.resume(returning: .success(event))
      return goesOn
    }

    func finish(_ error: ClozeError?) {
      let end: Answer = error.map { .failure($0) } ?? .success(nil)
      let waiting = state.withLock { state in
        state.end = end
        defer { state.waiting = [] }
        return state.waiting
      }
      for continuation in waiting { continuation.resume(returning: end) }
    }

    func cancel() { state.withLock { $0.isCancelled = true } }

    func next(isolation: isolated (any Actor)?) async -> Answer {
      await withCheckedContinuation(isolation: isolation) { continuation in
        let answer = state.withLock { state -> Answer? in
          let answer = state.answer()
          if answer == nil { state.waiting.append(continuation) }
          return answer
        }
        if let answer { continuation.resume(returning: answer) }
      }
    }
  }

  /// Runs `work` on a thread of its own, as it would block one of the few threads of Swift's tasks.
  private func onThread(_ work: @escaping @Sendable () -> Void, orElse fail: (ClozeError) -> Void) {
    final class Work: Sendable {
      let run: @Sendable () -> Void
      init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
    let box = Unmanaged.passRetained(Work(work))
    var thread = pthread_t()
    let code = pthread_create(
      &thread, nil,
      { pointer in
        // Optional on Linux, not on Darwin.
        let pointer: UnsafeMutableRawPointer? = pointer
        if let pointer { Unmanaged<Work>.fromOpaque(pointer).takeRetainedValue().run() }
        return nil
      }, box.toOpaque())
    guard code == 0 else {
      box.release()
      return fail(ClozeError(.outOfMemory, "cannot start a thread: \(systemError(code))"))
    }
    pthread_detach(thread)
  }
#endif
