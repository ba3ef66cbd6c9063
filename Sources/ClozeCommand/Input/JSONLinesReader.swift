import Cloze

/// Reads a file with one JSON value a line: objects, whose fields are keys, or arrays, whose fields
/// count from 1.
struct JSONLinesReader {
  private var lines: LineReader
  private let wanted: WantedFields

  init(_ lines: LineReader, wanted: WantedFields) {
    self.lines = lines
    self.wanted = wanted
  }

  var file: FileBytes { lines.file }
  var bytesConsumed: Int { lines.bytesConsumed }
  var isReady: Bool { lines.isReady }

  mutating func next() throws(WorkFailure) -> NumberedText? {
    guard let line = try lines.next() else { return nil }
    func failure(_ reason: String) -> WorkFailure {
      WorkFailure("\(lines.file.name), line \(line.number): \(reason)")
    }
    if line.bytes.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) { throw failure("empty") }

    var found: [Field: Value] = [:]
    do throws(JSONScanner.Failure) {
      var scanner = JSONScanner(line.bytes)
      found = try fields(&scanner)
      try scanner.end()
    } catch {
      throw failure("byte offset \(error.offset): \(error.reason)")
    }

    func string(_ field: Field) throws(WorkFailure) -> String {
      switch found[field] {
      case .string(let text): return text
      case .other(let kind): throw failure("field \(field) is \(kind.rawValue), not a string")
      case .repeated: throw failure("field \(field) is there twice")
      case nil: throw failure("no field \(field)")
      }
    }
    let first = try string(wanted.text)
    var second: String?
    if let pair = wanted.pair { second = try string(pair) }
    return NumberedText(text: Text(first, second), number: line.number)
  }

  private enum Value {
    case string(String)
    case other(JSONScanner.Kind)
    case repeated
  }

  /// The wanted fields of the object or array that begins here; everything else in it is only
  /// checked.
  private func fields(
    _ scanner: inout JSONScanner
  ) throws(JSONScanner.Failure) -> [Field: Value] {
    var found: [Field: Value] = [:]
    func take(
      _ field: Field, _ scanner: inout JSONScanner
    ) throws(JSONScanner.Failure) {
      guard field == wanted.text || field == wanted.pair else { return try scanner.skip(depth: 1) }
      let kind = try scanner.kind()
      var value = Value.other(kind)
      if kind == .string {
        value = .string(try scanner.string())
      } else {
        try scanner.skip(depth: 1)
      }
      found[field] = found[field] == nil ? value : .repeated
    }
    switch try scanner.kind() {
    case .object:
      try scanner.object { (key, scanner) throws(JSONScanner.Failure) in
        // A key of digits is asked for like a number.
        try take(Field(key) ?? .name(key), &scanner)
      }
    case .array:
      try scanner.array { (index, scanner) throws(JSONScanner.Failure) in
        try take(.number(index + 1), &scanner)
      }
    case let kind:
      throw JSONScanner.Failure(
        offset: scanner.offset, reason: "\(kind.rawValue), not an object or an array")
    }
    return found
  }
}
