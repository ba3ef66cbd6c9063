internal import Cloze
internal import ClozeIO

/// Tables: a record a line, its fields between separators.
extension DataReader {
  mutating func readRecords() throws(ClozeError) {
    let separator = Array((format.separator ?? (kind == .csv ? "," : "\t")).utf8)
    guard !separator.isEmpty, !separator.contains(0x22), !separator.contains(0x0A) else {
      throw ClozeError(.invalidArgument, "a separator must not be empty nor hold a quote or line end")
    }
    let (lines, quotes) = (lines, format.quotes ?? (kind == .csv))
    let (task, isPair) = (task.training, task.takesPairs)
    var columns: TableColumns?
    var remarks = TableRemarks()
    var next = 0
    while next < lines.count {
      let (first, number) = (next, lines[next].number)
      var record = DelimitedRecord(separator: separator, quotes: quotes)
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
      // An empty line, as at a file's end.
      if failure == nil, fields == [[]] { continue }
      if format.quotes == nil, !quotes { remarks.add(fields) }
      if columns == nil {
        if let failure { throw failure.prefixed("\(name):\(number): ") }
        let found: TableColumns
        do throws(ClozeError) { found = try TableColumns(fields, format, task) } catch {
          throw error.prefixed("\(name):\(number): ")
        }
        columns = found
        if let remark = found.remark { self.remarks.append(remark) }
        if found.hasHeader { continue }
        remarks.addFirst(found.chosen.compactMap { $0 < fields.count ? fields[$0] : nil }, line: number)
      }
      guard let columns else { continue }
      let (problem, mayBeHeader) = (failure, !columns.hasHeader && examples.isEmpty)
      try add(number) { () throws(ClozeError) in
        if let problem { throw problem }
        let texts = try columns.texts(of: fields)
        do throws(ClozeError) {
          return try task.content(Text(texts[0], isPair ? texts[1] : nil), label: texts[isPair ? 2 : 1])
        } catch {
          guard mayBeHeader else { throw error }
          throw ClozeError(error.status, error.reason + " (--header skips the first line)")
        }
      }
    }
    self.remarks += remarks.all
  }
}

/// Which fields of a table's records are read.
struct TableColumns {
  /// Indices of the text, the pair if there is one, and the label.
  let chosen: [Int]
  /// Whether the first record names the fields, and is no example.
  let hasHeader: Bool
  /// The number of fields that every record must have; nil: enough for those that are read.
  private let width: Int?
  /// What was taken for granted; nil: nothing.
  private(set) var remark: String?

  /// Finds the fields by the format, the first record and the number of its fields.
  ///
  /// - Throws: `.invalidText` where they cannot be told without guessing.
  init(_ first: [[UInt8]], _ format: DataFormat, _ task: any TrainingTask) throws(ClozeError) {
    let isPair = task.task.takesPairs
    let names = ["text"] + (isPair ? ["pair"] : []) + [task.labelKey]
    var wanted = [format.text] + (isPair ? [format.pair] : []) + [format.label]
    let isOpen = wanted.allSatisfy { $0 == nil }
    let lower = first.map { String(decoding: $0, as: UTF8.self).lowercased().trimmed }
    // No first example has the very names of columns; a label's name is enough where it is one field's.
    let isExact = isOpen && names.allSatisfy { name in first.contains(Array(name.utf8)) }
    let isNamed = isOpen && lower.filter { $0 == task.labelKey }.count == 1 && first.count > 1
    hasHeader = format.hasHeader || isExact || isNamed
    if hasHeader {
      for (i, name) in names.enumerated() where wanted[i] == nil {
        let found = lower.indices.filter { lower[$0] == name }
        if found.count == 1 { wanted[i] = .number(found[0] + 1) }
      }
    }
    var places: [Int?] = []
    for field in wanted { places.append(try field?.index(in: first)) }
    // What is not asked for and has no name stands in the fields that are left, in order, where these are just enough.
    let taken = Set(places.compactMap { $0 })
    let missing = places.indices.filter { places[$0] == nil }
    if !missing.isEmpty {
      let left = first.indices.filter { !taken.contains($0) }
      guard left.count <= missing.count || first.count < names.count else {
        let what = missing.map { ["text", "pair", "label"][isPair || $0 == 0 ? $0 : 2] }
        throw ClozeError(
          .invalidText,
          "\(DataReader.count(first.count, "field")) (\(DataReader.list(first))): name the "
            + what.map { $0 == "pair" ? "second text" : $0 }.joined(separator: " and the ")
            + " with " + what.map { "--\($0)" }.joined(separator: " and ") + ", by name or number")
      }
      for (i, place) in zip(missing, left + Array(repeating: first.count, count: missing.count)) { places[i] = place }
    }
    chosen = places.map { $0 ?? 0 }
    for (i, place) in chosen.enumerated() {
      guard let same = chosen[..<i].firstIndex(of: place), place < first.count else { continue }
      let what = isPair ? ["text", "second text", "label"] : ["text", "label"]
      throw ClozeError(.invalidText, "field \(place + 1) is named as both the \(what[same]) and the \(what[i])")
    }
    width = hasHeader ? first.count : missing.isEmpty ? nil : max(first.count, names.count)
    if isNamed, !isExact {
      let said = zip(names, chosen).map { name, place in
        "\(name) from \(DataReader.list(place < first.count ? [first[place]] : []))"
      }
      remark = "the first line is a header: \(said.joined(separator: ", ")) (--text and --label choose others)"
    }
  }

  /// The fields of a record that are read.
  func texts(of fields: [[UInt8]]) throws(ClozeError) -> [String] {
    if let width, fields.count != width {
      // Too few for what is asked for is said below.
      guard !hasHeader, fields.count <= (chosen.max() ?? 0) else {
        let expected = hasHeader ? " where the header has \(width)" : ", expected \(width)"
        throw ClozeError(.invalidText, DataReader.count(fields.count, "field") + expected)
      }
    }
    var texts: [String] = []
    for column in chosen {
      guard column < fields.count else {
        throw ClozeError(
          .invalidText, "\(DataReader.count(fields.count, "field")), field \(column + 1) was asked for")
      }
      texts.append(try DataReader.text(fields[column][...]))
    }
    return texts
  }
}
