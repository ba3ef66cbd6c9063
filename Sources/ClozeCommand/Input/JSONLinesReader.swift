import Cloze
import ClozeIO

/// Reads texts from a file with one JSON value per line: an object, with fields by key, or an array, with fields by
/// number. Other fields are checked and not stored.
struct JSONLinesReader: TextReader {
  private(set) var lines: LineReader
  private let wanted: WantedFields

  init(_ lines: LineReader, wanted: WantedFields) {
    self.lines = lines
    self.wanted = wanted
  }

  mutating func record() throws(ClozeError) -> TextRecord? {
    guard let line = try lines.unchecked() else { return nil }
    do throws(ClozeError) { return .text(try text(line)) } catch { return .bad(error) }
  }

  private func text(_ line: LineReader.Line) throws(ClozeError) -> NumberedText {
    try lines.check(line)
    func failure(_ reason: String) -> ClozeError { lines.failure(line.number, reason) }
    if line.bytes.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) { throw failure("empty") }
    var parser = try JSONParser(Array(line.bytes), name: "\(lines.file.name), line \(line.number)")
    let found = try fields(&parser)
    try parser.end()

    func string(_ field: DataField) throws(ClozeError) -> String {
      switch found[field] {
      case .string(let text): return text
      case .other(let kind): throw failure("field \(field) is \(kind.rawValue), not a string")
      case .repeated: throw failure("field \(field) is there twice")
      case nil: throw failure("no field \(field)")
      }
    }
    let first = try string(wanted.text)
    let second = try wanted.pair.map { field throws(ClozeError) in try string(field) }
    return NumberedText(text: Text(first, second), number: line.number)
  }

  private enum Value {
    case string(String)
    case other(JSONKind)
    case repeated
  }

  /// The wanted fields of the object or array that begins here.
  private func fields(_ parser: inout JSONParser) throws(ClozeError) -> [DataField: Value] {
    var found: [DataField: Value] = [:]
    func take(_ field: DataField, _ parser: inout JSONParser) throws(ClozeError) {
      guard field == wanted.text || field == wanted.pair else { return try parser.skip() }
      let kind = try parser.kind()
      var value = Value.other(kind)
      if kind == .string { value = .string(try parser.string().string) } else { try parser.skip() }
      found[field] = found[field] == nil ? value : .repeated
    }
    switch try parser.kind() {
    case .object:
      try parser.object { (key, parser) throws(ClozeError) in
        // A key of digits is given like a number.
        let key = key.string
        try take(DataField(key) ?? .name(key), &parser)
      }
    case .array:
      var number = 0
      try parser.array { (parser) throws(ClozeError) in
        number += 1
        try take(.number(number), &parser)
      }
    case let kind: throw parser.refused("\(kind.rawValue), not an object or an array,")
    }
    return found
  }
}
