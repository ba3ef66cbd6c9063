internal import Cloze
internal import ClozeIO

/// Files of JSON: an object a line, one list of objects, SQuAD's articles.
extension DataReader {
  mutating func readJSONLines() throws(ClozeError) {
    let (task, format) = (task, format)
    for (line, number) in lines where !isBlank(line) {
      try add(number) { () throws(ClozeError) in
        do throws(ClozeError) {
          return try task.training.content(JSONField(parsing: Array(line), name: "line"), format)
        } catch { throw Self.withoutPath(error) }
      }
    }
  }

  /// One document, or lines where there is more than one.
  mutating func readJSON() throws(ClozeError) {
    let (task, format) = (task, format)
    let records: JSONRecords
    do throws(ClozeError) { records = try JSONRecords(bytes, name: name) } catch {
      throw ClozeError(.invalidText, error.message)
    }
    for (record, line) in records.records {
      if task == .answer, let paragraphs = try? record.present("paragraphs") {
        try readParagraphs(paragraphs)
      } else {
        let record = JSONField(value: record.value, path: "line:")
        try add(line) { () throws(ClozeError) in
          do throws(ClozeError) { return try task.training.content(record, format) } catch {
            throw Self.withoutPath(error)
          }
        }
      }
    }
  }

  /// An article of SQuAD.
  private mutating func readParagraphs(_ paragraphs: JSONField) throws(ClozeError) {
    do throws(ClozeError) {
      for paragraph in try paragraphs.elements() {
        let passage = Passage(try paragraph.required("context").string())
        for question in try paragraph.required("qas").elements() {
          let id = try question.present("id")?.scalar() ?? ""
          try add("\(name): question \(id.isEmpty ? "\(examples.count + 1)" : id)") { () throws(ClozeError) in
            .question(
              try question.required("question").string(), passage: passage.text, answers: try passage.answers(question),
              id: id)
          }
        }
      }
    } catch { throw ClozeError(.invalidText, error.message) }
  }

  /// The error without the path that stands for the line, which its place names already.
  private static func withoutPath(_ error: ClozeError) -> ClozeError {
    let message = error.message
    return ClozeError(.invalidText, message.hasPrefix("line: ") ? String(message.dropFirst(6)) : message)
  }
}

/// A passage, and where its characters begin.
struct Passage {
  let text: String
  private let bytes: [UInt8]
  /// The byte where each code point begins.
  private let starts: [Int]

  init(_ text: String) {
    self.text = text
    let utf8 = Array(text.utf8)
    bytes = utf8
    starts = utf8.indices.filter { utf8[$0] & 0xC0 != 0x80 }
  }

  /// The answers of a question, as SQuAD has them, a list of texts with their starts, or as Hugging Face's data sets
  /// do, a list of texts and one of starts; starts count code points.
  func answers(_ question: JSONField) throws(ClozeError) -> [Example.Answer] {
    if try question.present("is_impossible")?.bool() ?? false { return [] }
    guard let field = try question.present("answers") else {
      throw ClozeError(.invalidText, "no answers; an empty list says that the passage has none")
    }
    var found: [(text: JSONField, start: JSONField)] = []
    if field.isArray {
      for answer in try field.elements() {
        found.append((try answer.required("text"), try answer.required("answer_start")))
      }
    } else {
      let (texts, starts) = (try field.required("text").elements(), try field.required("answer_start").elements())
      guard texts.count == starts.count else {
        throw ClozeError(.invalidText, "answers: \(texts.count) in text and \(starts.count) in answer_start")
      }
      found = Array(zip(texts, starts))
    }
    var answers: [Example.Answer] = []
    for (text, start) in found { answers.append(try answer(text.string(), at: Int(start.id()))) }
    return answers
  }

  /// The answer that begins at a code point.
  private func answer(_ answer: String, at start: Int) throws(ClozeError) -> Example.Answer {
    if start < starts.count, stands(answer, at: starts[start]) {
      return Example.Answer(text: answer, offset: starts[start])
    }
    let there = start < starts.count ? ", where \"\(excerpt(at: starts[start], like: answer))\" stands" : ""
    throw ClozeError(
      .invalidText, "the answer \"\(answer)\" does not begin at character \(start)\(there): \(advice(answer, start))")
  }

  private func stands(_ answer: String, at byte: Int) -> Bool {
    !answer.isEmpty && byte < bytes.count && bytes[byte...].starts(with: answer.utf8)
  }

  /// As many code points of the passage as the answer has.
  private func excerpt(at byte: Int, like answer: String) -> String {
    let scalars = String(decoding: bytes[byte...].prefix(4 * answer.utf8.count), as: UTF8.self).unicodeScalars
    return String(String.UnicodeScalarView(scalars.prefix(answer.unicodeScalars.count)))
  }

  /// What the start may count instead, or where the answer is.
  private func advice(_ answer: String, _ start: Int) -> String {
    if answer.isEmpty { return "an answer has at least one character" }
    let units = text.utf16.index(text.utf16.startIndex, offsetBy: start, limitedBy: text.utf16.endIndex)
    let unit = units.map { text.utf8.distance(from: text.utf8.startIndex, to: $0) }
    for (byte, name) in [(unit, "UTF-16 units"), (start, "bytes of UTF-8")] {
      guard let byte, stands(answer, at: byte), let character = starts.firstIndex(of: byte) else { continue }
      return "it counts \(name); characters are code points, of which it is number \(character)"
    }
    if let character = starts.firstIndex(where: { stands(answer, at: $0) }) {
      return "it begins at character \(character)"
    }
    return "the passage does not contain it, letter by letter"
  }
}
