public import Cloze
public import ClozeIO

extension Dataset {
  /// Reads a file of labelled examples.
  ///
  /// - Throws: `.invalidText` with file, line and reason for a bad line, unless those are skipped;
  ///   `.notFound`, `.io`; `.invalidArgument` for a format that the task does not read.
  public init(path: String, task: Head.Task, format: DataFormat = DataFormat()) throws(ClozeError) {
    let bytes: [UInt8]
    if try FileKind(path) == .missing {
      throw ClozeError(.notFound, "\(path): no such file")
    }
    bytes = try contents(of: path)
    var reader = DataReader(bytes: bytes, name: path, task: task, format: format)
    try reader.read()
    self.init(reader.examples, skipped: reader.skipped)
  }
}

/// Turns the bytes of a file into examples.
struct DataReader {
  let name: String
  let task: Head.Task
  let format: DataFormat
  let kind: DataFormat.Kind
  private let bytes: [UInt8]
  private(set) var examples: [Example] = []
  private(set) var skipped: [String] = []

  init(bytes: [UInt8], name: String, task: Head.Task, format: DataFormat) {
    self.name = name
    self.task = task
    self.format = format
    // A byte-order mark is no text.
    self.bytes = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(bytes.dropFirst(3)) : bytes
    let ending = name.split(separator: ".").last.map { $0.lowercased() } ?? ""
    let named: DataFormat.Kind? =
      switch ending {
      case "tsv": .tsv
      case "csv": .csv
      case "jsonl": .jsonl
      case "json": .squad
      default: nil
      }
    let usual: DataFormat.Kind =
      switch task {
      case .tag: .conll
      case .answer: .squad
      case .mlm, .nsp: .lines
      default: .tsv
      }
    kind = format.kind ?? named ?? usual
  }

  mutating func read() throws(ClozeError) {
    let allowed: [DataFormat.Kind] =
      switch task {
      case .tag: [.conll, .jsonl]
      case .answer: [.squad]
      case .mlm, .nsp: [.lines, .jsonl]
      default: [.tsv, .csv, .jsonl]
      }
    guard allowed.contains(kind) else {
      throw ClozeError(
        .invalidArgument,
        "\(name): \(task.rawValue) reads \(allowed.map(\.rawValue).joined(separator: " or ")), "
          + "not \(kind.rawValue)")
    }
    switch kind {
    case .tsv, .csv: try readRecords()
    case .jsonl: try readJSONLines()
    case .conll: try readCoNLL()
    case .lines: try readDocuments()
    case .squad: try readSQuAD(bytes)
    }
    guard !examples.isEmpty else {
      throw ClozeError(
        .invalidText,
        "\(name) holds no example" + (skipped.first.map { "; \($0)" } ?? ""))
    }
  }

  /// Adds an example, or what is wrong with its line.
  mutating func add(_ line: Int, _ make: () throws(BadLine) -> Example.Content?) throws(ClozeError)
  {
    try add("\(name):\(line)", make)
  }

  mutating func add(_ place: String, _ make: () throws(BadLine) -> Example.Content?)
    throws(ClozeError)
  {
    do throws(BadLine) {
      guard let content = try make() else { return }
      examples.append(Example(content, place: place))
    } catch {
      let message = "\(place): \(error.reason)"
      guard format.skipBad else { throw ClozeError(.invalidText, message) }
      skipped.append(message)
    }
  }

  /// Calls `body` with every line, without its end, and its number.
  func forEachLine(_ body: (ArraySlice<UInt8>, Int) throws(ClozeError) -> Void) throws(ClozeError) {
    var start = 0
    var number = 0
    while start < bytes.count {
      var end = start
      while end < bytes.count, bytes[end] != 0x0A { end &+= 1 }
      number += 1
      let last = end > start && bytes[end &- 1] == 0x0D ? end &- 1 : end
      try body(bytes[start..<last], number)
      start = end &+ 1
    }
  }

  static func text(_ bytes: ArraySlice<UInt8>) throws(BadLine) -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else { throw BadLine("not UTF-8") }
    return text
  }

  /// An example of a task about texts.
  func content(_ text: String, _ pair: String?, _ label: String) throws(BadLine) -> Example.Content
  {
    let text = Text(text, pair)
    switch task {
    case .regress, .regressPairs:
      guard let value = Float(label), value.isFinite else {
        throw BadLine("\"\(label)\" is no number")
      }
      return .scored(text, value: value)
    case .multilabel:
      let labels = label.split(separator: ",").map { trimmed($0) }.filter { !$0.isEmpty }
      return .labelled(text, labels: labels)
    default:
      guard !label.isEmpty else { throw BadLine("the label is empty") }
      return .text(text, label: label)
    }
  }
}

/// What is wrong with a line.
struct BadLine: Error {
  let reason: String
  init(_ reason: String) { self.reason = reason }
}

/// Without blanks and tabs around it.
func trimmed(_ text: Substring) -> String {
  var text = text
  while let first = text.first, first == " " || first == "\t" { text.removeFirst() }
  while let last = text.last, last == " " || last == "\t" { text.removeLast() }
  return String(text)
}
