import Cloze
import ClozeIO

/// Reads texts from records of delimited fields. If a field is given by name, or `hasHeader` is set, the first record
/// is a header and all others must have the same number of fields.
struct DelimitedReader: TextReader {
  private(set) var lines: LineReader
  private let separator: [UInt8]
  private let quotes: Bool
  private let wanted: WantedFields
  private let hasHeader: Bool
  /// The number of fields that every record must have; nil: that of the header, if there is one.
  var width: Int?
  /// Whether quotes that are text by default are worth a remark.
  var remarksQuotes = false
  private var remarks = TableRemarks()
  /// Whether the first record was returned.
  private var isFirstSeen = false
  /// Indices of the wanted fields and the number of fields in the header, after it was read.
  private var columns: (text: Int, pair: Int?, count: Int?)?

  /// - Parameter separator: not empty; without quote, CR or LF.
  init(_ lines: LineReader, separator: String, quotes: Bool, wanted: WantedFields, hasHeader: Bool = false) {
    self.lines = lines
    self.separator = Array(separator.utf8)
    self.quotes = quotes
    self.wanted = wanted
    self.hasHeader = hasHeader || wanted.text.isName || (wanted.pair?.isName ?? false)
  }

  var remark: String? { remarks.all.isEmpty ? nil : remarks.all.joined(separator: "; ") }

  mutating func record() throws(ClozeError) -> TextRecord? {
    let columns = try resolvedColumns()
    guard let record = try fields() else { return nil }
    if let failure = record.failure { return .bad(failure) }
    do throws(ClozeError) { return .text(try text(record, columns)) } catch { return .bad(error) }
  }

  private mutating func text(_ record: Record, _ columns: (text: Int, pair: Int?, count: Int?)) throws(ClozeError)
    -> NumberedText
  {
    let fields = record.fields
    if !quotes, remarksQuotes { remarks.add(fields) }
    if let width, fields.count != width {
      throw lines.failure(record.number, "\(Self.fields(fields.count)), a pair is \(width)")
    }
    if columns.count == nil, !isFirstSeen {
      isFirstSeen = true
      let chosen = [columns.text] + (columns.pair.map { [$0] } ?? [])
      remarks.addFirst(chosen.compactMap { $0 < fields.count ? fields[$0] : nil }, line: record.number)
    }
    if let count = columns.count, fields.count != count {
      throw lines.failure(
        record.number, "\(Self.fields(fields.count)) where the header has \(count)\(quoteAdvice(fields.count < count))")
    }
    for (field, column) in [(wanted.text, columns.text), (wanted.pair, columns.pair)] {
      if let field, let column, column >= fields.count {
        throw lines.failure(record.number, "\(Self.fields(fields.count)), field \(field) was asked for")
      }
    }
    func text(_ column: Int) -> String { String(decoding: fields[column], as: UTF8.self) }
    return NumberedText(text: Text(text(columns.text), columns.pair.map(text)), number: record.number)
  }

  /// Reads the header on the first call.
  private mutating func resolvedColumns() throws(ClozeError) -> (text: Int, pair: Int?, count: Int?) {
    if let columns { return columns }
    let header = hasHeader ? try fields() : nil
    if let failure = header?.failure { throw failure }
    var resolved: (text: Int, pair: Int?, count: Int?) = (0, nil, header?.fields.count)
    resolved.text = try column(of: wanted.text, header: header)
    if let pair = wanted.pair { resolved.pair = try column(of: pair, header: header) }
    columns = resolved
    return resolved
  }

  private func column(of field: DataField, header: Record?) throws(ClozeError) -> Int {
    if header == nil, field.isName {
      throw ClozeError(.invalidText, "\(lines.file.name) is empty: no header with a field \(field)")
    }
    do throws(ClozeError) { return try field.index(in: header?.fields ?? []) } catch {
      throw lines.failure(header?.number ?? 1, error.message)
    }
  }

  /// A record with the number of its first line.
  private struct Record {
    var fields: [[UInt8]]
    var number: Int
    /// What is wrong with its lines.
    var failure: ClozeError?
  }

  /// The next record, good or bad; nil after the last.
  private mutating func fields() throws(ClozeError) -> Record? {
    guard let line = try lines.unchecked() else { return nil }
    let number = line.number
    var record = DelimitedRecord(separator: separator, quotes: quotes)
    var failure: ClozeError?
    var isOpen = append(line, to: &record, &failure)
    // A quoted field continues over line endings.
    while isOpen {
      guard record.openCount <= LineReader.defaultMaximumLength else {
        throw lines.failure(number, "a quoted field is longer than \(LineReader.defaultMaximumLength) bytes")
      }
      guard let line = try lines.unchecked() else {
        if let failure { throw failure }
        throw lines.failure(number, "a quoted field does not end\(quoteAdvice(true))")
      }
      isOpen = append(line, to: &record, &failure)
    }
    return Record(fields: record.fields, number: number, failure: failure)
  }

  /// Appends a line, also one that is not UTF-8: a quoted field ends where it ends.
  ///
  /// - Returns: whether a quoted field is open after it.
  private func append(_ line: LineReader.Line, to record: inout DelimitedRecord, _ failure: inout ClozeError?) -> Bool {
    do throws(ClozeError) { try lines.check(line) } catch { failure = failure ?? error }
    do throws(ClozeError) { return try record.append(line.bytes, ending: line.ending) } catch {
      failure = failure ?? lines.failure(line.number, error.message + quoteAdvice(true))
      return false
    }
  }

  private func quoteAdvice(_ wanted: Bool) -> String { quotes && wanted ? " (--no-quotes reads quotes as text)" : "" }

  private static func fields(_ count: Int) -> String { count == 1 ? "1 field" : "\(count) fields" }
}
