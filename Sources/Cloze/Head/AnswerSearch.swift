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

  /// Tokens of a window.
  package struct Window: Sendable {
    package var start: Int
    package var end: Int
  }

  private var best: Span?
  private var none = Float.infinity
  /// Tokens of the longest answer.
  private static let longest = 30

  package init() {}

  /// Adds one window.
  ///
  /// - Parameters:
  ///   - logits: [tokens, 2] start and end; the first token, `[CLS]`, stands for no answer.
  ///   - first: the window's first token of the passage; `last` is the one after its last.
  ///   - offsets: bytes of the passage, for each of these.
  /// - Returns: the best span's first and last token in this window; nil where it is in an earlier one.
  @discardableResult package mutating func add(
    _ logits: UnsafeBufferPointer<Float>, first: Int, last: Int, offsets: [ByteRange]
  ) -> Window? {
    guard logits.count >= 2, first <= last, 2 * last <= logits.count, offsets.count == last - first else { return nil }
    none = min(none, logits[0] + logits[1])
    var found: Window?
    for start in first..<last {
      for end in start..<min(last, start + Self.longest) {
        let score = logits[2 * start] + logits[2 * end + 1]
        if score > (best?.score ?? -.infinity) {
          best = Span(begin: Int(offsets[start - first].begin), end: Int(offsets[end - first].end), score: score)
          found = Window(start: start, end: end)
        }
      }
    }
    return found
  }

  /// The best span, or nil where no answer scores higher by more than the threshold.
  package func answer(threshold: Float?) -> Span? {
    guard let best else { return nil }
    if let threshold, none - best.score > threshold { return nil }
    return best
  }
}
