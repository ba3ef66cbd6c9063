internal import Cloze
internal import ClozeIO

/// Files whose examples go over several lines.
extension DataReader {
  /// A word and its tag a line; sentences end at an empty line or a `-DOCSTART-`.
  mutating func readCoNLL() throws(ClozeError) {
    var words: [String] = []
    var tags: [String] = []
    var first = 0
    var bad: (line: Int, reason: String)?
    func column(_ field: DataField?, _ standard: Int) -> Int {
      if case .number(let number)? = field { number - 1 } else { standard }
    }
    let (wordColumn, tagColumn) = (column(format.text, 0), column(format.label, 1))
    let separator = format.separator.map { Array($0.utf8) }
    var lines: [(ArraySlice<UInt8>, Int)] = []
    try forEachLine { line, number in lines.append((line, number)) }
    func close(_ reader: inout DataReader) throws(ClozeError) {
      if let bad {
        try reader.add(bad.line) { () throws(BadLine) in throw BadLine(bad.reason) }
      } else if !words.isEmpty {
        let (sentence, marks) = (words, tags)
        try reader.add(first) { .words(sentence, tags: marks) }
      }
      words = []
      tags = []
      bad = nil
    }
    for (line, number) in lines {
      if line.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) {
        try close(&self)
        continue
      }
      let fields =
        separator == nil || separator?.count != 1
        ? line.split(whereSeparator: { $0 == 0x20 || $0 == 0x09 })
        : line.split(omittingEmptySubsequences: false) { $0 == separator?.first }
      guard fields.count > max(wordColumn, tagColumn) else {
        let count = fields.count == 1 ? "1 field" : "\(fields.count) fields"
        bad = bad ?? (number, "\(count), a word and a tag are needed")
        continue
      }
      if fields[wordColumn].elementsEqual("-DOCSTART-".utf8) { continue }
      do throws(BadLine) {
        let word = try Self.text(fields[wordColumn])
        let tag = try Self.text(fields[tagColumn])
        if words.isEmpty { first = number }
        words.append(word)
        tags.append(tag)
      } catch { bad = bad ?? (number, error.reason) }
    }
    try close(&self)
  }

  /// A sentence a line, an empty line between documents; for `mlm` each line is a document.
  mutating func readDocuments() throws(ClozeError) {
    var sentences: [String] = []
    var first = 0
    var lines: [(ArraySlice<UInt8>, Int)] = []
    try forEachLine { line, number in lines.append((line, number)) }
    lines.append(([], lines.count + 1))
    for (line, number) in lines {
      let isEmpty = line.allSatisfy { $0 == 0x20 || $0 == 0x09 }
      if !isEmpty {
        do throws(BadLine) {
          if sentences.isEmpty { first = number }
          sentences.append(try Self.text(line))
        } catch {
          let reason = error
          try add(number) { () throws(BadLine) in throw reason }
        }
      }
      guard isEmpty || task == .mlm, !sentences.isEmpty else { continue }
      let document = sentences
      try add(first) { .document(document) }
      sentences = []
    }
  }

  /// SQuAD's own JSON; "answer_start" counts code points.
  mutating func readSQuAD(_ bytes: [UInt8]) throws(ClozeError) {
    do throws(ClozeError) {
      let root = try JSONField(parsing: bytes, name: name)
      for article in try root.required("data").elements() {
        for paragraph in try article.required("paragraphs").elements() {
          let passage = try paragraph.required("context").string()
          let starts = Self.starts(of: passage)
          for question in try paragraph.required("qas").elements() {
            try addQuestion(question, passage, starts)
          }
        }
      }
    } catch { throw ClozeError(.invalidText, error.message) }
  }

  private mutating func addQuestion(
    _ field: JSONField, _ passage: String, _ starts: [Int]
  ) throws(ClozeError) {
    let id = try field.present("id")?.scalar() ?? ""
    let bytes = Array(passage.utf8)
    let count = examples.count
    do throws(ClozeError) {
      try add("\(name): question \(id.isEmpty ? "\(count + 1)" : id)") { () throws(BadLine) in
        do throws(ClozeError) {
          var answers: [Example.Answer] = []
          let isImpossible = try field.present("is_impossible")?.bool() ?? false
          let given = isImpossible ? [] : try field.present("answers")?.elements() ?? []
          for answer in given {
            let text = try answer.required("text").string()
            let start = Int(try answer.required("answer_start").id())
            guard start < starts.count, bytes[starts[start]...].starts(with: text.utf8),
              !text.isEmpty
            else {
              throw ClozeError(
                .damaged, "the answer \"\(text)\" does not stand at character \(start)")
            }
            answers.append(Example.Answer(text: text, offset: starts[start]))
          }
          return .question(
            try field.required("question").string(), passage: passage, answers: answers, id: id)
        } catch { throw BadLine(error.message) }
      }
    } catch { throw ClozeError(.damaged, error.message) }
  }

  /// The byte where each code point begins.
  static func starts(of text: String) -> [Int] {
    var starts: [Int] = []
    for (i, byte) in text.utf8.enumerated() where byte & 0xC0 != 0x80 { starts.append(i) }
    return starts
  }
}
