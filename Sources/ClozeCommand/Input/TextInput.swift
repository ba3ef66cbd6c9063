import Cloze
import ClozeIO

/// A text with the number of its argument, line or record.
struct NumberedText: Hashable {
  var text: Text
  /// Counted from 1; of a record, the number of its first line.
  var number: Int

  /// Adds the text to the object of its results.
  func write(to object: inout JSONWriter) {
    object.value("text", text.first)
    if let second = text.second { object.value("pair", second) }
  }
}

/// The fields of a record that hold a text or a pair.
struct WantedFields: Hashable {
  var text: DataField
  var pair: DataField?
}

/// A text of a file, or a line or record that has none and may be skipped.
enum TextRecord {
  case text(NumberedText)
  /// What is wrong with it, with its place.
  case bad(ClozeError)
}

/// Reads texts from a file, one after another.
protocol TextReader {
  var lines: LineReader { get }
  /// What was assumed of the texts returned so far; nil where nothing was.
  var remark: String? { get }
  /// The next record, or nil after the last. Errors that are thrown are those of the file as a whole or its header.
  mutating func record() throws(ClozeError) -> TextRecord?
}

extension TextReader {
  var remark: String? { nil }

  /// The next text, or nil after the last; a bad record is an error.
  mutating func next() throws(ClozeError) -> NumberedText? {
    switch try record() {
    case .text(let text): return text
    case .bad(let error): throw error
    case nil: return nil
    }
  }
}

/// Reads each line as a text.
struct PlainLines: TextReader {
  var lines: LineReader

  mutating func record() throws(ClozeError) -> TextRecord? {
    guard let line = try lines.unchecked() else { return nil }
    do throws(ClozeError) { try lines.check(line) } catch { return .bad(error) }
    return .text(NumberedText(text: Text(line.text), number: line.number))
  }
}

/// The texts of a command, from arguments or a file. Memory does not grow with their number.
struct TextInput {
  /// nil where texts are arguments.
  private var reader: (any TextReader)?
  private var arguments: ArraySlice<Text> = []
  private var argumentsPerText = 1
  /// Whether bad records are skipped, not an error.
  private var skipsBad = false
  private var advice = ""
  private var skipped = 0
  private var firstSkipped = ""

  /// Texts given on the command line, each made of `perText` arguments.
  init(arguments: [Text], perText: Int) {
    self.arguments = arguments[...]
    argumentsPerText = perText
  }

  /// - Parameter advice: behind the error of a bad record.
  init(_ reader: any TextReader, skipsBad: Bool = false, advice: String = "") {
    self.reader = reader
    self.skipsBad = skipsBad
    self.advice = advice
  }

  /// The next text, or nil after the last.
  mutating func next() throws(ClozeError) -> NumberedText? {
    while let record = try record() { if let text = try text(of: record) { return text } }
    return nil
  }

  private mutating func record() throws(ClozeError) -> TextRecord? {
    if reader != nil { return try reader?.record() }
    let index = arguments.startIndex
    return arguments.popFirst().map { .text(NumberedText(text: $0, number: index * argumentsPerText + 1)) }
  }

  /// The text of a record; nil for a bad one that is skipped.
  private mutating func text(of record: TextRecord) throws(ClozeError) -> NumberedText? {
    switch record {
    case .text(let text): return text
    case .bad(let error):
      guard skipsBad else { throw ClozeError(error.status, "\(error.message)\(advice)") }
      if skipped == 0 { firstSkipped = error.message }
      skipped += 1
      return nil
    }
  }

  /// The next texts: at most `count`, and no more once they have `bytes` bytes. Fewer if the file is a pipe without
  /// more input at the moment, so that a program that writes a line and waits for its result gets it. Empty at the
  /// end.
  mutating func batch(count: Int = 1024, bytes: Int = 1 << 20) throws(ClozeError) -> [NumberedText] {
    var batch: [NumberedText] = []
    var taken = 0
    while batch.count < count, taken < bytes, batch.isEmpty || isReady {
      guard let record = try record() else { break }
      guard let text = try text(of: record) else { continue }
      taken += text.text.first.utf8.count + (text.text.second?.utf8.count ?? 0)
      batch.append(text)
    }
    return batch
  }

  /// The place of a text for messages: "argument 2", "notes.txt, line 7".
  func place(of text: NumberedText) -> String {
    if let file { return "\(file.name), line \(text.number)" }
    return "argument \(text.number)"
  }

  /// The file; nil for arguments.
  var file: SequentialFile? { reader?.lines.file }

  /// What was assumed of the texts returned so far and what was skipped, with the file's name; nil where nothing was.
  var remark: String? {
    guard let reader else { return nil }
    var remarks = reader.remark.map { ["\(reader.lines.file.name): \($0)"] } ?? []
    if skipped > 0 {
      remarks.append("\(grouped(skipped)) bad \(skipped == 1 ? "line" : "lines") skipped; \(firstSkipped)")
    }
    return remarks.isEmpty ? nil : remarks.joined(separator: "; ")
  }

  /// Bytes of the texts returned so far.
  var bytesConsumed: Int { reader?.lines.bytesConsumed ?? 0 }

  private var isReady: Bool { reader?.lines.isReady ?? true }
}
