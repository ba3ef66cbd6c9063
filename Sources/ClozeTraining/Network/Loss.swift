internal import Cloze
internal import ClozeIO

/// What a head's outputs for a batch should be.
enum Targets: Sendable {
  /// [rows] classes; -1: the row does not count.
  case classes([Int32])
  /// [items, C] probabilities of labels that do not exclude each other.
  case labels([Float])
  /// [items]
  case values([Float])
  /// [items] first and last row, counted within the item.
  case spans([Span])

  struct Span: Hashable, Sendable {
    var first: Int32
    var last: Int32
  }
}

/// The loss of a batch, as PyTorch defines the functions of the same names.
struct Loss: Sendable {
  /// The share of a class's probability that is spread over all classes.
  var smoothing: Double = 0
  /// [C]; empty: all 1.
  var classWeights: [Float] = []

  /// The mean loss of a batch; `logits` [rows, C] are replaced by its gradient.
  ///
  /// - Parameter offsets: [items + 1] where each item's rows begin.
  func callAsFunction<S: TrainingScalar>(
    _ logits: UnsafeMutablePointer<S>, rows: Int, outputs: Int, _ targets: Targets, offsets: [Int],
    _ arithmetic: Arithmetic
  ) throws(ClozeError) -> S {
    switch targets {
    case .classes(let classes): try crossEntropy(logits, rows, outputs, classes, arithmetic)
    case .labels(let labels): binaryCrossEntropy(logits, rows &* outputs, labels)
    case .values(let values): meanSquaredError(logits, rows, values)
    case .spans(let spans): spanCrossEntropy(logits, spans, offsets)
    }
  }

  /// Cross-entropy with class weights w, label smoothing e and p = softmax(logits), over rows of class y:
  ///
  ///     sum over rows of (1 - e) w[y] (-log p[y]) + e / C sum over c of w[c] (-log p[c])
  ///     --------------------------------------------------------------------------------
  ///                              sum over rows of w[y]
  private func crossEntropy<S: TrainingScalar>(
    _ logits: UnsafeMutablePointer<S>, _ rows: Int, _ outputs: Int, _ classes: [Int32], _ arithmetic: Arithmetic
  ) throws(ClozeError) -> S {
    let weights: [S] = classWeights.count == outputs ? classWeights.map { S($0) } : Array(repeating: 1, count: outputs)
    var total: S = 0
    for row in 0..<rows where classes[row] >= 0 { total += weights[Int(classes[row])] }
    guard total > 0 else {
      logits.update(repeating: 0, count: rows &* outputs)
      return 0
    }
    let e = S(smoothing)
    let spread = e / S(outputs)
    let allWeights = weights.reduce(0, +)
    var losses = [S](repeating: 0, count: rows)
    try losses.withUnsafeMutableBufferPointer { losses throws(ClozeError) in
      nonisolated(unsafe) let losses = losses
      func one(_ row: Int) {
        let z = logits + row &* outputs
        guard classes[row] >= 0 else {
          z.update(repeating: 0, count: outputs)
          return
        }
        let target = Int(classes[row])
        let weight = weights[target] / total
        let logSum = arithmetic.logSumExp(z, outputs)
        var sum = (1 - e) * weight * (logSum - z[target])
        if e > 0 { for c in 0..<outputs { sum += spread * weights[c] / total * (logSum - z[c]) } }
        losses[row] = sum
        let share = (1 - e) * weight + (e > 0 ? spread * allWeights / total : 0)
        S.scaledExp(z, outputs, logSum: logSum, share: share, arithmetic)
        if e > 0 { for c in 0..<outputs { z[c] -= spread * weights[c] / total } }
        z[target] -= (1 - e) * weight
      }
      try arithmetic.forEachRows(rows, width: outputs) { rows in for row in rows { one(row) } }
    }
    return losses.reduce(0, +)
  }

  /// Binary cross-entropy of logits z: the mean of log(1 + exp(z)) - y z.
  private func binaryCrossEntropy<S: TrainingScalar>(_ logits: UnsafeMutablePointer<S>, _ count: Int, _ labels: [Float])
    -> S
  {
    var loss: S = 0
    let share = 1 / S(max(count, 1))
    let e = S(smoothing)
    for i in 0..<count {
      let z = logits[i]
      let y = S(labels[i]) * (1 - e) + e / 2
      // exp(-|z|) does not overflow.
      let small = S.exp(-abs(z))
      loss += max(z, 0) - y * z + S.log(1 + small)
      let p = z >= 0 ? 1 / (1 + small) : small / (1 + small)
      logits[i] = (p - y) * share
    }
    return loss * share
  }

  private func meanSquaredError<S: TrainingScalar>(_ outputs: UnsafeMutablePointer<S>, _ count: Int, _ values: [Float])
    -> S
  {
    var loss: S = 0
    let share = 1 / S(max(count, 1))
    for i in 0..<count {
      let difference = outputs[i] - S(values[i])
      loss += difference * difference
      outputs[i] = 2 * difference * share
    }
    return loss * share
  }

  /// The mean over items of half the cross-entropies of the first row (column 0) and of the last row (column 1), each
  /// with a softmax over the item's rows.
  private func spanCrossEntropy<S: TrainingScalar>(
    _ logits: UnsafeMutablePointer<S>, _ spans: [Targets.Span], _ offsets: [Int]
  ) -> S {
    var loss: S = 0
    let share = 1 / (2 * S(max(spans.count, 1)))
    for (item, span) in spans.enumerated() {
      let rows = offsets[item + 1] - offsets[item]
      let z = logits + 2 &* offsets[item]
      for column in 0..<2 {
        let target = Int(column == 0 ? span.first : span.last)
        var highest = -S.infinity
        for row in 0..<rows { highest = max(highest, z[2 &* row &+ column]) }
        var sum: S = 0
        for row in 0..<rows { sum += S.exp(z[2 &* row &+ column] - highest) }
        let logSum = highest + S.log(sum)
        if target >= 0, target < rows { loss += (logSum - z[2 &* target &+ column]) * share }
        for row in 0..<rows {
          let p = S.exp(z[2 &* row &+ column] - logSum)
          z[2 &* row &+ column] = (row == target ? p - 1 : p) * share
        }
      }
    }
    return loss
  }
}
