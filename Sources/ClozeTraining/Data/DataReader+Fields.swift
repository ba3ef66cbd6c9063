internal import Cloze
internal import ClozeIO

/// Files with one record a line.
extension DataReader {
  /// Fields between separators, by name or number.
  mutating func readRecords() throws(ClozeError) {
    let separator = Array((format.separator ?? (kind == .csv ? "," : "\t")).utf8)
    guard let mark = separator.first, !separator.contains(0x22), !separator.contains(0x0A) else {
      throw ClozeError(
        .invalidArgument, "a separator must not be empty nor hold a quote or line end")
    }
    let lines = lines
    var columns: [Int]?
    var width: Int?
    // Taken once: a copy that shares the examples would have them copied with every line.
    let reader = self
    var at = 0
    while at < lines.count {
      let number = lines[at].number
      var record = Record(separator: separator, mark: mark, quotes: format.quotes)
      var failure: BadLine?
      let begin = at
      do throws(BadLine) {
        while try record.take(lines[at].bytes) {
          at += 1
          guard at < lines.count else { throw BadLine("a quoted field does not end") }
        }
      } catch {
        // The lines after the one with the opening quote are records of their own.
        at = begin
        failure = error
      }
      at += 1
      let fields = record.fields
      if columns == nil {
        if let failure { throw ClozeError(.invalidText, "\(name):\(number): \(failure.reason)") }
        if let standard = standardColumns(fields) {
          columns = standard
          width = fields.count
          continue
        }
        do throws(BadLine) { columns = try resolve(fields) } catch {
          throw ClozeError(.invalidText, "\(name):\(number): \(error.reason)")
        }
        if format.hasHeader {
          width = fields.count
          continue
        }
      }
      // A line with nothing in it, as at a file's end.
      if failure == nil, fields == [[]] { continue }
      let wanted = columns ?? []
      let expected = width
      let isPair = task.takesPairs
      let problem = failure
      try add(number) { () throws(BadLine) in
        if let problem { throw problem }
        if let expected, fields.count != expected {
          throw BadLine("\(fields.count) fields where the header has \(expected)")
        }
        var texts: [String] = []
        for column in wanted {
          guard column < fields.count else {
            let count = fields.count == 1 ? "1 field" : "\(fields.count) fields"
            throw BadLine("\(count), field \(column + 1) was asked for")
          }
          texts.append(try Self.text(fields[column][...]))
        }
        return try reader.content(texts[0], isPair ? texts[1] : nil, texts[isPair ? 2 : 1])
      }
    }
  }

  /// The columns where no field was asked for and the first line names them all, as in JSONL.
  private func standardColumns(_ header: [[UInt8]]) -> [Int]? {
    guard format.text == nil, format.pair == nil, format.label == nil else { return nil }
    let names = ["text"] + (task.takesPairs ? ["pair"] : []) + [task.training.labelKey]
    let columns = names.compactMap { header.firstIndex(of: Array($0.utf8)) }
    return columns.count == names.count ? columns : nil
  }

  /// The columns of the text, the pair if there is one, and the label.
  private func resolve(_ header: [[UInt8]]) throws(BadLine) -> [Int] {
    let names = header.map { String(decoding: $0, as: UTF8.self) }
    func column(_ field: DataField) throws(BadLine) -> Int {
      switch field {
      case .number(let number): return number - 1
      case .name(let name):
        let found = names.indices.filter { names[$0] == name }
        guard let first = found.first else {
          throw BadLine(
            "no field \(field) in the header: "
              + names.map { "\"\($0)\"" }.joined(separator: ", "))
        }
        guard found.count == 1 else {
          throw BadLine("\(found.count) fields are named \(field): give the field's number")
        }
        return first
      }
    }
    let isPair = task.takesPairs
    var columns = [try column(format.text ?? .number(1))]
    if isPair { columns.append(try column(format.pair ?? .number(2))) }
    columns.append(try column(format.label ?? .number(isPair ? 3 : 2)))
    return columns
  }
}

/// Splits one record into fields, line by line as long as a quoted field goes on.
private struct Record {
  var fields: [[UInt8]] = []
  private let separator: [UInt8]
  private let mark: UInt8
  private let quotes: Bool
  private var open: [UInt8] = []
  private var isQuoted = false

  init(separator: [UInt8], mark: UInt8, quotes: Bool) {
    self.separator = separator
    self.mark = mark
    self.quotes = quotes
  }

  /// True where the record goes on with the next line.
  mutating func take(_ line: ArraySlice<UInt8>) throws(BadLine) -> Bool {
    var i = line.startIndex
    while true {
      if isQuoted || quotes && i < line.endIndex && line[i] == 0x22 {
        if !isQuoted { i += 1 }
        isQuoted = true
        while true {
          guard let quote = line[i...].firstIndex(of: 0x22) else {
            open.append(contentsOf: line[i...])
            open.append(0x0A)
            return true
          }
          open.append(contentsOf: line[i..<quote])
          i = quote + 1
          guard i < line.endIndex, line[i] == 0x22 else { break }
          open.append(0x22)
          i += 1
        }
        isQuoted = false
        guard i == line.endIndex || line[i...].starts(with: separator) else {
          throw BadLine(
            "text after the closing quote of a field (--no-quotes reads quotes as text)")
        }
      } else {
        let first = i
        while i < line.endIndex, line[i] != mark || !line[i...].starts(with: separator) { i += 1 }
        open.append(contentsOf: line[first..<i])
      }
      fields.append(open)
      open = []
      if i == line.endIndex { return false }
      i += separator.count
    }
  }
}
