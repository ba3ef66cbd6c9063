package import ClozeIO
package import ClozeTokenizer

/// A text divided into overlapping windows, each between the special tokens of the whole, and for each of its words
/// the window in which it has most context.
package struct WordWindows {
  package struct Window {
    package var ids: [Int32]
    package var typeIDs: [Int32]
    /// The words that are read in this window, and where the first token of each stands in it.
    package var words: [(word: Int, token: Int)] = []
  }

  package private(set) var windows: [Window]

  /// - Parameters:
  ///   - encoding: the whole text.
  ///   - firsts: the first token of each word, in rising order; the others follow it.
  ///   - stride: tokens that two windows share.
  package init(_ encoding: Encoding, firsts: [Int], maxTokens: Int, stride: Int) throws(ClozeError) {
    let count = encoding.ids.count
    func isSpecial(_ token: Int) -> Bool { encoding.offsets[token].end <= encoding.offsets[token].begin }
    if count <= maxTokens {
      let words = firsts.enumerated().map { (word: $0, token: $1) }
      windows = [Window(ids: encoding.ids, typeIDs: encoding.typeIDs, words: words)]
      return
    }
    var inner = 0..<count
    while let first = inner.first, isSpecial(first) { inner.removeFirst() }
    while let last = inner.last, isSpecial(last) { inner.removeLast() }
    let room = maxTokens - (count - inner.count)
    guard room > 0 else { throw ClozeError(.tooLong, "\(maxTokens) tokens have no room for a text") }
    let step = room - min(stride, room - 1)
    var ranges: [Range<Int>] = []
    repeat {
      let begin = (ranges.last?.lowerBound ?? inner.lowerBound - step) + step
      ranges.append(begin..<min(begin + room, inner.upperBound))
    } while (ranges.last?.upperBound ?? count) < inner.upperBound
    windows = ranges.map { range in
      func tokens(_ all: [Int32]) -> [Int32] {
        Array(all[..<inner.lowerBound] + all[range] + all[inner.upperBound...])
      }
      return Window(ids: tokens(encoding.ids), typeIDs: tokens(encoding.typeIDs))
    }

    for (word, first) in firsts.enumerated() {
      let last = (word + 1 < firsts.count ? firsts[word + 1] : inner.upperBound) - 1
      // Tokens of the text on the side of the word that shows fewer; an end of the text hides none.
      func context(_ range: Range<Int>) -> Int {
        let before = range.lowerBound == inner.lowerBound ? Int.max : first - range.lowerBound
        let after = range.upperBound == inner.upperBound ? Int.max : range.upperBound - 1 - last
        return min(before, after)
      }
      var best = (first - inner.lowerBound) / step
      best = min(max(best, 0), ranges.count - 1)
      var earlier = best - 1
      while earlier >= 0, ranges[earlier].contains(first) {
        if context(ranges[earlier]) > context(ranges[best]) { best = earlier }
        earlier -= 1
      }
      windows[best].words.append((word, inner.lowerBound + first - ranges[best].lowerBound))
    }
  }
}
