internal import Cloze
internal import ClozeIO

/// Tables: a record a line, its fields between separators.
extension DataReader {
  mutating func readRecords() throws(ClozeError) {
    let separator = Array((format.separator ?? (kind == .csv ? "," : "\t")).utf8)
    guard !separator.isEmpty, !separator.contains(0x22), !separator.contains(0x0A) else {
      throw ClozeError(.invalidArgument, "a separator must not be empty nor hold a quote or line end")
    }
    let lines = lines
    let (task, isPair) = (task.training, task.takesPairs)
    var columns: [Int]?
    /// Fields of the header; nil: there is none.
    var width: Int?
    var next = 0
    while next < lines.count {
      let (first, number) = (next, lines[next].number)
      var record = DelimitedRecord(separator: separator, quotes: format.quotes)
      var failure: ClozeError?
      do throws(ClozeError) {
        while try record.append(lines[next].bytes, ending: [0x0A]) {
          next += 1
          guard next < lines.count else { throw ClozeError(.invalidText, "a quoted field does not end") }
        }
      } catch {
        // The lines after the one with the opening quote are records of their own.
        next = first
        failure = ClozeError(.invalidText, "\(error.message) (--no-quotes reads quotes as text)")
      }
      next += 1
      let fields = record.fields
      if columns == nil {
        if let failure { throw failure.prefixed("\(name):\(number): ") }
        let standard = standardColumns(fields)
        do throws(ClozeError) { columns = try standard == nil ? resolve(fields) : standard } catch {
          throw error.prefixed("\(name):\(number): ")
        }
        if standard != nil || format.hasHeader {
          width = fields.count
          continue
        }
      }
      // An empty line, as at a file's end.
      if failure == nil, fields == [[]] { continue }
      let (chosen, expected, problem) = (columns ?? [], width, failure)
      try add(number) { () throws(ClozeError) in
        if let problem { throw problem }
        if let expected, fields.count != expected {
          throw ClozeError(.invalidText, "\(fields.count) fields where the header has \(expected)")
        }
        var texts: [String] = []
        for column in chosen {
          guard column < fields.count else {
            let count = fields.count == 1 ? "1 field" : "\(fields.count) fields"
            throw ClozeError(.invalidText, "\(count), field \(column + 1) was asked for")
          }
          texts.append(try Self.text(fields[column][...]))
        }
        return try task.content(Text(texts[0], isPair ? texts[1] : nil), label: texts[isPair ? 2 : 1])
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
  private func resolve(_ header: [[UInt8]]) throws(ClozeError) -> [Int] {
    var columns = [try (format.text ?? .number(1)).index(in: header)]
    if task.takesPairs { columns.append(try (format.pair ?? .number(2)).index(in: header)) }
    columns.append(try (format.label ?? .number(task.takesPairs ? 3 : 2)).index(in: header))
    return columns
  }
}
