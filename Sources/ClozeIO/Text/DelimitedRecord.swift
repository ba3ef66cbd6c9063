/// A record of delimited text (CSV of RFC 4180, TSV, other separators), split into fields line by line while a quoted
/// field continues.
///
/// With quotes, a field that starts with `"` ends at the next single `"`; within it `""` is one quote, and separators
/// and line endings are text. Elsewhere a quote is text.
package struct DelimitedRecord {
  /// The complete fields.
  package private(set) var fields: [[UInt8]] = []
  /// The incomplete field.
  private var open: [UInt8] = []
  private var isInQuotes = false
  private let separator: [UInt8]
  private let quotes: Bool

  /// - Parameter separator: not empty; without quote, CR or LF.
  package init(separator: [UInt8], quotes: Bool) {
    self.separator = separator
    self.quotes = quotes
  }

  /// Bytes of the incomplete field.
  package var openCount: Int { open.count }

  /// Adds a line; true if a quoted field continues on the next one.
  ///
  /// - Parameter ending: the line ending, which is text within quotes.
  /// - Throws: `.invalidText`, with the byte offset in the line, if a closing quote is followed by text.
  package mutating func append(_ line: ArraySlice<UInt8>, ending: [UInt8]) throws(ClozeError) -> Bool {
    var index = line.startIndex
    while true {
      if isInQuotes || (quotes && index < line.endIndex && line[index] == 0x22) {
        if !isInQuotes { index += 1 }
        guard let next = readQuoted(line, from: index) else {
          isInQuotes = true
          open.append(contentsOf: ending)
          return true
        }
        isInQuotes = false
        index = next
        guard index == line.endIndex || isSeparator(line, at: index) else {
          throw ClozeError(
            .invalidText, "byte offset \(index - line.startIndex): text after the closing quote of a field")
        }
      } else {
        let first = index
        while index < line.endIndex, !isSeparator(line, at: index) { index += 1 }
        open.append(contentsOf: line[first..<index])
      }
      fields.append(open)
      open = []
      if index == line.endIndex { return false }
      index += separator.count
    }
  }

  /// Reads up to the closing quote and returns the index after it; nil if the line ends before.
  private mutating func readQuoted(_ line: ArraySlice<UInt8>, from start: Int) -> Int? {
    var first = start
    while let quote = line[first...].firstIndex(of: 0x22) {
      open.append(contentsOf: line[first..<quote])
      guard quote + 1 < line.endIndex, line[quote + 1] == 0x22 else { return quote + 1 }
      open.append(0x22)
      first = quote + 2
    }
    open.append(contentsOf: line[first...])
    return nil
  }

  private func isSeparator(_ line: ArraySlice<UInt8>, at index: Int) -> Bool {
    line[index] == separator.first && line[index...].starts(with: separator)
  }
}
