internal import Cloze
internal import ClozeIO

/// One class for a text or a pair of texts.
struct Classification: TrainingTask {
  let task: Head.Task
  var hasClasses: Bool { true }
  var metrics: [String] { ["accuracy", "f1_macro", "f1_micro", "matthews"] }

  func labels(of dataset: Dataset) throws(ClozeError) -> [String] { try dataset.labels(atLeast: 2) }

  func append(_ content: Example.Content, _ index: Int, to data: inout TokenizedDataset, _ preparation: Preparation)
    throws(ClozeError)
  {
    guard case .text(let text, let label) = content else { throw mismatch() }
    try preparation.append(text, isPair: task.takesPairs, to: &data)
    data.classes.append(try label.map(preparation.classIndex) ?? -1)
  }

  func evaluate(_ predictions: Predictions) -> TaskScores {
    let confusion = predictions.confusion
    return TaskScores(metrics: .classes(confusion), confusion: confusion)
  }

  func baseline(_ predictions: Predictions, _ prior: Prior) -> (rule: Baseline.Rule, metrics: Metrics)? {
    guard let best = prior.mostFrequent, predictions.labels.indices.contains(best) else { return nil }
    // Without the matrix of so many columns of zeros: no class but this one has true positives.
    var supports = [Int](repeating: 0, count: predictions.outputs)
    for truth in predictions.data.classes where truth >= 0 { supports[Int(truth)] += 1 }
    let (right, total) = (Double(supports[best]), Double(max(supports.reduce(0, +), 1)))
    let occurring = supports.indices.count { supports[$0] > 0 || $0 == best }
    let metrics = Metrics([
      ("accuracy", right / total), ("f1_macro", 2 * right / (right + total) / Double(occurring)),
      ("f1_micro", right / total), ("matthews", 0), ("loss", prior.crossEntropy(predictions.data.classes)),
    ])
    return (.label(predictions.labels[best]), metrics)
  }

  func mistakes(_ predictions: Predictions) -> [WrongPrediction] {
    predictions.data.classes.enumerated().compactMap { row, truth in
      let guess = predictions.predictedClass(row)
      guard truth >= 0, guess != truth else { return nil }
      return WrongPrediction(
        example: row, truth: predictions.labels[Int(truth)], predicted: predictions.labels[guess],
        loss: predictions.crossEntropy(row, Int(truth)))
    }
  }
}
