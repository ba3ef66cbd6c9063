internal import Cloze
internal import ClozeIO

/// Files whose examples take several lines.
extension DataReader {
  /// A word and its tag a line; sentences end at an empty line or at a `-DOCSTART-`.
  mutating func readCoNLL() throws(ClozeError) {
    func column(_ field: DataField?, _ standard: Int) -> Int {
      if case .number(let number)? = field { number - 1 } else { standard }
    }
    let (wordColumn, tagColumn) = (column(format.text, 0), column(format.label, 1))
    let separator = format.separator.flatMap { $0.utf8.count == 1 ? $0.utf8.first : nil }
    var (words, tags): ([String], [String]) = ([], [])
    /// The sentence's first line, or its first bad one.
    var first = 0
    var bad: ClozeError?
    func endSentence(_ reader: inout DataReader) throws(ClozeError) {
      let (sentence, marks, failure) = (words, tags, bad)
      (words, tags, bad) = ([], [], nil)
      guard failure != nil || !sentence.isEmpty else { return }
      try reader.add(first) { () throws(ClozeError) in
        if let failure { throw failure }
        return .words(sentence, tags: marks)
      }
    }
    for (line, number) in lines {
      if isBlank(line) {
        try endSentence(&self)
        continue
      }
      let fields =
        if let separator { line.split(omittingEmptySubsequences: false) { $0 == separator } } else {
          line.split { $0 == 0x20 || $0 == 0x09 }
        }
      do throws(ClozeError) {
        guard fields.count > max(wordColumn, tagColumn) else {
          let count = fields.count == 1 ? "1 field" : "\(fields.count) fields"
          throw ClozeError(.invalidText, "\(count), a word and a tag are needed")
        }
        if fields[wordColumn].elementsEqual("-DOCSTART-".utf8) { continue }
        let (word, tag) = (try Self.text(fields[wordColumn]), try Self.text(fields[tagColumn]))
        if words.isEmpty, bad == nil { first = number }
        words.append(word)
        tags.append(tag)
      } catch { if bad == nil { (bad, first) = (error, number) } }
    }
    try endSentence(&self)
  }

  /// A sentence a line, an empty line between documents; for `mlm` each line is a document.
  mutating func readDocuments() throws(ClozeError) {
    var sentences: [String] = []
    var first = 0
    let lines = lines
    for (line, number) in lines + [(bytes: [], number: lines.count + 1)] {
      if !isBlank(line) {
        do throws(ClozeError) {
          let sentence = try Self.text(line)
          if sentences.isEmpty { first = number }
          sentences.append(sentence)
        } catch {
          let failure = error
          try add(number) { () throws(ClozeError) in throw failure }
        }
        guard task == .mlm else { continue }
      }
      guard !sentences.isEmpty else { continue }
      let document = sentences
      sentences = []
      try add(first) { .document(document) }
    }
  }

  /// SQuAD's JSON; "answer_start" counts code points.
  mutating func readSQuAD(_ bytes: [UInt8]) throws(ClozeError) {
    do throws(ClozeError) {
      let root = try JSONField(parsing: bytes, name: name)
      for article in try root.required("data").elements() {
        for paragraph in try article.required("paragraphs").elements() {
          let passage = try paragraph.required("context").string()
          let starts = Self.starts(of: passage)
          for question in try paragraph.required("qas").elements() {
            let id = try question.present("id")?.scalar() ?? ""
            try add("\(name): question \(id.isEmpty ? "\(examples.count + 1)" : id)") { () throws(ClozeError) in
              .question(
                try question.required("question").string(), passage: passage,
                answers: try Self.answers(question, Array(passage.utf8), starts), id: id)
            }
          }
        }
      }
    } catch { throw ClozeError(.invalidText, error.message) }
  }

  private static func answers(_ question: JSONField, _ passage: [UInt8], _ starts: [Int]) throws(ClozeError) -> [Example
    .Answer]
  {
    if try question.present("is_impossible")?.bool() ?? false { return [] }
    var answers: [Example.Answer] = []
    for answer in try question.present("answers")?.elements() ?? [] {
      let text = try answer.required("text").string()
      let start = Int(try answer.required("answer_start").id())
      guard start < starts.count, !text.isEmpty, passage[starts[start]...].starts(with: text.utf8) else {
        throw ClozeError(.invalidText, "the answer \"\(text)\" does not begin at character \(start)")
      }
      answers.append(Example.Answer(text: text, offset: starts[start]))
    }
    return answers
  }

  /// The byte where each code point begins.
  private static func starts(of text: String) -> [Int] {
    text.utf8.enumerated().filter { $1 & 0xC0 != 0x80 }.map(\.offset)
  }
}
