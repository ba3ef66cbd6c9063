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

  private let keepsLogits: Bool
  private let arithmetic: Arithmetic

  private init(
    _ data: TokenizedDataset, _ examples: [Example], labels: [String], noAnswerThreshold: Float?, outputs: Int,
    keepsLogits: Bool, _ arithmetic: Arithmetic
  ) {
    self.arithmetic = arithmetic
    self.data = data
    self.examples = examples
    self.labels = labels
    self.noAnswerThreshold = noAnswerThreshold
    self.outputs = outputs
    self.keepsLogits = keepsLogits
    if keepsLogits { logits.reserveCapacity(data.rows * outputs) }
  }

  /// Runs all items through a head that is trained, a limited number of tokens and rows at a time.
  init(
    _ model: TrainableModel, _ set: FeatureSet, _ examples: [Example], labels: [String], noAnswerThreshold: Float?,
    keepsLogits: Bool
  ) throws(ClozeError) {
    self.init(
      set.data, examples, labels: labels, noAnswerThreshold: noAnswerThreshold, outputs: model.network.outputs,
      keepsLogits: keepsLogits, model.network.arithmetic)
    var first = 0
    while first < data.items {
      var last = first + 1
      while last < data.items, data.rowOffsets[last + 1] - data.rowOffsets[first] <= (keepsLogits ? 2048 : 256),
        model.stack == nil || data.offsets[last + 1] - data.offsets[first] <= 4096
      { last += 1 }
      let (values, offsets) = try model.forward(set, first..<last)
      try add(values, first..<last, offsets: offsets)
      first = last
    }
    loss /= Double(max(counted, 1))
  }

  /// Runs all items through a session's head, in batches of one chunk; within `exclusively`.
  ///
  /// - Parameter progress: called with the number of items done.
  init(
    _ session: Session, _ head: EvaluatedHead, _ data: TokenizedDataset, _ examples: [Example],
    progress: (_ done: Int) -> Void
  ) throws(ClozeError) {
    self.init(
      data, examples, labels: head.labels, noAnswerThreshold: head.noAnswerThreshold, outputs: head.outputs,
      keepsLogits: head.task != .mlm, try Arithmetic(threads: 1, isa: session.model.info.isa))
    // Two sequences an item where pairs are read apart.
    let each = data.sequences / max(data.items, 1)
    var first = 0
    while first < data.items {
      var last = first + 1
      while last < data.items, data.offsets[(last + 1) * each] - data.offsets[first * each] <= Session.chunkTokens {
        last += 1
      }
      let tokens = data.offsets[first * each]..<data.offsets[last * each]
      let rows = data.rowOffsets[first...last].map { $0 - data.rowOffsets[first] }
      let positions = data.positions.map { positions in
        positions[data.rowOffsets[first]..<data.rowOffsets[last]].map { Int64($0 - tokens.lowerBound) }
      }
      var values = try session.outputs(
        of: head, ids: data.ids[tokens], typeIDs: data.typeIDs[tokens],
        offsets: data.offsets[(first * each)...(last * each)].map { $0 - tokens.lowerBound }, at: positions)
      try values.withUnsafeMutableBufferPointer { values throws(ClozeError) in
        if let base = values.baseAddress { try add(base, first..<last, offsets: rows) }
      }
      first = last
      progress(first)
    }
    loss /= Double(max(counted, 1))
  }

  /// Takes the outputs for some items, [rows, outputs], which are overwritten.
  ///
  /// - Parameter offsets: where each item's rows begin.
  private mutating func add(_ values: UnsafeMutablePointer<Float>, _ items: Range<Int>, offsets: [Int])
    throws(ClozeError)
  {
    let rows = offsets[offsets.count - 1]
    let targets = data.targets(items)
    if keepsLogits { logits.append(contentsOf: UnsafeBufferPointer(start: values, count: rows * outputs)) }
    var count = items.count
    if case .classes(let classes) = targets {
      count = classes.count { $0 >= 0 }
      for row in 0..<rows where argmax(values + row * outputs, outputs) == Int(classes[row]) { correct += 1 }
    }
    let mean = try Loss()(values, rows: rows, outputs: outputs, targets, offsets: offsets, arithmetic)
    loss += Double(mean) * Double(count)
    counted += count
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
      return Double(arithmetic.logSumExp(z, outputs) - z[`class`])
    }
  }

  /// [C, C] rows that count: true class by predicted class.
  var confusion: [[Int]] {
    var confusion = Array(repeating: Array(repeating: 0, count: outputs), count: outputs)
    for (row, truth) in data.classes.enumerated() where truth >= 0 { confusion[Int(truth)][predictedClass(row)] += 1 }
    return confusion
  }

  /// The metrics with the loss, and what a report shows beside them.
  func scores(of task: any TrainingTask) -> TaskScores {
    var scores = task.evaluate(self)
    scores.metrics.values.append(("loss", loss))
    return scores
  }

  /// All that is known of these predictions.
  ///
  /// - Parameter metric: the one that counts.
  func evaluation(of task: any TrainingTask, metric: String, _ prior: Prior) -> Evaluation {
    let scores = scores(of: task)
    var baseline: Baseline?
    if let (rule, metrics) = task.baseline(self, prior), let value = metrics[metric], value.isFinite {
      var isOfTraining: Bool? = prior.isOfTraining
      switch rule {
      case .noAnswer, .wholePassage: isOfTraining = nil
      case .label, .mean, .frequencies: break
      }
      baseline = Baseline(rule: rule, value: value, metrics: metrics, isOfTraining: isOfTraining)
    }
    return Evaluation(
      task: task.task, metrics: scores.metrics, metric: metric, baseline: baseline, examples: examples.count,
      truncated: data.truncated, labels: labels, classes: task.classScores(self, confusion: scores.confusion),
      entities: task.entityScores(self), confusion: scores.confusion, scatter: scores.scatter,
      mistakes: mistakes(of: task), trainingCounts: prior.isOfTraining && task.task != .mlm ? prior.counts : [])
  }

  /// The examples that are most wrong, worst first.
  private func mistakes(of task: any TrainingTask, atMost count: Int = 50) -> [Mistake] {
    let found = task.mistakes(self).sorted { $0.loss > $1.loss || $0.loss == $1.loss && $0.example < $1.example }
    return found.prefix(count).map {
      let example = examples[$0.example]
      return Mistake(
        example: $0.example, place: example.place, text: example.content.summary, truth: $0.truth,
        predicted: $0.predicted, loss: $0.loss)
    }
  }
}

/// How good predictions are.
struct TaskScores {
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
