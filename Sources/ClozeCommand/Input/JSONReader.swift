import Cloze
import ClozeIO

/// Reads texts from a file that is one JSON document: an array of texts, or of objects or arrays with fields. The whole
/// file is in memory. A file of one object a line is read as JSON lines are.
struct JSONReader: TextReader {
  private(set) var lines: LineReader
  private let wanted: WantedFields?
  private var records: [TextRecord]?
  private var returned = 0

  /// - Parameter wanted: nil: elements are texts.
  init(_ lines: LineReader, wanted: WantedFields?) {
    self.lines = lines
    self.wanted = wanted
  }

  mutating func record() throws(ClozeError) -> TextRecord? {
    if records == nil { records = try read() }
    guard let records, returned < records.count else { return nil }
    returned += 1
    return records[returned - 1]
  }

  private mutating func read() throws(ClozeError) -> [TextRecord] {
    var bytes: [UInt8] = []
    while let line = try lines.next() {
      bytes += line.bytes
      bytes.append(0x0A)
    }
    let name = lines.file.name
    var records: [TextRecord] = []
    for (field, line) in try JSONRecords(bytes, name: name).records {
      do throws(ClozeError) { records.append(.text(NumberedText(text: try text(field), number: line))) } catch {
        records.append(.bad(lines.failure(line, error.message)))
      }
    }
    return records
  }

  private func text(_ record: JSONField) throws(ClozeError) -> Text {
    guard let wanted else {
      guard case .string(let text) = record.value else {
        throw ClozeError(.invalidText, "\(record.value.kind.rawValue), not a text: name the field by --text FIELD")
      }
      return Text(text.string)
    }
    switch record.value.kind {
    case .object, .array: break
    case let kind: throw ClozeError(.invalidText, "\(kind.rawValue), not an object or an array")
    }
    func string(_ field: DataField) throws(ClozeError) -> String {
      guard let found = try record.field(field) else { throw ClozeError(.invalidText, "no field \(field)") }
      guard case .string(let text) = found.value else {
        throw ClozeError(.invalidText, "field \(field) is \(found.value.kind.rawValue), not a string")
      }
      return text.string
    }
    return Text(try string(wanted.text), try wanted.pair.map { pair throws(ClozeError) in try string(pair) })
  }
}
