import Cloze

/// Reads records of separated fields: CSV as RFC 4180 has it, TSV, and other separators.
///
/// With quotes, a field that starts with `"` ends at the next single `"`; within it `""` is one
/// quote, and separators and line ends are text. A quote inside a field that does not start with
/// one is text. Where a field is wanted by name, or `hasHeader` is set, the first record names the
/// fields and every other must have as many.
struct DelimitedReader {
  private var lines: LineReader
  private let separator: [UInt8]
  private let quotes: Bool
  private let wanted: WantedFields
  private let hasHeader: Bool
  /// Indices of the wanted fields and the length of the header, once that was read.
  private var columns: (text: Int, pair: Int?, count: Int?)?

  /// - Parameter separator: not empty; without quote, CR or LF.
  init(
    _ lines: LineReader, separator: String, quotes: Bool, wanted: WantedFields,
    hasHeader: Bool = false
  ) {
    self.lines = lines
    self.separator = Array(separator.utf8)
    self.quotes = quotes
    self.wanted = wanted
    self.hasHeader = hasHeader || wanted.text.isName || (wanted.pair?.isName ?? false)
  }

  var file: FileBytes { lines.file }
  var bytesConsumed: Int { lines.bytesConsumed }
  var isReady: Bool { lines.isReady }

  mutating func next() throws(WorkFailure) -> NumberedText? {
    let columns = try resolvedColumns()
    guard let record = try record() else { return nil }
    let fields = record.fields
    if let count = columns.count, fields.count != count {
      throw failure(
        record.number,
        "\(Self.fields(fields.count)) where the header has \(count)\(quoteAdvice(fields.count < count))"
      )
    }
    for (field, column) in [(wanted.text, columns.text), (wanted.pair, columns.pair)] {
      if let field, let column, column >= fields.count {
        throw failure(
          record.number, "\(Self.fields(fields.count)), field \(field) was asked for")
      }
    }
    return NumberedText(
      text: Text(fields[columns.text], columns.pair.map { fields[$0] }), number: record.number)
  }

  /// Reads the header, if there is one, the first time.
  private mutating func resolvedColumns() throws(WorkFailure) -> (
    text: Int, pair: Int?, count: Int?
  ) {
    if let columns { return columns }
    let header = hasHeader ? try record() : nil
    var resolved: (text: Int, pair: Int?, count: Int?) = (0, nil, header?.fields.count)
    resolved.text = try column(of: wanted.text, header: header)
    if let pair = wanted.pair { resolved.pair = try column(of: pair, header: header) }
    columns = resolved
    return resolved
  }

  private func column(of field: Field, header: Record?) throws(WorkFailure) -> Int {
    switch field {
    case .number(let number):
      return number - 1
    case .name(let name):
      guard let header else {
        throw WorkFailure("\(lines.file.name) is empty: no header with a field \(field)")
      }
      let matches = header.fields.indices.filter { header.fields[$0] == name }
      guard let match = matches.first else {
        let names = header.fields.map { "\"\($0)\"" }.joined(separator: ", ")
        throw failure(header.number, "no field \(field) in the header: \(names)")
      }
      guard matches.count == 1 else {
        throw failure(
          header.number, "\(matches.count) fields are named \(field): give the field's number")
      }
      return match
    }
  }

  /// One record, and the number of the line that it begins on.
  private struct Record {
    var fields: [String]
    var number: Int
  }

  private mutating func record() throws(WorkFailure) -> Record? {
    guard let line = try lines.next() else { return nil }
    var parser = RecordParser(separator: separator, quotes: quotes)
    let number = line.number
    var quoted = try parse(line, with: &parser)
    // A quoted field goes on over line ends.
    while quoted {
      guard parser.byteCount <= LineReader.defaultMaximumLength else {
        throw failure(
          number, "a quoted field is longer than \(LineReader.defaultMaximumLength) bytes")
      }
      guard let line = try lines.next() else {
        throw failure(number, "a quoted field does not end\(quoteAdvice(true))")
      }
      quoted = try parse(line, with: &parser)
    }
    return Record(fields: parser.fields, number: number)
  }

  private func parse(
    _ line: LineReader.Line, with parser: inout RecordParser
  ) throws(WorkFailure) -> Bool {
    do {
      return try parser.parse(line.bytes, ending: line.ending)
    } catch {
      throw failure(
        line.number,
        "byte offset \(error.offset): text after the closing quote of a field\(quoteAdvice(true))")
    }
  }

  private func failure(_ number: Int, _ reason: String) -> WorkFailure {
    WorkFailure("\(lines.file.name), line \(number): \(reason)")
  }

  private func quoteAdvice(_ wanted: Bool) -> String {
    quotes && wanted ? " (--no-quotes reads quotes as text)" : ""
  }

  private static func fields(_ count: Int) -> String { count == 1 ? "1 field" : "\(count) fields" }
}

/// Splits one record into its fields, line by line as long as a quoted field goes on.
struct RecordParser {
  /// A closing quote that neither a separator nor the end follows.
  struct StrayText: Error, Hashable {
    let offset: Int
  }

  private(set) var fields: [String] = []
  private var open: [UInt8] = []
  private let separator: [UInt8]
  private let quotes: Bool
  private var isInQuotes = false

  init(separator: [UInt8], quotes: Bool) {
    self.separator = separator
    self.quotes = quotes
  }

  /// Bytes of the field that is not closed yet.
  var byteCount: Int { open.count }

  /// Takes in one more line; true where the record goes on with the next one.
  mutating func parse(_ line: ArraySlice<UInt8>, ending: [UInt8]) throws(StrayText) -> Bool {
    var index = line.startIndex
    while true {
      if isInQuotes || (quotes && index < line.endIndex && line[index] == 0x22) {
        if !isInQuotes {
          isInQuotes = true
          index += 1
        }
        guard let next = readQuoted(line, from: index) else {
          open.append(contentsOf: ending)
          return true
        }
        isInQuotes = false
        index = next
        guard index == line.endIndex || isSeparator(line, at: index) else {
          throw StrayText(offset: index - line.startIndex)
        }
      } else {
        let first = index
        while index < line.endIndex, !isSeparator(line, at: index) { index += 1 }
        open.append(contentsOf: line[first..<index])
      }
      fields.append(String(decoding: open, as: UTF8.self))
      open.removeAll(keepingCapacity: true)
      if index == line.endIndex { return false }
      index += separator.count
    }
  }

  /// Reads up to the closing quote and returns the index after it; nil where the line ends before.
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
    line[index] == separator[0] && line[index...].starts(with: separator)
  }
}
