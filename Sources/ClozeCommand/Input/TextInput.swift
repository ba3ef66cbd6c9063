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

/// Reads texts from a file, one after another.
protocol TextReader {
  var lines: LineReader { get }
  /// What was assumed of the texts returned so far; nil where nothing was.
  var remark: String? { get }
  /// The next text, or nil after the last.
  mutating func next() throws(ClozeError) -> NumberedText?
}

extension TextReader {
  var remark: String? { nil }
}

/// Reads each line as a text.
struct PlainLines: TextReader {
  var lines: LineReader

  mutating func next() throws(ClozeError) -> NumberedText? {
    try lines.next().map { NumberedText(text: Text($0.text), number: $0.number) }
  }
}

/// The texts of a command, from arguments or a file. Memory does not grow with their number.
struct TextInput {
  /// nil where texts are arguments.
  private var reader: (any TextReader)?
  private var arguments: ArraySlice<Text> = []
  private var argumentsPerText = 1

  /// Texts given on the command line, each made of `perText` arguments.
  init(arguments: [Text], perText: Int) {
    self.arguments = arguments[...]
    argumentsPerText = perText
  }

  init(_ reader: any TextReader) { self.reader = reader }

  /// The next text, or nil after the last.
  mutating func next() throws(ClozeError) -> NumberedText? {
    if reader != nil { return try reader?.next() }
    let index = arguments.startIndex
    return arguments.popFirst().map { NumberedText(text: $0, number: index * argumentsPerText + 1) }
  }

  /// The next texts: at most `count`, and no more once they have `bytes` bytes. Fewer if the file is a pipe without
  /// more input at the moment, so that a program that writes a line and waits for its result gets it. Empty at the
  /// end.
  mutating func batch(count: Int = 1024, bytes: Int = 1 << 20) throws(ClozeError) -> [NumberedText] {
    var batch: [NumberedText] = []
    var taken = 0
    while batch.count < count, taken < bytes, batch.isEmpty || isReady {
      guard let text = try next() else { break }
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

  /// What was assumed of the texts returned so far, with the file's name; nil where nothing was.
  var remark: String? { reader.flatMap { reader in reader.remark.map { "\(reader.lines.file.name): \($0)" } } }

  /// Bytes of the texts returned so far.
  var bytesConsumed: Int { reader?.lines.bytesConsumed ?? 0 }

  private var isReady: Bool { reader?.lines.isReady ?? true }
}
