/// What a reader of tables finds worth saying where it had to assume something: quotes that it took for text, a first
/// line that it took for data.
package struct TableRemarks {
  /// Names that columns of texts and labels have, and that hardly any example is.
  private static let names: Set<String> = [
    "text", "texts", "sentence", "sentence1", "sentence2", "question", "question1", "question2", "premise",
    "hypothesis", "label", "labels", "value", "tag", "tags", "score",
  ]

  private var quoted = 0
  private var first: String?

  package init() {}

  /// Counts the fields of a record that begin and end with a quote, as fields in CSV may.
  package mutating func add(_ fields: [[UInt8]]) {
    for field in fields where field.count > 1 && field.first == 0x22 && field.last == 0x22 { quoted += 1 }
  }

  /// Looks at the first record's fields that are read, of a table without a header.
  package mutating func addFirst(_ fields: [[UInt8]], line: Int) {
    guard fields.contains(where: Self.isName) else { return }
    let list = fields.map { "\"\(String(decoding: $0, as: UTF8.self))\"" }.joined(separator: ", ")
    first = "line \(line) (\(list)) looks like a header, and is read as data (--header skips it)"
  }

  /// Whether a field is what a column is called, in any case.
  package static func isName(_ field: [UInt8]) -> Bool {
    field.count < 16 && names.contains(String(decoding: field, as: UTF8.self).lowercased())
  }

  /// In sentences.
  package var all: [String] {
    var remarks: [String] = []
    if let first { remarks.append(first) }
    if quoted > 0 {
      let fields = quoted == 1 ? "1 field begins and ends" : "\(quoted) fields begin and end"
      remarks.append("\(fields) with a quote, which is text here (--quotes takes it off, as in CSV)")
    }
    return remarks
  }
}
