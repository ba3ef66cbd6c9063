public import Cloze
public import ClozeIO
internal import Synchronization

/// Trains a head for one task on top of one encoder.
///
///     let trainer = try Trainer(model: model, task: .classify)
///     let result = try trainer.train(Dataset(path: "train.tsv", task: .classify)) { _ in true }
///     try result.head.save(to: "head.safetensors")
///
/// The same data, options and seed give the same bits, on any number of threads. One training at a time; a second one
/// at the same time is an error. `events` is the same as an asynchronous sequence.
public final class Trainer: Sendable {
  let setup: TrainingSetup
  private let running = Atomic<Bool>(false)

  /// The encoder.
  public var model: Model { setup.model }
  /// What is learned.
  public var task: Head.Task { setup.task.task }
  /// How.
  public var options: TrainingOptions { setup.options }

  /// Checks the options; nothing is computed yet.
  ///
  /// - Throws: `.invalidArgument` for an option out of range, or that would do nothing for the task.
  public init(model: Model, task: Head.Task, options: TrainingOptions = TrainingOptions()) throws(ClozeError) {
    setup = try TrainingSetup(model, task.training, options)
  }

  /// Trains a head, and returns it with the weights of the best epoch on the validation set.
  ///
  /// - Parameters:
  ///   - valid: nil: a share of `train` is held out, stratified by class.
  ///   - onEvent: called on this thread as training goes on; false ends it after the present step.
  /// - Throws: `.invalidText` for an example that can't be used, with its place; `.cancelled`; `.busy`;
  ///   `.invalidArgument`; `.io` and `.outOfMemory`.
  public func train(_ train: Dataset, valid: Dataset? = nil, onEvent: @escaping (TrainingEvent) -> Bool = { _ in true })
    throws(ClozeError) -> TrainingResult
  {
    guard running.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged else {
      throw ClozeError(.busy, "the trainer is running already")
    }
    let result: TrainingResult
    do {
      defer { running.store(false, ordering: .releasing) }
      result = try TrainingRun(setup, train, valid ?? Dataset(), onEvent).run()
    }
    // The trainer is free already, so that a listener may train again.
    _ = onEvent(.result(result))
    return result
  }
}
