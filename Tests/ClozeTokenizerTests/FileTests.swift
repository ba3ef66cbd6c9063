import ClozeIO
import ClozeTokenizer
import Foundation
import Testing

@Suite struct FileTests {
  private let vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nA\né\nb\n##b\n"

  private func from(_ vocabulary: String, config: String? = nil, options: TokenizerOptions = TokenizerOptions())
    throws(ClozeError) -> Tokenizer
  { try Tokenizer(vocabulary: Array(vocabulary.utf8), config: config.map { Array($0.utf8) }, options: options) }

  private func json(
    model: String = #"{"type":"WordPiece","vocab":{"[UNK]":0,"[CLS]":1,"[SEP]":2,"a":3}}"#,
    splitter: String = #"{"type":"BertPreTokenizer"}"#, more: String = ""
  ) -> [UInt8] { Array(#"{"version":"1.0","pre_tokenizer":\#(splitter),"model":\#(model)\#(more)}"#.utf8) }

  @Test func linesOfVocabulary() throws {
    // CR LF, trailing whitespace, an empty line, a repeated line, no LF at the end.
    let tokenizer = try from("[UNK]\r\n[CLS] \n[SEP]\u{3000}\na\n\nb\na")
    #expect(tokenizer.vocabularySize == 7)
    #expect(tokenizer.id(of: "a") == 6 && tokenizer.token(for: 3) == nil)
    #expect(tokenizer.token(for: 4) == "" && tokenizer.id(of: "b") == 5)
    #expect(try tokenizer.encode("a b").ids == [1, 6, 5, 2])
    #expect(tokenizer.maskID == nil && tokenizer.padID == nil)
  }

  @Test func configurationCounts() throws {
    #expect(try from(vocabulary).encode("A É").ids == [2, 5, 1, 3])
    let cased = try from(vocabulary, config: #"{"do_lower_case": false, "model_max_length": 77}"#)
    #expect(try cased.encode("A é").ids == [2, 6, 7, 3])
    #expect(cased.modelMaxLength == 77 && !cased.lowercase && !cased.stripAccents)
    let kept = try from(vocabulary, config: #"{"strip_accents": false}"#)
    #expect(try kept.encode("A É").ids == [2, 5, 7, 3])
    #expect(kept.lowercase && !kept.stripAccents)
    // An override takes precedence over the file.
    let both = try from(
      vocabulary, config: #"{"do_lower_case": true, "strip_accents": true}"#,
      options: TokenizerOptions(lowercase: false, stripAccents: false))
    #expect(try both.encode("A é").ids == [2, 6, 7, 3])
    let named = try from(
      vocabulary + "<m>\n", config: #"{"mask_token": {"content": "<m>", "lstrip": false}, "model_max_length": 1e30}"#)
    #expect(named.maskID == 10 && named.modelMaxLength == nil)
    #expect(try named.encode("a<m>b").ids == [2, 5, 10, 8, 3])
    let extra = try from(vocabulary, config: #"{"added_tokens_decoder": {"10": {"content": "<x>", "special": true}}}"#)
    #expect(try extra.encode("<x>").ids == [2, 10, 3] && extra.token(for: 10) == "<x>")
    let spaced = try from(vocabulary + "台\n北\n台北\n", config: #"{"tokenize_chinese_chars":false}"#)
    #expect(try spaced.encode("台北").ids == [2, 12, 3])
  }

  @Test(arguments: [
    ("", "vocab.txt is empty"), ("a\nb\n", "vocab.txt has no [UNK]"), ("[UNK]\n[SEP]\n", "vocab.txt has no [CLS]"),
    ("[UNK]\n[CLS]\n", "vocab.txt has no [SEP]"),
  ]) func brokenVocabulary(_ text: String, _ message: String) { #expect(refusal { try from(text) }.message == message) }

  @Test func vocabularyNotUTF8() {
    let error = refusal { try Tokenizer(vocabulary: Array("[UNK]\n".utf8) + [0xE9, 0x0A]) }
    #expect(error.cause == .damaged)
    #expect(error.message == "vocab.txt is not valid UTF-8 at byte 6")
  }

  @Test func jsonWithoutPostProcessorIsBERT() throws {
    let tokenizer = try Tokenizer(json: json())
    #expect(try tokenizer.encode("a", pair: "a a").ids == [1, 3, 2, 3, 3, 2])
    #expect(try tokenizer.encode("a", pair: "a a").typeIDs == [0, 0, 0, 1, 1, 1])
    #expect(try tokenizer.encode("A").ids == [1, 0, 2], "no normalizer: nothing is lowercased")
    #expect(!tokenizer.lowercase)
    let overridden = try Tokenizer(json: json(), options: TokenizerOptions(lowercase: true))
    #expect(try overridden.encode("A").ids == [1, 3, 2])
  }

  @Test func idsWithGaps() throws {
    let tokenizer = try Tokenizer(
      json: json(
        model: #"{"vocab":{"[UNK]":7,"[CLS]":2147483646,"[SEP]":90,"a":3,"b":3,"a":4}}"#,
        more: #","added_tokens":[{"id":12,"content":"<new>"}]"#))
    #expect(tokenizer.vocabularySize == 2_147_483_647)
    #expect(tokenizer.id(of: "a") == 4 && tokenizer.token(for: 3) == "b")
    #expect(tokenizer.token(for: 5) == "<new>", "numbered on from the number of tokens")
    #expect(try tokenizer.encode("a<new>").ids == [2_147_483_646, 4, 5, 90])
  }

  @Test func unknownTokenIsNeededOnlyForUnknownWords() throws {
    let tokenizer = try Tokenizer(json: json(model: #"{"vocab":{"[CLS]":1,"[SEP]":2,"a":3}}"#))
    #expect(tokenizer.unknownID == nil)
    #expect(try tokenizer.encode("a").ids == [1, 3, 2])
    let error = refusal { try tokenizer.encode("a  zz a") }
    #expect(error.cause == .missingToken)
    #expect(error.message == "the vocabulary has no [UNK], which text needs at byte 3")
  }

  @Test func escapesInJSON() throws {
    let tokenizer = try Tokenizer(
      json: json(model: #"{"vocab":{"[UNK]":0,"[CLS]":1,"[SEP]":2,"\u00e9":3,"\ud83d\ude00":4,"\"":5,"\\":6}}"#))
    #expect(try tokenizer.encode("é 😀 \" \\").ids == [1, 3, 4, 5, 6, 2])
  }

  /// A tokenizer.json with a model and a splitter, and more.
  private static func complete(_ more: String) -> String {
    #"{"model":{"vocab":{"a":1}},"pre_tokenizer":{"type":"BertPreTokenizer"},\#(more)}"#
  }

  static let refused: [(String, ClozeError.Cause, String)] = [
    (
      #"{"model":{"type":"WordLevel"}}"#, .unsupportedTokenizer,
      "tokenizer.json: model is a WordLevel model, only WordPiece, Unigram and BPE are supported"
    ), (#"{"model":{"type":"BPE"}}"#, .damaged, "tokenizer.json: model has no vocab"),
    (#"{"model":{"type":"Unigram"}}"#, .damaged, "tokenizer.json: model has no vocab"),
    ("{}", .damaged, "tokenizer.json: no model"),
    (#"{"version":"2.0"}"#, .unsupportedTokenizer, "tokenizer.json: version is \"2.0\", \"1.0\" was expected"),
    (#"{"model":{}}"#, .damaged, "tokenizer.json: model has no vocab"),
    (#"{"model":{"vocab":{}}}"#, .damaged, "tokenizer.json: model.vocab is empty"),
    (
      #"{"model":{"type":"WordPiece","vocab":[["a",1]]}}"#, .damaged,
      "tokenizer.json: model.vocab is an array, an object from tokens to ids was expected"
    ),
    (
      #"{"model":{"vocab":[1]}}"#, .damaged,
      "tokenizer.json: model.vocab[0] is a number, a token and its score was expected"
    ),
    (
      #"{"model":{"vocab":{"a":-1}}}"#, .damaged,
      #"tokenizer.json: model.vocab["a"] is -1, 0 to 2147483647 was expected"#
    ),
    (
      #"{"model":{"vocab":{"a":4294967296}}}"#, .damaged,
      #"tokenizer.json: model.vocab["a"] is 4294967296, 0 to 2147483647 was expected"#
    ),
    (
      #"{"model":{"vocab":{"a":1.5}}}"#, .damaged,
      #"tokenizer.json: model.vocab["a"] is 1.5, 0 to 2147483647 was expected"#
    ),
    (
      #"{"model":{"vocab":{"a":"b"}}}"#, .damaged,
      #"tokenizer.json: model.vocab["a"] is a string, a number was expected"#
    ), (#"{"model":{"vocab":{"a":1}}}"#, .damaged, "tokenizer.json: no pre_tokenizer"),
    (
      #"{"model":{"vocab":{"a":1}},"pre_tokenizer":{"type":"UnicodeScripts"}}"#, .unsupportedTokenizer,
      "tokenizer.json: pre_tokenizer is a UnicodeScripts, which is not supported"
    ),
    (
      #"{"model":{"vocab":{"a":1}},"pre_tokenizer":{"type":"BertPreTokenizer"}}"#, .missingToken,
      "tokenizer.json has no [CLS]"
    ),
    (
      complete(#""normalizer":{"type":"NFQC"}"#), .unsupportedTokenizer,
      "tokenizer.json: normalizer is a NFQC, which is not supported"
    ),
    (
      complete(#""normalizer":{"type":"Sequence","normalizers":[{"type":"NFD"},{"type":"Uppercase"}]}"#),
      .unsupportedTokenizer, "tokenizer.json: normalizer.normalizers[1] is a Uppercase, which is not supported"
    ),
    (
      complete(#""post_processor":{"type":"Other"}"#), .unsupportedTokenizer,
      "tokenizer.json: post_processor is a Other, which is not supported"
    ),
    (
      complete(#""post_processor":{"type":"TemplateProcessing","single":[],"pair":[],"special_tokens":{}}"#),
      .unsupportedTokenizer,
      "tokenizer.json: post_processor.single has text A 0 and text B 0 times, 1 and 0 was expected"
    ), ("", .damaged, "tokenizer.json: the document ends early at byte 0"),
    ("[1,]", .damaged, "tokenizer.json: a value was expected at byte 3"),
    (#"{"a" 1}"#, .damaged, "tokenizer.json: ':' was expected at byte 5"),
    (#"{"a":1 "#, .damaged, "tokenizer.json: ',' or '}' was expected at byte 7"),
    (#"{"a"#, .damaged, "tokenizer.json: a string that does not end at byte 1"),
    (#"["\ud800x"]"#, .damaged, "tokenizer.json: half a surrogate pair at byte 2"),
    (#"["\x"]"#, .damaged, "tokenizer.json: an unknown escape at byte 2"),
    ("[01]", .damaged, "tokenizer.json: a malformed number at byte 1"),
    ("[] []", .damaged, "tokenizer.json: something after the end of the document at byte 3"),
    ("7", .damaged, "tokenizer.json: is a number, an object was expected"),
    (String(repeating: "[", count: 100_000), .damaged, "tokenizer.json: nesting deeper than 256 at byte 256"),
  ]

  @Test(arguments: refused.indices) func brokenJSON(_ index: Int) {
    let (text, cause, message) = Self.refused[index]
    let error = refusal { try Tokenizer(json: Array(text.utf8)) }
    #expect(error.cause == cause)
    #expect(error.message == message)
  }

  @Test func pathsAreLookedThrough() throws {
    let manager = FileManager.default
    let folder = manager.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try manager.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? manager.removeItem(at: folder) }
    func write(_ name: String, _ bytes: [UInt8]) throws {
      try Data(bytes).write(to: folder.appendingPathComponent(name))
    }
    func load(_ path: String) throws -> Tokenizer { try Tokenizer(path: path) }

    let nothing = refusal { try load(folder.path) }
    #expect(nothing.status == .notFound)
    #expect(
      nothing.message
        == "\(folder.path): none of tokenizer.json, vocab.txt, vocab.json, sentencepiece.bpe.model is in it")
    let missing = refusal { try load(folder.path + "/none.txt") }
    #expect(missing.message == "\(folder.path)/none.txt: no such file or folder")

    try write("vocab.txt", Array(vocabulary.utf8))
    #expect(try load(folder.path).lowercase)
    try write("tokenizer_config.json", Array(#"{"do_lower_case": false}"#.utf8))
    #expect(try !load(folder.path).lowercase)
    #expect(try !load(folder.path + "/vocab.txt").lowercase)
    try write("tokenizer.json", json(more: #","normalizer":{"type":"BertNormalizer","lowercase":true}"#))
    #expect(try !load(folder.path + "/").lowercase, "the casing of the configuration counts before tokenizer.json")
    #expect(try load(folder.path).vocabularySize == 4)
    try write("tokenizer_config.json", Array("{".utf8))
    let broken = refusal { try load(folder.path) }
    #expect(broken.cause == .damaged)
    #expect(broken.message.hasPrefix("\(folder.path): tokenizer_config.json: a key was expected"))
    #expect(refusal { try load("/dev/null") }.status == .io)
  }
}
