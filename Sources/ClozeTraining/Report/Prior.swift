internal import Cloze
internal import Glibc

/// What is known of targets before a text is read: how often each label occurs, or the mean of the numbers.
struct Prior {
  /// [C] of each output, in examples, words or tokens; empty: unknown.
  var counts: [Int] = []
  /// Of numbers; nil: unknown.
  var mean: Float?
  /// Whether of the training examples; else of those that are evaluated.
  var isOfTraining: Bool

  /// Counts the targets of examples.
  init(_ dataset: Dataset, labels: [String], isOfTraining: Bool) {
    self.isOfTraining = isOfTraining
    let found = dataset.labelCounts
    if !labels.isEmpty { counts = labels.map { found[$0] ?? 0 } }
    var (sum, numbers) = (0.0, 0)
    for example in dataset.examples {
      guard case .scored(_, let value) = example.content else { continue }
      sum += Double(value)
      numbers += 1
    }
    if numbers > 0 { mean = Float(sum / Double(numbers)) }
  }

  /// Counts tokens, each once more than it occurs, so that one which does not has a frequency too (Laplace).
  init(tokens: [Int32], vocabulary: Int, isOfTraining: Bool) {
    self.isOfTraining = isOfTraining
    counts = Array(repeating: 1, count: vocabulary)
    for token in tokens where counts.indices.contains(Int(token)) { counts[Int(token)] += 1 }
  }

  /// Of the training examples of a head; nil where it does not know them.
  init?(_ head: Head) {
    guard !head.labelCounts.isEmpty || head.meanValue != nil else { return nil }
    counts = head.labelCounts
    mean = head.meanValue
    isOfTraining = true
  }

  /// The first of the most frequent labels; nil where none is counted.
  var mostFrequent: Int? {
    var best: Int?
    for (label, count) in counts.enumerated() where count > (best.map { counts[$0] } ?? 0) { best = label }
    return best
  }

  /// The mean of -log p[class] over the rows that count, with p the share of each label.
  func crossEntropy(_ classes: [Int32]) -> Double {
    // A head's file may hold any numbers.
    let total = counts.reduce(0.0) { $0 + Double($1) }
    var (sum, rows) = (0.0, 0)
    for label in classes where label >= 0 {
      sum -= Glibc.log(Double(counts[Int(label)]) / total)
      rows += 1
    }
    return sum / Double(max(rows, 1))
  }
}
