package import ClozeTokenizer

/// Finds the best span among the windows of one passage.
package struct AnswerSearch: Sendable {
  package struct Span: Sendable {
    /// Bytes of the passage.
    package var begin: Int
    package var end: Int
    /// Start logit plus end logit.
    package var score: Float
  }

  private var best: Span?
  private var none = Float.infinity
  private static let most = 20
  private static let longest = 30

  package init() {}

  /// Adds one window.
  ///
  /// - Parameters:
  ///   - logits: [tokens, 2] start and end; the first token, `[CLS]`, stands for no answer.
  ///   - first: the window's first token of the passage; `last` is the one after its last.
  ///   - offsets: bytes of the passage, for each of these.
  package mutating func add(_ logits: UnsafeBufferPointer<Float>, first: Int, last: Int, offsets: [ByteRange]) {
    guard logits.count >= 2, first <= last, 2 * last <= logits.count, offsets.count == last - first else { return }
    none = min(none, logits[0] + logits[1])
    let starts = ranked(logits, first, last, 0)
    let ends = ranked(logits, first, last, 1)
    for start in starts {
      for end in ends where end >= start && end - start < Self.longest {
        let score = logits[2 * start] + logits[2 * end + 1]
        if score > (best?.score ?? -.infinity) {
          best = Span(begin: Int(offsets[start - first].begin), end: Int(offsets[end - first].end), score: score)
        }
      }
    }
  }

  /// The tokens with the largest logits of one column.
  private func ranked(_ logits: UnsafeBufferPointer<Float>, _ first: Int, _ last: Int, _ column: Int) -> [Int] {
    var order: [Int] = []
    for token in first..<last {
      let value = logits[2 * token + column]
      if order.count == Self.most, value <= logits[2 * order[Self.most - 1] + column] { continue }
      let place = order.firstIndex { logits[2 * $0 + column] < value } ?? order.count
      order.insert(token, at: place)
      if order.count > Self.most { order.removeLast() }
    }
    return order
  }

  /// The best span, or nil where no answer scores higher by more than the threshold.
  package func answer(threshold: Float?) -> Span? {
    guard let best else { return nil }
    if let threshold, none - best.score > threshold { return nil }
    return best
  }

  /// How much the answer that is given scores above the other choice, no answer.
  package var margin: Float { (best?.score ?? -.infinity) - none }
}
