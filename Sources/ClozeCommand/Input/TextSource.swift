import Cloze

/// A text, and which argument, line or record of the input it is.
struct NumberedText: Hashable {
  var text: Text
  /// Counted from 1; of a record, the line that it begins on.
  var number: Int
}

/// The texts of one command, from wherever they come, in memory that does not grow with their
/// number.
struct TextSource {
  private enum Origin {
    case arguments([Text], next: Int, perText: Int)
    case lines(LineReader)
    case delimited(DelimitedReader)
    case jsonLines(JSONLinesReader)
  }

  private var origin: Origin

  /// Texts given on the command line, each made of `perText` arguments.
  init(arguments: [Text], perText: Int) {
    origin = .arguments(arguments, next: 0, perText: perText)
  }

  /// One text a line.
  init(lines: LineReader) { origin = .lines(lines) }
  init(delimited: DelimitedReader) { origin = .delimited(delimited) }
  init(jsonLines: JSONLinesReader) { origin = .jsonLines(jsonLines) }

  /// The next text, or nil after the last.
  mutating func next() throws(WorkFailure) -> NumberedText? {
    switch origin {
    case .arguments(let texts, let next, let perText):
      guard next < texts.count else { return nil }
      origin = .arguments(texts, next: next + 1, perText: perText)
      return NumberedText(text: texts[next], number: next * perText + 1)
    case .lines(var reader):
      // The enum gives its payload up while it is changed, so that the reader's buffer is not
      // copied.
      origin = .arguments([], next: 0, perText: 1)
      defer { origin = .lines(reader) }
      guard let line = try reader.next() else { return nil }
      return NumberedText(text: Text(line.text), number: line.number)
    case .delimited(var reader):
      origin = .arguments([], next: 0, perText: 1)
      defer { origin = .delimited(reader) }
      return try reader.next()
    case .jsonLines(var reader):
      origin = .arguments([], next: 0, perText: 1)
      defer { origin = .jsonLines(reader) }
      return try reader.next()
    }
  }

  /// The next texts: at most `count`, and no further one once they take `bytes`. Fewer where the
  /// file is a pipe that has no more at the moment, so that a program that writes a line and waits
  /// for its answer gets it. Empty at the end.
  mutating func batch(
    count: Int = 1024, bytes: Int = 1 << 20
  ) throws(WorkFailure) -> [NumberedText] {
    var batch: [NumberedText] = []
    var taken = 0
    while batch.count < count, taken < bytes, batch.isEmpty || isReady {
      guard let text = try next() else { break }
      taken += text.text.first.utf8.count + (text.text.second?.utf8.count ?? 0)
      batch.append(text)
    }
    return batch
  }

  /// How messages call a text: "argument 2", "notes.txt, line 7".
  func place(of text: NumberedText) -> String {
    if let file { return "\(file.name), line \(text.number)" }
    return "argument \(text.number)"
  }

  /// The file that is read, nil for arguments.
  var file: FileBytes? {
    switch origin {
    case .arguments: nil
    case .lines(let reader): reader.file
    case .delimited(let reader): reader.file
    case .jsonLines(let reader): reader.file
    }
  }

  /// Bytes of the file that texts were made of so far.
  var bytesConsumed: Int {
    switch origin {
    case .arguments: 0
    case .lines(let reader): reader.bytesConsumed
    case .delimited(let reader): reader.bytesConsumed
    case .jsonLines(let reader): reader.bytesConsumed
    }
  }

  private var isReady: Bool {
    switch origin {
    case .arguments: true
    case .lines(let reader): reader.isReady
    case .delimited(let reader): reader.isReady
    case .jsonLines(let reader): reader.isReady
    }
  }
}
