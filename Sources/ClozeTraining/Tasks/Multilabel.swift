internal import Cloze
internal import ClozeIO
internal import Glibc

/// Any number of labels for a text.
struct Multilabel: TrainingTask {
  var task: Head.Task { .multilabel }
  var labelKey: String { "labels" }
  var allowsSmoothing: Bool { true }
  var metrics: [String] { ["f1_micro", "f1_macro", "accuracy"] }

  /// Labels in a table are separated by commas.
  func content(_ text: Text, label: String) throws(ClozeError) -> Example.Content {
    .labelled(text, labels: label.split(separator: ",").map { String($0).trimmed }.filter { !$0.isEmpty })
  }

  func content(_ line: JSONField, _ format: DataFormat) throws(ClozeError) -> Example.Content {
    let text = try text(line, format)
    let field = try line.wanted(format.label, labelKey, "--label")
    return .labelled(text, labels: try field.isArray ? field.scalars() : [field.scalar()])
  }

  func labels(of dataset: Dataset) throws(ClozeError) -> [String] { try dataset.labels(atLeast: 1) }

  func append(_ content: Example.Content, _ index: Int, to data: inout TokenizedDataset, _ preparation: Preparation)
    throws(ClozeError)
  {
    guard case .labelled(let text, let labels) = content else { throw mismatch() }
    try preparation.append(text, to: &data)
    var probabilities = [Float](repeating: 0, count: preparation.labels.count)
    for label in labels { probabilities[Int(try preparation.classIndex(label))] = 1 }
    data.labels += probabilities
  }

  func evaluate(_ predictions: Predictions) -> TaskScores {
    TaskScores(
      metrics: .labels(truth: truth(predictions), predicted: predicted(predictions), count: predictions.outputs))
  }

  func classScores(_ predictions: Predictions, confusion: [[Int]]) -> [ClassScore] {
    ClassScore.labels(predictions.labels, truth: truth(predictions), predicted: predicted(predictions))
  }

  func baseline(_ predictions: Predictions, _ prior: Prior) -> (rule: Baseline.Rule, metrics: Metrics)? {
    guard let best = prior.mostFrequent, predictions.labels.indices.contains(best) else { return nil }
    let count = predictions.outputs
    let always = (0..<predictions.data.labels.count).map { $0 % count == best }
    return (.label(predictions.labels[best]), .labels(truth: truth(predictions), predicted: always, count: count))
  }

  private func truth(_ predictions: Predictions) -> [Bool] { predictions.data.labels.map { $0 > 0.5 } }
  private func predicted(_ predictions: Predictions) -> [Bool] { predictions.logits.map { $0 > 0 } }

  func mistakes(_ predictions: Predictions) -> [WrongPrediction] {
    let (outputs, targets) = (predictions.outputs, predictions.data.labels)
    return (0..<predictions.data.items).compactMap { row in
      var (sum, truth, guess): (Double, [String], [String]) = (0, [], [])
      for c in 0..<outputs {
        let z = Double(predictions.logits[row * outputs + c])
        let isSet = targets[row * outputs + c] > 0.5
        sum += max(z, 0) - (isSet ? z : 0) + Glibc.log(1 + Glibc.exp(-abs(z)))
        if isSet { truth.append(predictions.labels[c]) }
        if z > 0 { guess.append(predictions.labels[c]) }
      }
      guard truth != guess else { return nil }
      return WrongPrediction(
        example: row, truth: truth.joined(separator: ", "), predicted: guess.joined(separator: ", "), loss: sum)
    }
  }
}
