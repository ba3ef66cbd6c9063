public import Cloze
public import ClozeIO

extension Dataset {
  /// Reads a file of labelled examples.
  ///
  /// - Throws: `.invalidText` with file, line and reason for a bad line, unless those are skipped;
  ///   `.notFound`, `.io`; `.invalidArgument` for a format that the task does not read.
  public init(path: String, task: Head.Task, format: DataFormat = DataFormat()) throws(ClozeError) {
    if try FileKind(path) == .missing { throw ClozeError(.notFound, "\(path): no such file") }
    var reader = DataReader(bytes: try contents(of: path), name: path, task: task, format: format)
    try reader.read()
    self.init(reader.examples, skipped: reader.skipped, remarks: reader.remarks)
  }
}

/// Turns the bytes of a file into examples.
struct DataReader {
  let name: String
  let task: Head.Task
  let format: DataFormat
  let kind: DataFormat.Kind
  let bytes: [UInt8]
  private(set) var examples: [Example] = []
  private(set) var skipped: [String] = []
  /// What was assumed, in sentences without the file's name.
  var remarks: [String] = []

  init(bytes: [UInt8], name: String, task: Head.Task, format: DataFormat) {
    self.name = name
    self.task = task
    // Without the byte-order mark.
    self.bytes = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(bytes.dropFirst(3)) : bytes
    let formats = task.training.formats
    var format = format
    var kind = format.kind ?? DataFormat.kind(ofFile: name) ?? formats.first ?? .tsv
    // A table of words and tags is columns.
    if format.kind == nil, kind == .tsv, !formats.contains(.tsv), formats.contains(.conll) {
      kind = .conll
      format.separator = format.separator ?? "\t"
    }
    self.format = format
    self.kind = kind
  }

  mutating func read() throws(ClozeError) {
    let formats = task.training.formats
    guard formats.contains(kind) else {
      throw ClozeError(
        .invalidArgument,
        "\(name): \(task.rawValue) reads \(formats.map(\.rawValue).joined(separator: " or ")), not \(kind.rawValue)")
    }
    try TextSignature.check(bytes, name: name)
    if kind != .json, kind != .squad, bytes.contains(0x0D), !bytes.contains(0x0A) {
      throw TextSignature.returnsAlone(name)
    }
    switch kind {
    case .tsv, .csv: try readRecords()
    case .jsonl: try readJSONLines()
    case .json: try readJSON()
    case .conll: try readCoNLL()
    case .lines: try readDocuments()
    case .squad: try readJSON()
    }
    guard !examples.isEmpty else {
      throw ClozeError(.invalidText, "\(name) has no example" + (skipped.first.map { "; \($0)" } ?? ""))
    }
  }

  /// Adds the example of a line, or skips the line where it is bad and bad lines are skipped.
  mutating func add(_ line: Int, _ content: () throws(ClozeError) -> Example.Content) throws(ClozeError) {
    try add("\(name):\(line)", content)
  }

  mutating func add(_ place: String, _ content: () throws(ClozeError) -> Example.Content) throws(ClozeError) {
    do throws(ClozeError) {
      let content = try content()
      try content.checkLabels()
      examples.append(Example(content, place: place))
    } catch {
      let message = "\(place): \(error.reason)"
      guard format.skipBad else { throw ClozeError(.invalidText, message) }
      skipped.append(message)
    }
  }

  /// All lines without their ends, and their numbers from 1.
  var lines: [(bytes: ArraySlice<UInt8>, number: Int)] {
    var lines: [(bytes: ArraySlice<UInt8>, number: Int)] = []
    var start = 0
    while start < bytes.count {
      var end = start
      while end < bytes.count, bytes[end] != 0x0A { end &+= 1 }
      let last = end > start && bytes[end &- 1] == 0x0D ? end &- 1 : end
      lines.append((bytes[start..<last], lines.count + 1))
      start = end &+ 1
    }
    return lines
  }

  static func text(_ bytes: ArraySlice<UInt8>) throws(ClozeError) -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else { throw ClozeError(.invalidText, "not UTF-8") }
    return text
  }

  /// "1 field", "3 fields".
  static func count(_ count: Int, _ name: String) -> String { count == 1 ? "1 \(name)" : "\(count) \(name)s" }

  /// Fields in quotes, for messages.
  static func list(_ fields: [[UInt8]]) -> String {
    fields.map { "\"\(String(decoding: $0, as: UTF8.self))\"" }.joined(separator: ", ")
  }
}

/// Whether a line has nothing but blanks and tabs.
func isBlank(_ line: ArraySlice<UInt8>) -> Bool { line.allSatisfy { $0 == 0x20 || $0 == 0x09 } }
