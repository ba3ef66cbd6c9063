package import ClozeIO
package import ClozeTokenizer

/// A passage divided into overlapping windows, each behind the question:
/// `[CLS] question [SEP] window [SEP]`.
package struct PassageWindows {
  package struct Window {
    package var ids: [Int32]
    package var typeIDs: [Int32]
    /// Which tokens of the passage it holds.
    package var passage: Range<Int>
    /// Where the first of them stands in the window.
    package var first: Int
  }

  /// Of every token of the passage, the bytes.
  package let offsets: [ByteRange]
  package let windows: [Window]

  /// - Parameter stride: tokens that two windows share.
  package init(_ question: String, _ passage: String, _ tokenizer: Tokenizer, maxTokens: Int, stride: Int)
    throws(ClozeError)
  { try self.init(tokenizer.encode(question), tokenizer.encode(passage), tokenizer, maxTokens, stride) }

  /// The same for bytes, which must be UTF-8.
  init(
    _ question: UnsafeRawBufferPointer, _ passage: UnsafeRawBufferPointer, _ tokenizer: Tokenizer, maxTokens: Int,
    stride: Int
  ) throws(ClozeError) {
    try self.init(tokenizer.encode(question), tokenizer.encode(passage), tokenizer, maxTokens, stride)
  }

  private init(_ first: Encoding, _ second: Encoding, _ tokenizer: Tokenizer, _ maxTokens: Int, _ stride: Int)
    throws(ClozeError)
  {
    guard let cls = tokenizer.clsID, let sep = tokenizer.sepID else {
      throw ClozeError(.missingToken, "the tokenizer has no [CLS] or [SEP]")
    }
    func inner(_ encoding: Encoding) -> Range<Int> {
      var range = 0..<encoding.ids.count
      if encoding.ids.first == cls { range = 1..<range.upperBound }
      if range.count > 0, encoding.ids.last == sep { range = range.lowerBound..<(range.upperBound - 1) }
      return range
    }
    // At least half of a window is for the passage; BERT's own limit of a question is 64.
    let ids = Array(first.ids[inner(first)].prefix(min(64, max(1, (maxTokens - 3) / 2))))
    let part = inner(second)
    offsets = Array(second.offsets[part])
    let tokens = Array(second.ids[part])
    let room = maxTokens - ids.count - 3
    guard room > 0 else { throw ClozeError(.tooLong, "\(maxTokens) tokens have no room for a passage") }
    let step = max(1, room - min(stride, room - 1))
    var windows: [Window] = []
    var begin = 0
    repeat {
      let end = min(begin + room, tokens.count)
      let window = [cls] + ids + [sep] + tokens[begin..<end] + [sep]
      let types = [Int32](repeating: 0, count: ids.count + 2) + [Int32](repeating: 1, count: end - begin + 1)
      windows.append(Window(ids: window, typeIDs: types, passage: begin..<end, first: ids.count + 2))
      if end == tokens.count { break }
      begin += step
    } while true
    self.windows = windows
  }

  /// First and last token of the bytes that an answer takes; nil where it has none.
  package func tokens(of offset: Int, _ length: Int) -> ClosedRange<Int>? {
    let begin = offsets.firstIndex { Int($0.end) > offset && $0.end > $0.begin }
    let end = offsets.lastIndex { Int($0.begin) < offset + length && $0.end > $0.begin }
    guard let begin, let end, begin <= end else { return nil }
    return begin...end
  }
}
