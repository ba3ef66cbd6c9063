internal import Cloze
internal import ClozeIO

/// What a head outputs for a set of examples, beside what it should.
struct Predictions {
  let data: TokenizedDataset
  let examples: [Example]
  let labels: [String]
  let noAnswerThreshold: Float?
  /// C, of each row.
  let outputs: Int
  /// [rows, C]; empty of a masked language model, whose would be too many.
  private(set) var logits: [Float] = []
  /// The mean over rows, or windows, without smoothing and class weights.
  private(set) var loss = 0.0
  /// Rows that count, and those of them whose largest logit is their class's; of targets that are classes.
  private(set) var counted = 0
  private(set) var correct = 0

  /// Runs all items through the head, a limited number of tokens and rows at a time.
  init(
    _ model: TrainableModel, _ set: FeatureSet, _ examples: [Example], labels: [String], noAnswerThreshold: Float?,
    keepsLogits: Bool
  ) throws(ClozeError) {
    data = set.data
    self.examples = examples
    self.labels = labels
    self.noAnswerThreshold = noAnswerThreshold
    outputs = model.network.outputs
    if keepsLogits { logits.reserveCapacity(data.rows * outputs) }
    var first = 0
    while first < data.items {
      var last = first + 1
      while last < data.items, data.rowOffsets[last + 1] - data.rowOffsets[first] <= (keepsLogits ? 2048 : 256),
        model.stack == nil || data.offsets[last + 1] - data.offsets[first] <= 4096
      { last += 1 }
      let (values, offsets) = try model.forward(set, first..<last)
      let rows = offsets[offsets.count - 1]
      let targets = data.targets(first..<last)
      if keepsLogits { logits.append(contentsOf: UnsafeBufferPointer(start: values, count: rows * outputs)) }
      var count = last - first
      if case .classes(let classes) = targets {
        count = classes.count { $0 >= 0 }
        for row in 0..<rows where argmax(values + row * outputs, outputs) == Int(classes[row]) { correct += 1 }
      }
      let mean = Loss()(values, rows: rows, outputs: outputs, targets, offsets: offsets)
      loss += Double(mean) * Double(count)
      counted += count
      first = last
    }
    loss /= Double(max(counted, 1))
  }

  /// The class of a row's largest logit.
  func predictedClass(_ row: Int) -> Int {
    logits.withUnsafeBufferPointer { logits in logits.baseAddress.map { argmax($0 + row * outputs, outputs) } ?? 0 }
  }

  /// -log softmax(logits)[class] of a row.
  func crossEntropy(_ row: Int, _ class: Int) -> Double {
    logits.withUnsafeBufferPointer { logits in
      guard let base = logits.baseAddress else { return 0 }
      let z = base + row * outputs
      return Double(logSumExp(z, outputs) - z[`class`])
    }
  }

  /// [C, C] rows that count: true class by predicted class.
  var confusion: [[Int]] {
    var confusion = Array(repeating: Array(repeating: 0, count: outputs), count: outputs)
    for (row, truth) in data.classes.enumerated() where truth >= 0 { confusion[Int(truth)][predictedClass(row)] += 1 }
    return confusion
  }

  /// The examples that are most wrong, worst first.
  func mistakes(of task: any TrainingTask, atMost count: Int = 50) -> [Mistake] {
    let found = task.mistakes(self).sorted { $0.loss > $1.loss || $0.loss == $1.loss && $0.example < $1.example }
    return found.prefix(count).map {
      let example = examples[$0.example]
      return Mistake(
        place: example.place, text: example.content.summary, truth: $0.truth, predicted: $0.predicted, loss: $0.loss)
    }
  }
}

/// How good predictions are.
struct Evaluation {
  var metrics: Metrics
  /// [C, C] true class by predicted class; empty where there are no classes.
  var confusion: [[Int]] = []
  /// Of numbers.
  var scatter: [(truth: Float, predicted: Float)] = []
}

/// The first of the largest values.
private func argmax(_ values: UnsafePointer<Float>, _ count: Int) -> Int {
  var best = 0
  for i in 1..<max(count, 1) where values[i] > values[best] { best = i }
  return best
}
