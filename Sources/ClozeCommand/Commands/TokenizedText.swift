import Cloze
import ClozeIO
import ClozeTokenizer

/// The tokens of one text, as `tokenize` and `encode` show them.
struct TokenizedText {
  let tokens: [String]
  let encoding: Encoding
  private let text: Text

  init(_ text: Text, _ encoding: Encoding, tokenizer: Tokenizer) {
    self.text = text
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
    object.array("sequence_ids", encoding.sequenceIDs)
    let characters = [CharacterOffsets(text.first), CharacterOffsets(text.second ?? "")]
    object.array("offsets") { writer in
      for (range, sequence) in zip(encoding.offsets, encoding.sequenceIDs) {
        let places = characters[max(0, Int(sequence))]
        writer.array(nil, [places[Int(range.begin)], places[Int(range.end)]])
      }
    }
    object.array("byte_offsets") { for range in encoding.offsets { $0.array(nil, [range.begin, range.end]) } }
  }
}
