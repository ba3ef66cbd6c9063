public import Cloze

/// How good a head is on labelled examples: what training finds on its validation set, and `Session.evaluate` on any.
public struct Evaluation: Sendable {
  /// What the head answers.
  public var task: Head.Task
  /// All metrics, the task's first and the loss last.
  public var metrics: Metrics
  /// The one that counts: by which training chose the best weights, else the task's first.
  public var metric: String
  /// What a prediction that reads no text achieves; nil where there is none for the metric.
  public var baseline: Baseline?
  /// The number of examples.
  public var examples: Int
  /// Truncated texts.
  public var truncated: Int
  /// Reasons of bad lines and examples that were left out.
  public var skipped: [String] = []
  /// What reading the examples took for granted, and labels that look wrong, in sentences.
  public var dataRemarks: [String] = []
  /// The names of the head's outputs.
  public var labels: [String]
  /// Of each label.
  public var classes: [ClassScore]
  /// `tag`: of each type of entity.
  public var entities: [ClassScore]
  /// Of classes or tags, [C, C]: true class by predicted class; empty for other tasks.
  public var confusion: [[Int]]
  /// Of regression: true and predicted values.
  public var scatter: [(truth: Float, predicted: Float)]
  /// The wrong predictions with the largest loss, largest first, at most 50.
  public var mistakes: [Mistake]
  /// How often each of `labels` occurs in the training examples; empty: unknown.
  var trainingCounts: [Int] = []
  /// Of `skipped`, the reasons of examples with labels that the head does not know.
  var unknown: [String] = []

  /// The value of `metric`.
  public var value: Double { metrics[metric] ?? .nan }

  /// What a person should know of the examples and of these figures, in sentences.
  public var remarks: [String] { dataRemarks + findings }

  /// What a person should know of these figures: that the head is not better than the baseline, labels that occur once
  /// in training, and examples that were left out.
  public var findings: [String] {
    var all: [String] = []
    if let baseline, Metrics.isLoss(metric) ? !(value < baseline.value) : !(value > baseline.value) {
      let relation = Metrics.isLoss(metric) ? "below" : "above"
      all.append(
        "\(metric) \(fixed(value, 4)) is not \(relation) the baseline, \(fixed(baseline.value, 4)): \(baseline)")
    }
    let once = zip(labels, trainingCounts).filter { $0.1 == 1 }.map { "\"\($0.0)\"" }
    if once.count == 1 { all.append("the label \(once[0]) occurs once in training") }
    if once.count > 1 {
      let more = once.count > 5 ? " and \(once.count - 5) more" : ""
      all.append("\(once.count) labels occur once in training: \(once.prefix(5).joined(separator: ", "))\(more)")
    }
    if let first = unknown.first {
      all.append("\(DataReader.count(unknown.count, "example")) with unknown labels left out; \(first)")
    }
    return all
  }
}

/// A prediction that reads no text, by which one that does is judged.
public struct Baseline: Sendable, CustomStringConvertible {
  /// What it predicts.
  public enum Rule: Sendable {
    /// The most frequent label, tag or class.
    case label(String)
    /// The mean of all numbers.
    case mean(Float)
    /// Tokens by their frequencies.
    case frequencies
    /// That the passage has no answer.
    case noAnswer
    /// All of the passage.
    case wholePassage
  }

  public var rule: Rule
  /// Of the metric that counts.
  public var value: Double
  /// All metrics that it has.
  public var metrics: Metrics
  /// Whether labels were counted in the training examples, or, where these are not known, in those that are evaluated;
  /// nil where nothing is counted.
  public var isOfTraining: Bool?

  /// "always "no", the most frequent in training".
  public var description: String {
    let place = isOfTraining.map { $0 ? " in training" : " of these examples" } ?? ""
    return switch rule {
    case .label(let label): "always \"\(label)\", the most frequent\(place)"
    case .mean(let mean): "always \(fixed(Double(mean), 3)), the mean\(place)"
    case .frequencies: "tokens by their frequencies\(place)"
    case .noAnswer: "never an answer"
    case .wholePassage: "always the whole passage"
    }
  }
}

/// Precision, recall and F1 of one label or type of entity, as in scikit-learn and seqeval; 0 where they have no
/// denominator.
public struct ClassScore: Sendable {
  /// Of the label or type.
  public var name: String
  public var precision: Double
  public var recall: Double
  public var f1: Double
  /// How often it occurs in the examples.
  public var support: Int

  /// - Parameters:
  ///   - right: predictions of it that are right.
  ///   - predicted: all predictions of it.
  init(_ name: String, right: Int, predicted: Int, support: Int) {
    self.name = name
    self.support = support
    precision = predicted > 0 ? Double(right) / Double(predicted) : 0
    recall = support > 0 ? Double(right) / Double(support) : 0
    f1 = predicted + support > 0 ? 2 * Double(right) / Double(predicted + support) : 0
  }

  /// Of single classes.
  ///
  /// - Parameter confusion: [C, C] true class by predicted class; empty: none.
  static func classes(_ labels: [String], _ confusion: [[Int]]) -> [ClassScore] {
    guard confusion.count == labels.count else { return [] }
    return labels.enumerated().map { c, label in
      ClassScore(
        label, right: confusion[c][c], predicted: confusion.reduce(0) { $0 + $1[c] },
        support: confusion[c].reduce(0, +))
    }
  }

  /// Of labels that do not exclude each other, [rows, C].
  static func labels(_ labels: [String], truth: [Bool], predicted: [Bool]) -> [ClassScore] {
    labels.enumerated().map { c, label in
      var (right, found, expected) = (0, 0, 0)
      for i in stride(from: c, to: truth.count, by: labels.count) {
        if truth[i] { expected += 1 }
        if predicted[i] { found += 1 }
        if truth[i], predicted[i] { right += 1 }
      }
      return ClassScore(label, right: right, predicted: found, support: expected)
    }
  }

  /// Of the types of entities in tags, in the order of their UTF-8.
  static func entities(truth: [[String]], predicted: [[String]]) -> [ClassScore] {
    var counts: [String: (right: Int, predicted: Int, support: Int)] = [:]
    for (t, p) in zip(truth, predicted) {
      let (entities, guesses) = (Set(Entity.all(in: t)), Set(Entity.all(in: p)))
      for entity in entities { counts[entity.type, default: (0, 0, 0)].support += 1 }
      for entity in guesses {
        counts[entity.type, default: (0, 0, 0)].predicted += 1
        if entities.contains(entity) { counts[entity.type, default: (0, 0, 0)].right += 1 }
      }
    }
    let sorted = counts.sorted { Array($0.key.utf8).lexicographicallyPrecedes(Array($1.key.utf8)) }
    return sorted.map {
      ClassScore($0.key, right: $0.value.right, predicted: $0.value.predicted, support: $0.value.support)
    }
  }
}

/// A wrong prediction.
public struct Mistake: Sendable {
  /// The index of the example among those that were evaluated.
  public var example = 0
  /// Where the example was read; empty where a caller made it.
  public var place: String
  /// Its text or texts.
  public var text: String
  /// The label, or text, of the example.
  public var truth: String
  /// What the head predicts instead.
  public var predicted: String
  /// Cross-entropy; of regression the distance, of answers 1 - F1.
  public var loss: Double
}
