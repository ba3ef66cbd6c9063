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
    /// A word and its tag a line, with a blank between them; an empty line between sentences.
    case conll
    /// The JSON of SQuAD 1.1 or 2.0.
    case squad
    /// A sentence or paragraph a line; an empty line between documents.
    case lines
  }

  /// nil: by the file's extension, else the task's first.
  public var kind: Kind?
  /// nil: field 1, or the key "text" ("words" for tagging).
  public var text: DataField?
  /// nil: field 2, or the key "pair", for tasks about two texts.
  public var pair: DataField?
  /// nil: the field after the texts, or the key "label" ("labels", "value", "tags").
  public var label: DataField?
  /// nil: a comma in CSV, a tab in TSV, and blanks or tabs in CoNLL.
  public var separator: String?
  /// Whether a field in double quotes may contain separators and line ends.
  public var quotes = true
  /// Whether the first line names the fields, also where they are given by number.
  public var header = false
  /// Whether bad lines are skipped, not an error.
  public var skipBad = false

  /// All defaults.
  public init() {}

  var hasHeader: Bool { [text, pair, label].contains { $0?.isName ?? false } || header }
}
