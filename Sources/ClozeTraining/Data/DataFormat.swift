public import ClozeIO

/// How examples are stored in a file.
public struct DataFormat: Sendable {
  /// The kinds of file.
  public enum Kind: String, Sendable, CaseIterable {
    /// Fields separated by tabs.
    case tsv
    /// Fields separated by commas.
    case csv
    /// One JSON object a line.
    case jsonl
    /// One JSON array of objects, or an object that has it as "data".
    case json
    /// A word and its tag a line, in columns; an empty line between sentences.
    case conll
    /// The JSON of SQuAD 1.1 or 2.0, or questions as flat objects, as in `json`.
    case squad
    /// A sentence or paragraph a line; an empty line between documents.
    case lines
  }

  /// nil: by the file's extension, else the task's first.
  public var kind: Kind?
  /// nil: the key "text" ("words" for tagging), or the first field where there are no more than the task has.
  public var text: DataField?
  /// nil: the key "pair", or the field after `text`, for tasks about two texts.
  public var pair: DataField?
  /// nil: the key "label" ("labels", "value", "tags"), or the field after the texts.
  public var label: DataField?
  /// nil: a comma in CSV, a tab in TSV, and in CoNLL a tab where the first line has one, else blanks.
  public var separator: String?
  /// Whether a field in double quotes may contain separators and line ends; nil: in CSV, not in TSV.
  public var quotes: Bool?
  /// Whether the first line names the fields, also where they are given by number.
  public var header = false
  /// Whether bad lines are skipped, not an error.
  public var skipBad = false

  /// All defaults.
  public init() {}

  var hasHeader: Bool { [text, pair, label].contains { $0?.isName ?? false } || header }

  /// The kind that a file's extension says; nil: none.
  static func kind(ofFile name: String) -> Kind? {
    guard name.utf8.contains(UInt8(ascii: ".")) else { return nil }
    return switch name.split(separator: ".").last.map({ $0.lowercased() }) {
    case "tsv": .tsv
    case "csv": .csv
    case "jsonl", "ndjson": .jsonl
    case "json": .json
    case "conll", "conllu", "conllup", "iob", "iob2", "bio": .conll
    default: nil
    }
  }
}
