import Cloze
import ClozeIO
import ClozeTokenizer

/// The tokens of one text, as `tokenize` and `encode` show them.
struct TokenizedText {
  let tokens: [String]
  let encoding: Encoding

  init(_ encoding: Encoding, tokenizer: Tokenizer) {
    self.encoding = encoding
    tokens = encoding.ids.map { tokenizer.token(for: $0) ?? "" }
  }

  /// The byte range of token `index` in its text, "3-6"; "-" for [CLS] and [SEP], which are not in it.
  func position(_ index: Int) -> String {
    guard index < encoding.offsets.count else { return "-" }
    let range = encoding.offsets[index]
    return range.begin == range.end ? "-" : "\(range.begin)-\(range.end)"
  }

  /// Adds parallel arrays, under the names that they have in the other interfaces.
  func write(to object: inout JSONWriter) {
    object.array("tokens", tokens)
    object.array("ids", encoding.ids)
    object.array("type_ids", encoding.typeIDs)
    object.array("offsets") { for range in encoding.offsets { $0.array(nil, [range.begin, range.end]) } }
  }
}
