internal import Cloze
internal import ClozeIO

extension Evaluator {
  /// The examples that are most wrong, worst first.
  func mistakes(
    _ evaluation: Evaluation, _ prepared: Prepared, _ examples: [Example], most: Int = 50
  ) -> [Mistake] {
    var found: [(loss: Double, example: Int, truth: String, predicted: String)] = []
    let outputs = evaluation.outputs
    switch task {
    case .classify, .classifyPairs, .nsp:
      for row in 0..<prepared.items where prepared.classes[row] >= 0 {
        let truth = Int(prepared.classes[row])
        let guess = largest(evaluation.logits, row, outputs)
        guard guess != truth else { continue }
        found.append((loss(evaluation, row, truth), row, labels[truth], labels[guess]))
      }
    case .multilabel:
      for row in 0..<prepared.items {
        var (sum, truth, guess): (Double, [String], [String]) = (0, [], [])
        for c in 0..<outputs {
          let z = Double(evaluation.logits[row * outputs + c])
          let isSet = prepared.labels[row * outputs + c] > 0.5
          sum += max(z, 0) - (isSet ? z : 0) + Double.log(1 + Double.exp(-abs(z)))
          if isSet { truth.append(labels[c]) }
          if z > 0 { guess.append(labels[c]) }
        }
        guard truth != guess else { continue }
        found.append((sum, row, truth.joined(separator: ", "), guess.joined(separator: ", ")))
      }
    case .regress, .regressPairs:
      for row in 0..<prepared.items {
        let (truth, guess) = (prepared.values[row], evaluation.logits[row])
        found.append((Double(abs(truth - guess)), row, short(truth), short(guess)))
      }
    case .tag:
      for item in 0..<prepared.items {
        var (sum, words): (Double, [(Int, Int, Int)]) = (0, [])
        for row in prepared.bounds[item]..<prepared.bounds[item + 1] {
          let truth = Int(prepared.classes[row])
          let guess = largest(evaluation.logits, row, outputs)
          guard truth >= 0, guess != truth else { continue }
          sum += loss(evaluation, row, truth)
          words.append((prepared.wordOfRow[row], truth, guess))
        }
        guard !words.isEmpty, case .words(let text, _) = examples[item].content else { continue }
        found.append(
          (
            sum, item, words.map { "\(text[$0.0]): \(labels[$0.1])" }.joined(separator: ", "),
            words.map { "\(text[$0.0]): \(labels[$0.2])" }.joined(separator: ", ")
          ))
      }
    case .answer:
      for (i, example) in examples.enumerated() where i < evaluation.answers.count {
        guard case .question(_, _, let answers, _) = example.content else { continue }
        let guess = evaluation.answers[i]
        let right = answers.isEmpty ? [""] : answers.map(\.text)
        let score = right.map { SQuAD.f1(guess, $0) }.max() ?? 0
        if score < 1 { found.append((1 - score, i, right[0], guess)) }
      }
    case .mlm: break
    }
    found.sort { $0.loss > $1.loss || $0.loss == $1.loss && $0.example < $1.example }
    return found.prefix(most).map {
      Mistake(
        place: examples[$0.example].place, text: text(examples[$0.example]), truth: $0.truth,
        predicted: $0.predicted, loss: $0.loss)
    }
  }

  private func loss(_ evaluation: Evaluation, _ row: Int, _ truth: Int) -> Double {
    evaluation.logits.withUnsafeBufferPointer { logits in
      guard let base = logits.baseAddress else { return 0 }
      let z = base + row * evaluation.outputs
      return Double(logSumExp(z, evaluation.outputs) - z[truth])
    }
  }

  private func short(_ value: Float) -> String { "\((value * 1000).rounded() / 1000)" }

  private func text(_ example: Example) -> String {
    switch example.content {
    case .text(let text, _), .labelled(let text, _), .scored(let text, _):
      text.second.map { "\(text.first) | \($0)" } ?? text.first
    case .words(let words, _): words.joined(separator: " ")
    case .question(let question, let passage, _, _): "\(question) | \(passage)"
    case .document(let sentences): sentences.first ?? ""
    }
  }
}
