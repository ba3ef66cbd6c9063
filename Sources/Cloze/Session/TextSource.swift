package import ClozeIO

/// Texts in UTF-8, wherever they lie.
package protocol TextSource {
  var count: Int { get }
  /// Calls `body` with the bytes of a text and, of a pair, of its second text.
  func withText<Result>(
    _ index: Int, _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer?) throws(ClozeError) -> Result
  ) throws(ClozeError) -> Result
  /// What an error about a text begins with: its index, unless it is the only one.
  func prefix(_ index: Int) -> String
}

extension TextSource {
  package func prefix(_ index: Int) -> String { count > 1 ? "text \(index): " : "" }
}

/// Texts as Swift holds them.
struct SwiftTexts: TextSource {
  let texts: [Text]
  var count: Int { texts.count }

  func withText<Result>(
    _ index: Int, _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer?) throws(ClozeError) -> Result
  ) throws(ClozeError) -> Result {
    var first = texts[index].first
    guard var second = texts[index].second else {
      return try Self.bytes(of: &first) { bytes throws(ClozeError) in try body(bytes, nil) }
    }
    return try Self.bytes(of: &first) { one throws(ClozeError) in
      try Self.bytes(of: &second) { two throws(ClozeError) in try body(one, two) }
    }
  }

  // `withUTF8` does not throw typed errors.
  private static func bytes<Result>(
    of text: inout String, _ body: (UnsafeRawBufferPointer) throws(ClozeError) -> Result
  ) throws(ClozeError) -> Result {
    let result = text.withUTF8 { bytes -> Swift.Result<Result, ClozeError> in
      do throws(ClozeError) { return .success(try body(UnsafeRawBufferPointer(bytes))) } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }
}
