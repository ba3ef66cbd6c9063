internal import Cloze
internal import ClozeIO

/// What a head says of a set of examples, and how that compares with what is right.
struct Evaluation {
  var metrics: Metrics
  /// Mean over rows (or windows) of the plain loss.
  var loss: Double
  /// [rows, C]; empty for `mlm`.
  var logits: [Float]
  var outputs: Int
  /// Rows of true classes, columns of predicted ones; empty for tasks without classes.
  var confusion: [[Int]] = []
  /// `answer`: what is said of each example.
  var answers: [String] = []
}

struct Evaluator {
  let task: Head.Task
  let labels: [String]
  let noAnswerThreshold: Float?

  /// Runs all items through the head, some at a time.
  func evaluate(
    _ model: TrainedModel, _ set: LoadedSet, _ examples: [Example]
  ) throws(ClozeError) -> Evaluation {
    let prepared = set.prepared
    let outputs = model.network.shape.layers.last?.outputs ?? 0
    var logits: [Float] = []
    if task != .mlm { logits.reserveCapacity(prepared.rows * outputs) }
    var (loss, counted, right) = (0.0, 0, 0)
    var item = 0
    while item < prepared.items {
      var last = item + 1
      while last < prepared.items,
        prepared.bounds[last + 1] - prepared.bounds[item] <= (task == .mlm ? 256 : 2048),
        model.stack == nil
          || prepared.sequences.bounds[last + 1] - prepared.sequences.bounds[item] <= 4096
      { last += 1 }
      let (values, bounds) = try model.forward(set, item..<last)
      let rows = bounds[bounds.count - 1]
      let targets = prepared.targets(item..<last, task: task, outputs: outputs)
      if task != .mlm {
        logits.append(contentsOf: UnsafeBufferPointer(start: values, count: rows * outputs))
      } else if case .classes(let classes) = targets {
        for row in 0..<rows {
          if largest(values + row * outputs, outputs) == Int(classes[row]) { right += 1 }
        }
      }
      let count =
        if case .classes(let classes) = targets { classes.count { $0 >= 0 } } else { last - item }
      let mean = Loss()(values, rows: rows, outputs: outputs, targets, bounds: bounds)
      loss += Double(mean) * Double(count)
      counted += count
      item = last
    }
    loss /= Double(max(counted, 1))
    var result = Evaluation(metrics: Metrics([]), loss: loss, logits: logits, outputs: outputs)
    judge(prepared, examples, right, counted, &result)
    result.metrics.values.append(("loss", loss))
    return result
  }

  private func judge(
    _ prepared: Prepared, _ examples: [Example], _ right: Int, _ counted: Int,
    _ result: inout Evaluation
  ) {
    let outputs = result.outputs
    switch task {
    case .classify, .classifyPairs, .nsp:
      var confusion = Array(repeating: Array(repeating: 0, count: outputs), count: outputs)
      for row in 0..<prepared.items where prepared.classes[row] >= 0 {
        confusion[Int(prepared.classes[row])][largest(result.logits, row, outputs)] += 1
      }
      result.confusion = confusion
      result.metrics = Metrics.classes(confusion)
    case .multilabel:
      result.metrics = Metrics.labels(
        truth: prepared.labels.map { $0 > 0.5 }, predicted: result.logits.map { $0 > 0 },
        count: outputs)
    case .regress, .regressPairs:
      result.metrics = Metrics.values(truth: prepared.values, predicted: result.logits)
    case .tag:
      var confusion = Array(repeating: Array(repeating: 0, count: outputs), count: outputs)
      var (truth, predicted): ([[String]], [[String]]) = ([], [])
      for item in 0..<prepared.items {
        var tags = Array(repeating: "O", count: prepared.words[item])
        for row in prepared.bounds[item]..<prepared.bounds[item + 1] {
          let guess = largest(result.logits, row, outputs)
          tags[prepared.wordOfRow[row]] = labels[guess]
          if prepared.classes[row] >= 0 { confusion[Int(prepared.classes[row])][guess] += 1 }
        }
        predicted.append(tags)
        if case .words(_, let right) = examples[item].content { truth.append(right) }
      }
      result.confusion = confusion
      result.metrics = Metrics.tags(truth: truth, predicted: predicted)
    case .answer:
      judgeAnswers(prepared, examples, &result)
    case .mlm:
      result.metrics = Metrics([
        ("perplexity", Double.exp(min(result.loss, 700))),
        ("accuracy", Double(right) / Double(max(counted, 1))),
      ])
    }
  }

  private func judgeAnswers(
    _ prepared: Prepared, _ examples: [Example], _ result: inout Evaluation
  ) {
    var scores: [AnswerSearch] = Array(repeating: AnswerSearch(), count: examples.count)
    result.logits.withUnsafeBufferPointer { logits in
      for (item, window) in prepared.windows.enumerated() {
        let part = UnsafeBufferPointer(
          rebasing: logits[(2 * prepared.bounds[item])..<(2 * prepared.bounds[item + 1])])
        scores[window.example].add(
          part, first: window.first, last: window.last, offsets: window.offsets)
      }
    }
    var (exact, overlap) = (0.0, 0.0)
    for (example, search) in zip(examples, scores) {
      guard case .question(_, let passage, let answers, _) = example.content else { continue }
      let span = search.answer(threshold: noAnswerThreshold)
      let text = span.map { slice(passage, $0.begin, $0.end) } ?? ""
      result.answers.append(text)
      let right = answers.isEmpty ? [""] : answers.map(\.text)
      exact += right.map { SQuAD.exactMatch(text, $0) }.max() ?? 0
      overlap += right.map { SQuAD.f1(text, $0) }.max() ?? 0
    }
    let count = Double(max(examples.count, 1))
    result.metrics = Metrics([("f1", overlap / count), ("exact_match", exact / count)])
  }
}

/// The bytes from `begin` to `end` of a text.
func slice(_ text: String, _ begin: Int, _ end: Int) -> String {
  String(decoding: Array(text.utf8.dropFirst(begin).prefix(max(0, end - begin))), as: UTF8.self)
}

/// The first of the largest values.
func largest(_ values: UnsafePointer<Float>, _ count: Int) -> Int {
  var best = 0
  for i in 1..<max(count, 1) where values[i] > values[best] { best = i }
  return best
}

func largest(_ logits: [Float], _ row: Int, _ outputs: Int) -> Int {
  var best = 0
  for i in 1..<max(outputs, 1) where logits[row * outputs + i] > logits[row * outputs + best] {
    best = i
  }
  return best
}

/// The official scores of SQuAD (Rajpurkar et al. 2016, 2018).
enum SQuAD {
  static func exactMatch(_ guess: String, _ truth: String) -> Double {
    normalized(guess) == normalized(truth) ? 1 : 0
  }

  static func f1(_ guess: String, _ truth: String) -> Double {
    let (a, b) = (normalized(guess), normalized(truth))
    if a.isEmpty || b.isEmpty { return a.isEmpty && b.isEmpty ? 1 : 0 }
    var counts: [String: Int] = [:]
    for word in b { counts[word, default: 0] += 1 }
    var common = 0
    for word in a {
      if let count = counts[word], count > 0 {
        common += 1
        counts[word] = count - 1
      }
    }
    guard common > 0 else { return 0 }
    let (precision, recall) = (
      Double(common) / Double(a.count), Double(common) / Double(b.count)
    )
    return 2 * precision * recall / (precision + recall)
  }

  /// Words in lower case, without ASCII punctuation and articles.
  static func normalized(_ text: String) -> [String] {
    var kept = ""
    for scalar in text.lowercased().unicodeScalars {
      let isPunctuation =
        (33...47).contains(scalar.value) || (58...64).contains(scalar.value)
        || (91...96).contains(scalar.value) || (123...126).contains(scalar.value)
      if !isPunctuation { kept.unicodeScalars.append(scalar) }
    }
    return kept.split(whereSeparator: \.isWhitespace).map(String.init)
      .filter { $0 != "a" && $0 != "an" && $0 != "the" }
  }
}
