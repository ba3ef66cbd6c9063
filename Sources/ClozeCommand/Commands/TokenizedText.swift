import Cloze
import ClozeTokenizer

/// The tokens of one text, as `tokenize` and `encode` show them.
struct TokenizedText {
  let tokens: [String]
  let encoding: Encoding

  init(_ encoding: Encoding, tokenizer: Tokenizer) {
    self.encoding = encoding
    tokens = encoding.ids.map { tokenizer.token(for: $0) ?? "" }
  }

  /// Where token `index` stands in its text, "3-6"; "-" for [CLS] and [SEP], which stand nowhere.
  func position(_ index: Int) -> String {
    guard index < encoding.offsets.count else { return "-" }
    let range = encoding.offsets[index]
    return range.begin == range.end ? "-" : "\(range.begin)-\(range.end)"
  }

  /// Parallel arrays, under the names that they have in the other interfaces.
  var members: [(String, JSONValue)] {
    [
      ("tokens", .strings(tokens)),
      ("ids", .ints(encoding.ids.map(Int.init))),
      ("type_ids", .ints(encoding.typeIDs.map(Int.init))),
      ("offsets", .array(encoding.offsets.map { .ints([Int($0.begin), Int($0.end)]) })),
    ]
  }
}
