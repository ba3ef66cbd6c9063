import ClozeIO
import ClozeTraining

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
