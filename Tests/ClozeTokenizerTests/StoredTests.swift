import ClozeTokenizer
import Foundation
import Testing

/// Tokenizers stored in prepared models.
@Suite struct StoredTests {
  private func same(_ tokenizer: Tokenizer, _ texts: [String]) throws {
    let again = try Tokenizer(tokenizer.stored)
    #expect(again.vocabularySize == tokenizer.vocabularySize)
    #expect(again.modelMaxLength == tokenizer.modelMaxLength)
    #expect(again.maskID == tokenizer.maskID && again.padID == tokenizer.padID)
    #expect(again.lowercase == tokenizer.lowercase && again.stripAccents == tokenizer.stripAccents)
    for id in -1...Int32(tokenizer.vocabularySize) { #expect(again.token(for: id) == tokenizer.token(for: id)) }
    for text in texts {
      let (one, two) = (try tokenizer.encode(text, pair: "b a"), try again.encode(text, pair: "b a"))
      #expect(one.ids == two.ids && one.typeIDs == two.typeIDs)
      #expect(one.offsets == two.offsets)
    }
    // A second round trip gives the same.
    let (first, second) = (tokenizer.stored, again.stored)
    #expect(first.settings == second.settings && first.text == second.text)
    #expect(first.ids == second.ids && first.order == second.order)
  }

  @Test func vocabulary() throws {
    // CR LF, an empty line, a repeated line, a token of several bytes per character.
    let lines = "[PAD]\r\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n\nb\na\n##b\n##ab\n台\n<x>\n"
    let texts = ["a", "ab abb b", "Á É", "台a", "[MASK] a", "<x>a <X>", ""]
    for config in [
      "{}", #"{"do_lower_case": false, "model_max_length": 77}"#,
      #"{"strip_accents": false, "tokenize_chinese_chars": false}"#,
      #"{"mask_token": {"content": "<x>", "lstrip": true}, "cls_token": "b"}"#,
      #"{"added_tokens_decoder": {"12": {"content": "<x>", "special": false, "lstrip": true, "#
        + #""single_word": true, "normalized": true}}}"#,
    ] { try same(Tokenizer(vocabulary: Array(lines.utf8), config: Array(config.utf8)), texts) }
    try same(
      Tokenizer(
        vocabulary: Array(lines.utf8), options: TokenizerOptions(lowercase: false, stripAccents: true)), texts)
  }

  @Test func json() throws {
    let json =
      #"{"version":"1.0","normalizer":{"type":"Lowercase"},"pre_tokenizer":{"type":"BertPreTokenizer"},"#
      + #""added_tokens":[{"content":"<\u0000\"y\\>","special":true},{"content":"new","id":99}],"#
      + ##""model":{"type":"WordPiece","unk_token":"u","continuing_subword_prefix":"@","max_input_chars_per_word":3,"##
      + #""vocab":{"u":7,"a":1,"@b":2,"b":2,"c\u0000d":4}},"#
      + #""post_processor":{"type":"TemplateProcessing","single":[{"Sequence":{"id":"A","type_id":3}}],"#
      + #""pair":[{"SpecialToken":{"id":"x","type_id":1}},{"Sequence":{"id":"B","type_id":2}},"#
      + #"{"Sequence":{"id":"A","type_id":0}}],"special_tokens":{"x":{"id":"x","ids":[4,1],"tokens":["c","a"]}}}}"#
    try same(Tokenizer(json: Array(json.utf8)), ["a", "abab", "AB new", "<\u{0}\"y\\>a", "abcd"])
  }
}
