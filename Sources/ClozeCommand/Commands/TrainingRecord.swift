import ClozeIO
import ClozeTraining
import Glibc

/// Writes `steps.jsonl`: one JSON object per step and epoch, flushed after each epoch.
final class TrainingRecorder {
  private let writer: ByteWriter
  private let descriptor: Int32
  private var failure: (any Error)?

  init(folder: String, isResumed: Bool) throws {
    let path = "\(folder)/steps.jsonl"
    descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (isResumed ? O_APPEND : O_TRUNC), 0o666)
    guard descriptor >= 0 else { throw ClozeError.system("cannot write to \(path)") }
    writer = ByteWriter(descriptor: descriptor, name: path)
  }

  deinit { close(descriptor) }

  func add(_ event: TrainingEvent) {
    do {
      switch event {
      case .features, .result: break
      case .step(let step):
        try writer.write(
          JSONWriter.line {
            $0.value("step", step.step)
            $0.value("epoch", step.epoch)
            $0.value("loss", step.loss)
            $0.value("gradient_norm", step.gradientNorm)
            $0.value("learning_rate", step.learningRate)
          })
      case .epoch(let epoch):
        try writer.write(
          JSONWriter.line {
            $0.value("epoch", epoch.epoch)
            $0.value("mean_loss", epoch.loss)
            $0.value("best", epoch.isBest)
            $0.object("metrics") { for (name, value) in epoch.metrics.values { $0.value(name, value) } }
          })
        try writer.flush()
      }
    } catch { failure = failure ?? error }
  }

  func finish() throws {
    if let failure { throw failure }
    try writer.flush()
  }
}

/// The status line of training.
struct TrainingProgress {
  private let start = Clock.seconds()
  /// When the features were complete; the start of training if none are computed.
  private var featuresEnd = Clock.seconds()
  private var metrics = ""
  private var status = StatusLine()

  mutating func show(_ event: TrainingEvent) {
    switch event {
    case .features(let done, let total):
      featuresEnd = Clock.seconds()
      show(done, total, since: start, "\(grouped(done)) of \(grouped(total)) texts encoded")
    case .step(let step):
      let loss = fixed(step.loss, digits: 4)
      show(step.step, step.steps, since: featuresEnd, "epoch \(step.epoch)  loss \(loss)  \(metrics)")
    case .epoch(let epoch):
      metrics = epoch.metrics.values.prefix(1).map { "\($0.name) \(fixed($0.value, digits: 4))" }.joined()
    case .result: break
    }
  }

  mutating func clear() { status.clear() }

  private mutating func show(_ done: Int, _ total: Int, since begin: Double, _ facts: String) {
    status.show { width in
      let share = min(1, Double(done) / Double(max(total, 1)))
      let rest = (Clock.seconds() - begin) * (1 - share) / share
      let left = share > 0.01 ? Progress.duration(rest) + " left  " : ""
      return clipped(
        "\(StatusLine.bar(share, width: 20))  \(Int(share * 100)) %  \(left)\(facts)", to: max(1, width - 1))
    }
  }
}
