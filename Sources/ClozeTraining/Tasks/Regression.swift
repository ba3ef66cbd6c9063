internal import Cloze
internal import ClozeIO

/// A number for a text or a pair of texts.
struct Regression: TrainingTask {
  let task: Head.Task
  var labelKey: String { "value" }
  var metrics: [String] { ["pearson", "spearman", "mse"] }
  var mistakeMeasure: String { "distance" }

  func content(_ text: Text, label: String) throws(ClozeError) -> Example.Content {
    guard let value = Float(label), value.isFinite else {
      throw ClozeError(.invalidText, "\"\(label)\" is not a number")
    }
    return .scored(text, value: value)
  }

  func append(_ content: Example.Content, _ index: Int, to data: inout TokenizedDataset, _ preparation: Preparation)
    throws(ClozeError)
  {
    guard case .scored(let text, let value) = content else { throw mismatch() }
    guard value.isFinite else { throw ClozeError(.invalidText, "the value is not finite") }
    try preparation.append(text, isPair: task.takesPairs, to: &data)
    data.values.append(value)
  }

  func outputs(labels: [String]) -> Int { 1 }

  func evaluate(_ predictions: Predictions) -> TaskScores {
    let truth = predictions.data.values
    return TaskScores(
      metrics: .values(truth: truth, predicted: predictions.logits),
      scatter: zip(truth, predictions.logits).map { (truth: $0, predicted: $1) })
  }

  func baseline(_ predictions: Predictions, _ prior: Prior) -> (rule: Baseline.Rule, metrics: Metrics)? {
    guard let mean = prior.mean else { return nil }
    let truth = predictions.data.values
    var metrics = Metrics.values(truth: truth, predicted: Array(repeating: mean, count: truth.count))
    metrics.values.append(("loss", metrics["mse"] ?? 0))
    return (.mean(mean), metrics)
  }

  func mistakes(_ predictions: Predictions) -> [WrongPrediction] {
    zip(predictions.data.values, predictions.logits).enumerated().map { row, pair in
      WrongPrediction(example: row, truth: short(pair.0), predicted: short(pair.1), loss: Double(abs(pair.0 - pair.1)))
    }
  }

  private func short(_ value: Float) -> String { "\((value * 1000).rounded() / 1000)" }
}
