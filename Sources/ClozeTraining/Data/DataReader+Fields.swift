internal import Cloze
internal import ClozeIO

/// Files with one record a line.
extension DataReader {
  /// Fields between separators, by name or number.
  mutating func readRecords() throws(ClozeError) {
    let separator = Array((format.separator ?? (kind == .csv ? "," : "\t")).utf8)
    guard !separator.isEmpty, !separator.contains(0x22), !separator.contains(0x0A) else {
      throw ClozeError(
        .invalidArgument, "a separator must not be empty nor hold a quote or line end")
    }
    var lines: [(bytes: ArraySlice<UInt8>, number: Int)] = []
    try forEachLine { line, number in lines.append((line, number)) }
    var columns: [Int]?
    var width: Int?
    // Taken once: a copy that shares the examples would have them copied with every line.
    let reader = self
    var at = 0
    while at < lines.count {
      let number = lines[at].number
      var record = DelimitedRecord(separator: separator, quotes: format.quotes)
      var failure: BadLine?
      let begin = at
      do throws(ClozeError) {
        while try record.append(lines[at].bytes, ending: [0x0A]) {
          at += 1
          guard at < lines.count else { throw ClozeError(.invalidText, "a quoted field does not end") }
        }
      } catch {
        // The lines after the one with the opening quote are records of their own.
        at = begin
        failure = BadLine("\(error.message) (--no-quotes reads quotes as text)")
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
        do throws(ClozeError) { columns = try resolve(fields) } catch {
          throw error.prefixed("\(name):\(number): ")
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
    let names = ["text"] + (task.takesPairs ? ["pair"] : []) + [labelName]
    let columns = names.compactMap { header.firstIndex(of: Array($0.utf8)) }
    return columns.count == names.count ? columns : nil
  }

  /// What the label is called where nothing else is said.
  private var labelName: String {
    switch task {
    case .multilabel: "labels"
    case .regress, .regressPairs: "value"
    default: "label"
    }
  }

  /// The columns of the text, the pair if there is one, and the label.
  private func resolve(_ header: [[UInt8]]) throws(ClozeError) -> [Int] {
    var columns = [try (format.text ?? .number(1)).index(in: header)]
    if task.takesPairs { columns.append(try (format.pair ?? .number(2)).index(in: header)) }
    columns.append(try (format.label ?? .number(task.takesPairs ? 3 : 2)).index(in: header))
    return columns
  }

  /// One JSON object a line.
  mutating func readJSONLines() throws(ClozeError) {
    var lines: [(ArraySlice<UInt8>, Int)] = []
    try forEachLine { line, number in lines.append((line, number)) }
    let reader = self
    for (line, number) in lines where !line.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) {
      try add(number) { () throws(BadLine) in
        do throws(ClozeError) {
          return try reader.jsonContent(JSONField(parsing: Array(line), name: "line"))
        } catch {
          // Which line it is, is said anyway.
          let message = error.message
          throw BadLine(message.hasPrefix("line: ") ? String(message.dropFirst(6)) : message)
        }
      }
    }
  }

  private func jsonContent(_ root: JSONField) throws(ClozeError) -> Example.Content {
    func key(_ field: DataField?, _ standard: String) -> String {
      switch field {
      case .name(let name): name
      case .number(let number): "\(number)"
      case nil: standard
      }
    }
    func strings(_ field: JSONField) throws(ClozeError) -> [String] {
      var strings: [String] = []
      for element in try field.elements() { strings.append(try element.scalar()) }
      return strings
    }
    switch task {
    case .tag:
      let words = try strings(root.required(key(format.text, "words")))
      let tags = try strings(root.required(key(format.label, "tags")))
      guard words.count == tags.count, !words.isEmpty else {
        throw ClozeError(.damaged, "\(words.count) words and \(tags.count) tags")
      }
      return .words(words, tags: tags)
    case .mlm, .nsp:
      let field = try root.required(key(format.text, "text"))
      return .document(field.isArray ? try strings(field) : [try field.string()])
    default:
      let text = try root.required(key(format.text, "text")).string()
      let pair = task.takesPairs ? try root.required(key(format.pair, "pair")).string() : nil
      if task == .multilabel {
        let field = try root.required(key(format.label, labelName))
        if field.isArray { return .labelled(Text(text, pair), labels: try strings(field)) }
        return .labelled(Text(text, pair), labels: [try field.scalar()])
      }
      let label = try root.required(key(format.label, labelName)).scalar()
      do throws(BadLine) { return try content(text, pair, label) } catch {
        throw ClozeError(.damaged, error.reason)
      }
    }
  }
}
