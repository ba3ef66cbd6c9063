internal import Cloze

/// Metrics of predictions on a data set, the deciding one first.
public struct Metrics: Sendable {
  /// Names as in JSON, with their values.
  public var values: [(name: String, value: Double)]

  /// The value of a metric; nil where there is none of this name.
  public subscript(name: String) -> Double? { values.first { $0.name == name }?.value }

  init(_ values: [(name: String, value: Double)]) { self.values = values }

  /// Whether smaller values are better.
  static func isLoss(_ name: String) -> Bool { name == "loss" || name == "perplexity" || name == "mse" }

  /// Of single classes, as in scikit-learn; micro-averaged F1 is the accuracy.
  ///
  /// - Parameter confusion: [C, C] true class by predicted class.
  static func classes(_ confusion: [[Int]]) -> Metrics {
    let total = confusion.reduce(0) { $0 + $1.reduce(0, +) }
    let right = confusion.indices.reduce(0) { $0 + confusion[$1][$1] }
    let accuracy = Double(right) / Double(max(total, 1))
    var scores: [Double] = []
    // Matthews' coefficient of several classes (Gorodkin 2004).
    var (covariance, ofTruth, ofPredicted) = (
      Double(right) * Double(total), Double(total) * Double(total), Double(total) * Double(total)
    )
    for c in confusion.indices {
      let truth = confusion[c].reduce(0, +)
      let predicted = confusion.reduce(0) { $0 + $1[c] }
      covariance -= Double(truth) * Double(predicted)
      ofTruth -= Double(truth) * Double(truth)
      ofPredicted -= Double(predicted) * Double(predicted)
      if truth + predicted > 0 { scores.append(2 * Double(confusion[c][c]) / Double(truth + predicted)) }
    }
    let spread = (ofTruth * ofPredicted).squareRoot()
    let macro = scores.reduce(0, +) / Double(max(scores.count, 1))
    return Metrics([
      ("accuracy", accuracy), ("f1_macro", macro), ("f1_micro", accuracy),
      ("matthews", spread > 0 ? covariance / spread : 0),
    ])
  }

  /// Of labels that do not exclude each other; accuracy counts texts whose labels are all right.
  static func labels(truth: [Bool], predicted: [Bool], count: Int) -> Metrics {
    var (both, all): ([Int], [Int]) = (Array(repeating: 0, count: count), Array(repeating: 0, count: count))
    var exact = 0
    let rows = truth.count / max(count, 1)
    for row in 0..<rows {
      var isExact = true
      for c in 0..<count {
        let (t, p) = (truth[row * count + c], predicted[row * count + c])
        if t, p { both[c] += 1 }
        all[c] += (t ? 1 : 0) + (p ? 1 : 0)
        if t != p { isExact = false }
      }
      if isExact { exact += 1 }
    }
    let scores = zip(both, all).map { $1 > 0 ? 2 * Double($0) / Double($1) : 0 }
    let sum = all.reduce(0, +)
    return Metrics([
      ("f1_micro", sum > 0 ? 2 * Double(both.reduce(0, +)) / Double(sum) : 0),
      ("f1_macro", scores.reduce(0, +) / Double(max(count, 1))), ("accuracy", Double(exact) / Double(max(rows, 1))),
    ])
  }

  /// Of regression.
  static func values(truth: [Float], predicted: [Float]) -> Metrics {
    let (x, y) = (truth.map(Double.init), predicted.map(Double.init))
    let error = zip(x, y).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    return Metrics([
      ("pearson", correlation(x, y)), ("spearman", correlation(ranks(x), ranks(y))),
      ("mse", error / Double(max(x.count, 1))),
    ])
  }

  /// Pearson's correlation; 0 where one of the two is constant.
  static func correlation(_ x: [Double], _ y: [Double]) -> Double {
    let count = Double(max(x.count, 1))
    let (meanX, meanY) = (x.reduce(0, +) / count, y.reduce(0, +) / count)
    var (xy, xx, yy) = (0.0, 0.0, 0.0)
    for (a, b) in zip(x, y) {
      xy += (a - meanX) * (b - meanY)
      xx += (a - meanX) * (a - meanX)
      yy += (b - meanY) * (b - meanY)
    }
    let spread = (xx * yy).squareRoot()
    return spread > 0 ? xy / spread : 0
  }

  /// Ranks from 1; ties share their mean rank.
  static func ranks(_ values: [Double]) -> [Double] {
    let order = values.indices.sorted { values[$0] < values[$1] || values[$0] == values[$1] && $0 < $1 }
    var ranks = [Double](repeating: 0, count: values.count)
    var first = 0
    while first < order.count {
      var last = first
      while last + 1 < order.count, values[order[last + 1]] == values[order[first]] { last += 1 }
      for place in first...last { ranks[order[place]] = Double(first + last) / 2 + 1 }
      first = last + 1
    }
    return ranks
  }

  /// Of tags, by whole entities, as seqeval counts in its default mode: an entity is right where
  /// type, first and last word are. Accuracy is of single tags.
  static func tags(truth: [[String]], predicted: [[String]]) -> Metrics {
    var (right, found, expected, equal, total) = (0, 0, 0, 0, 0)
    for (t, p) in zip(truth, predicted) {
      let entities = Set(Entity.all(in: t))
      let guesses = Set(Entity.all(in: p))
      right += entities.intersection(guesses).count
      found += guesses.count
      expected += entities.count
      for (a, b) in zip(t, p) where a == b { equal += 1 }
      total += t.count
    }
    let (precision, recall) = (Double(right) / Double(max(found, 1)), Double(right) / Double(max(expected, 1)))
    let sum = found + expected
    return Metrics([
      ("f1", sum > 0 ? 2 * Double(right) / Double(sum) : 0), ("precision", precision), ("recall", recall),
      ("accuracy", Double(equal) / Double(max(total, 1))),
    ])
  }
}
