import ClozeIO
import Foundation
import Testing

@testable import ClozeTokenizer

/// The files beside a vocabulary. What is expected is what transformers 5.24 and tokenizers 0.23 give.
@Suite struct SideFileTests {
  private static let words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "A", "[", "]", "x"]

  /// A tokenizer.json of `words`, with an entry for every special token.
  private static func definition(_ normalizer: String = #"{"type":"BertNormalizer"}"#, added: Bool = true) -> String {
    let vocabulary = words.enumerated().map { "\"\($1)\":\($0)" }.joined(separator: ",")
    let special = words.prefix(5).enumerated().map { #"{"id":\#($0),"content":"\#($1)","special":true}"# }
    return #"{"model":{"vocab":{\#(vocabulary)}},"pre_tokenizer":{"type":"BertPreTokenizer"},"#
      + #""normalizer":\#(normalizer),"added_tokens":[\#(added ? special.joined(separator: ",") : "")]}"#
  }

  private func load(_ files: [String: String], options: TokenizerOptions = TokenizerOptions()) throws -> Tokenizer {
    let manager = FileManager.default
    let folder = manager.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try manager.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? manager.removeItem(at: folder) }
    var files = files
    if files["tokenizer.json"] == nil, files["vocab.txt"] == nil {
      files["vocab.txt"] = Self.words.joined(separator: "\n") + "\n"
    }
    for (name, text) in files { try Data(text.utf8).write(to: folder.appendingPathComponent(name)) }
    return try Tokenizer(path: folder.path, options: options)
  }

  private func ids(_ files: [String: String], _ text: String) throws -> [Int32] {
    Array(try load(files).encode(text).ids.dropFirst().dropLast())
  }

  // MARK: - Added tokens

  @Test func addedTokensFile() throws {
    let file = ["added_tokens.json": #"{"[X2]":12,"[X1]":11}"#]
    #expect(try ids(file, "[X1] a [X2]") == [11, 5, 12])
    #expect(try ids(file, "[x1]a") == [11, 5], "not special: matched after lower-casing")
    // Numbered on from the vocabulary, by ascending id.
    let gaps = try load(["added_tokens.json": #"{"[X2]":40,"[X1]":13}"#])
    #expect(gaps.id(of: "[X1]") == 11 && gaps.id(of: "[X2]") == 12)
    #expect(gaps.remarks().contains { $0.contains("\"[X1]\" has the id 11") && $0.contains("13") })
    #expect(try load(file).remarks().allSatisfy { !$0.contains("[X1]") })
    let known = try load(["added_tokens.json": #"{"b":77}"#])
    #expect(known.id(of: "b") == 6 && known.vocabularySize == 11)
    let special = [
      "added_tokens.json": #"{"[X1]":11}"#, "tokenizer_config.json": #"{"extra_special_tokens":["[X1]"]}"#,
    ]
    #expect(try ids(special, "[X1]") == [11])
    #expect(try ids(special, "[x1]") != [11], "special: matched as it is spelled")
  }

  @Test func specialTokensMap() throws {
    for tokens in [#"["[X1]","[X2]"]"#, #"[{"content":"[X1]","lstrip":true},{"content":"[X2]"}]"#] {
      let map = ["special_tokens_map.json": #"{"additional_special_tokens":\#(tokens),"mask_token":"[MASK]"}"#]
      #expect(try ids(map, "[X1]a[X2]") == [11, 5, 12])
      #expect(try ids(map, "[x1]").contains(11) == false)
    }
    let named = try load(["special_tokens_map.json": #"{"cls_token":"x","mask_token":{"content":"b"}}"#])
    #expect(try named.encode("a").ids == [10, 5, 3])
    #expect(named.maskID == 6)
    // It counts more than the configuration, unless that has added_tokens_decoder.
    let both = [
      "special_tokens_map.json": #"{"cls_token":"x"}"#, "tokenizer_config.json": #"{"cls_token":"b"}"#,
    ]
    #expect(try load(both).encode("a").ids == [10, 5, 3])
    let decoder = #"{"cls_token":"b","added_tokens_decoder":{"11":{"content":"[X1]","special":true}}}"#
    let newer = both.merging(["tokenizer_config.json": decoder]) { $1 }
    #expect(try load(newer).encode("[X1]").ids == [6, 11, 3])
    #expect(try ids(newer.merging(["added_tokens.json": #"{"[X2]":12}"#]) { $1 }, "[X2]").contains(12) == false)
  }

  @Test(arguments: ["additional_special_tokens", "extra_special_tokens"]) func listsOfTheConfiguration(_ key: String)
    throws
  {
    let config = ["tokenizer_config.json": #"{"\#(key)":["[X1]","[MASK]","[X1]"]}"#]
    #expect(try ids(config, "[X1] [MASK]") == [11, 4])
    #expect(try load(config).vocabularySize == 12)
    let json = config.merging(["tokenizer.json": Self.definition()]) { $1 }
    #expect(try ids(json, "[X1] [MASK]") == [11, 4])
  }

  @Test func rolesOfTheModelsOwn() throws {
    let config =
      #"{"extra_special_tokens":{"image_token":"[X1]"},"sound_token":"[X2]","add_bos_token":false,"#
      + #""eos_token":null}"#
    #expect(try ids(["tokenizer_config.json": config], "[X2][X1]").sorted() == [11, 12])
  }

  /// Special tokens that the configuration names are matched, although tokenizer.json does not list them.
  @Test func namesThatTheDefinitionLacks() throws {
    let bare = ["tokenizer.json": Self.definition(added: false)]
    #expect(try ids(bare, "[MASK]") != [4])
    for file in ["tokenizer_config.json", "special_tokens_map.json"] {
      let named = bare.merging([file: #"{"mask_token":"[MASK]","sep_token":"[SEP]"}"#]) { $1 }
      #expect(try ids(named, "a [MASK] [SEP]") == [5, 4, 3])
    }
    let config =
      #"{"added_tokens_decoder":{"11":{"content":"[X1]","special":true},"#
      + #""4":{"content":"[MASK]","special":true}}}"#
    #expect(try ids(bare.merging(["tokenizer_config.json": config]) { $1 }, "[X1][MASK]") == [11, 4])
    let old = bare.merging(["added_tokens.json": #"{"[X1]":11}"#]) { $1 }
    #expect(try ids(old, "[X1]") == [11])
  }

  /// A stored tokenizer has the same added tokens.
  @Test func storing() throws {
    let tokenizer = try load([
      "special_tokens_map.json": #"{"additional_special_tokens":["[X1]"],"mask_token":"b"}"#,
      "added_tokens.json": #"{"[X2]":11}"#,
    ])
    let again = try Tokenizer(tokenizer.stored)
    for text in ["[X1] b [x2] A", "[MASK]"] { #expect(try again.encode(text).ids == tokenizer.encode(text).ids) }
    #expect(again.maskID == 6)
    let cased = try Tokenizer(tokenizer.stored, options: TokenizerOptions(lowercase: false))
    #expect(try cased.encode("A").ids == [2, 7, 3])
  }

  // MARK: - Casing

  @Test func casingOfEitherFile() throws {
    #expect(try ids([:], "A") == [5])
    #expect(try ids(["tokenizer_config.json": #"{"do_lower_case":false}"#], "A") == [7])
    let json = ["tokenizer.json": Self.definition(#"{"type":"BertNormalizer","lowercase":true,"strip_accents":true}"#)]
    #expect(try ids(json, "A Á") == [5, 5])
    func with(_ config: String) -> [String: String] { json.merging(["tokenizer_config.json": config]) { $1 } }
    #expect(try ids(with(#"{"do_lower_case":false}"#), "A") == [7])
    #expect(try ids(with(#"{"tokenizer_class":"BertTokenizerFast","strip_accents":false}"#), "á") == [1])
    #expect(try ids(with(#"{"do_lower_case":false,"strip_accents":null}"#), "Á") == [1], "null follows the case")
    // A class for any tokenizer.json takes it as it is.
    #expect(try ids(with(#"{"tokenizer_class":"PreTrainedTokenizerFast","do_lower_case":false}"#), "A") == [5])
    #expect(try ids(with(#"{"tokenize_chinese_chars":false}"#), "a") == [5])
    #expect(
      try load(with(#"{"do_lower_case":false}"#), options: TokenizerOptions(lowercase: true)).encode("A").ids == [
        2, 5, 3,
      ])
  }

  /// sentence-transformers lower-cases first; the tokenizer strips accents as it did.
  @Test func casingOfSentenceTransformers() throws {
    let cased = #"{"do_lower_case":false}"#
    func ids(_ sentence: String, _ text: String) throws -> [Int32] {
      try self.ids(["tokenizer_config.json": cased, "sentence_bert_config.json": sentence], text)
    }
    #expect(try ids(#"{"max_seq_length":9,"do_lower_case":true}"#, "A Á") == [5, 1])
    #expect(try ids(#"{"do_lower_case":false}"#, "A") == [7])
    #expect(try ids("{}", "A") == [7])
    #expect(try self.ids(["sentence_bert_config.json": #"{"do_lower_case":false}"#], "A") == [5])
  }

  @Test func entriesThatNoTextGives() throws {
    let remarks = try load([:]).remarks()
    #expect(remarks.count == 1)
    #expect(remarks[0].contains("1 of 11 entries") && remarks[0].contains("\"A\"") && remarks[0].contains("lower"))
    #expect(try load([:], options: TokenizerOptions(lowercase: false)).remarks().isEmpty)
  }

  // MARK: - Refused

  @Test(arguments: [
    (#"{"tokenizer_class":"BertJapaneseTokenizer","word_tokenizer_type":"mecab"}"#, ["Japanese", "mecab"]),
    (#"{"word_tokenizer_type":"sudachi"}"#, ["word_tokenizer_type \"sudachi\""]),
    (#"{"subword_tokenizer_type":"character"}"#, ["subword_tokenizer_type \"character\""]),
    (#"{"do_basic_tokenize":false}"#, ["do_basic_tokenize false"]),
    (#"{"do_subword_tokenize":false}"#, ["do_subword_tokenize false"]),
    (#"{"tokenizer_class":"MyTokenizerFast"}"#, ["tokenizer_class \"MyTokenizer\""]),
  ]) func otherSplitters(_ config: String, _ parts: [String]) {
    let error = refusal { try load(["tokenizer_config.json": config]) }
    #expect(error.cause == .unsupportedTokenizer)
    for part in parts { #expect(error.message.contains(part), "\(error)") }
  }

  @Test func classOfTheModel() throws {
    let error = refusal { try load(["config.json": #"{"tokenizer_class":"BertJapaneseTokenizer"}"#]) }
    #expect(error.message.contains("config.json says tokenizer_class \"BertJapaneseTokenizer\""))
    let files = [
      "config.json": #"{"tokenizer_class":"BertJapaneseTokenizer"}"#,
      "tokenizer_config.json": #"{"tokenizer_class":"BertTokenizer"}"#,
    ]
    #expect(try ids(files, "a") == [5])
    let json = [
      "tokenizer.json": Self.definition(), "tokenizer_config.json": #"{"tokenizer_class":"BertJapaneseTokenizer"}"#,
    ]
    #expect(refusal { try load(json) }.cause == .unsupportedTokenizer)
  }

  @Test(arguments: [
    #"{"tokenizer_class":"DistilBertTokenizerFast"}"#, #"{"tokenizer_class":"ElectraTokenizer"}"#,
    #"{"word_tokenizer_type":"basic","subword_tokenizer_type":"wordpiece","do_basic_tokenize":true}"#, "{}",
  ]) func ownSplitters(_ config: String) throws {
    #expect(try ids(["tokenizer_config.json": config], "a") == [5])
  }

  @Test(arguments: [
    ("tokenizer_config.json", "["), ("tokenizer_config.json", "[]"), ("tokenizer_config.json", #"{"do_lower_case":1}"#),
    ("tokenizer_config.json", #"{"mask_token":7}"#), ("tokenizer_config.json", #"{"added_tokens_decoder":[]}"#),
    ("tokenizer_config.json", #"{"extra_special_tokens":[7]}"#), ("tokenizer_config.json", #"{"tokenizer_class":7}"#),
    ("special_tokens_map.json", "7"), ("special_tokens_map.json", #"{"cls_token":{}}"#),
    ("added_tokens.json", #"["a"]"#), ("added_tokens.json", #"{"a":"b"}"#), ("added_tokens.json", #"{"a":-1}"#),
    ("sentence_bert_config.json", #"{"do_lower_case":"yes"}"#), ("config.json", "{"),
  ]) func damaged(_ name: String, _ text: String) {
    let error = refusal { try load([name: text]) }
    #expect(error.cause == .damaged)
    #expect(error.message.contains(name), "\(error)")
  }

  // MARK: - Sequences

  @Test(arguments: [
    #"[{"type":"Lowercase"},{"type":"BertNormalizer","lowercase":false}]"#,
    #"[{"type":"BertNormalizer","lowercase":false},{"type":"Strip"},{"type":"Lowercase"}]"#,
    #"[{"type":"Sequence","normalizers":[{"type":"Lowercase"}]},{"type":"Strip"}]"#,
  ]) func normalizers(_ steps: String) throws {
    let file = ["tokenizer.json": Self.definition(#"{"type":"Sequence","normalizers":\#(steps)}"#)]
    #expect(try ids(file, "A") == [5])
    #expect(try ids(file, "Á") == [1], "accents are kept, as BertNormalizer does not lower-case itself")
  }

  @Test func otherNormalizers() throws {
    let steps = #"{"type":"Sequence","normalizers":[{"type":"NFD"},{"type":"StripAccents"}]}"#
    #expect(try ids(["tokenizer.json": Self.definition(steps)], "Á a") == [7, 5])
    let unknown = #"{"type":"Sequence","normalizers":[{"type":"NFD"},{"type":"Uppercase"}]}"#
    let error = refusal { try load(["tokenizer.json": Self.definition(unknown)]) }
    #expect(error.cause == .unsupportedTokenizer)
    #expect(error.message.contains("normalizers[1] is a Uppercase"), "\(error)")
  }

  @Test(
    arguments: [
      (#"[{"type":"WhitespaceSplit"},{"type":"Punctuation","behavior":"Isolated"}]"#, [5, 8, 6, 9, 10]),
      (#"[{"type":"Punctuation"},{"type":"WhitespaceSplit"}]"#, [5, 8, 6, 9, 10]),
      (#"[{"type":"BertPreTokenizer"}]"#, [5, 8, 6, 9, 10]), (#"[{"type":"WhitespaceSplit"}]"#, [1, 10]), ("[]", [1]),
      (#"[{"type":"WhitespaceSplit"},{"type":"Punctuation","behavior":"Removed"}]"#, [5, 6, 10]),
      (#"[{"type":"Digits","individual_digits":true},{"type":"BertPreTokenizer"}]"#, [5, 8, 6, 9, 10]),
      (#"[{"type":"UnicodeScripts"},{"type":"BertPreTokenizer"}]"#, nil),
    ] as [(String, [Int32]?)]) func preTokenizers(_ steps: String, _ wanted: [Int32]?) throws
  {
    let text = Self.definition().replacingOccurrences(
      of: #"{"type":"BertPreTokenizer"}"#, with: #"{"type":"Sequence","pretokenizers":\#(steps)}"#)
    if let wanted {
      #expect(try ids(["tokenizer.json": text], "a[b] x") == wanted)
    } else {
      let error = refusal { try load(["tokenizer.json": text]) }
      #expect(error.message.contains("pretokenizers[0] is a UnicodeScripts"), "\(error)")
    }
  }

  // MARK: - Names

  @Test func tokensAskedFor() throws {
    let tokenizer = try load([:])
    #expect(try tokenizer.requiredID(of: "[MASK]") == 4)
    #expect(refusal { try tokenizer.requiredID(of: "B") }.message == #""B" is not in the vocabulary; it has "b""#)
    #expect(
      refusal { try tokenizer.requiredID(of: "a[") }.message
        == #""a[" is not in the vocabulary as one token; its pieces are "a", "[""#)
    for none in ["zebra", "", "a zebra"] {
      #expect(refusal { try tokenizer.requiredID(of: none) }.message == "\"\(none)\" is not in the vocabulary")
    }
  }

  /// Many added tokens are found by hash, not one after another.
  @Test func specialTokensAsText() throws {
    let vocabulary = Array("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n[\n]\nmask\n##sep\n".utf8)
    let added = #""added_tokens_decoder":{"20":{"content":"<x>"},"21":{"content":"a[SEP]<y>","special":true}}"#
    func made(_ config: String, _ option: Bool? = nil) throws -> Tokenizer {
      try Tokenizer(
        vocabulary: vocabulary, config: Array("{\(config)}".utf8), options: TokenizerOptions(splitSpecialTokens: option)
      )
    }
    let text = "a[MASK] b<x>"
    #expect(try made(added).encode(text).ids == [2, 5, 4, 6, 11, 3])
    for tokenizer in [try made(added, true), try made(added + #","split_special_tokens":true"#)] {
      #expect(tokenizer.splitSpecialTokens)
      // Tokens that are not special stay tokens, except within a special one.
      #expect(try tokenizer.encode(text).ids == [2, 5, 7, 9, 8, 6, 11, 3])
      #expect(try tokenizer.encode("a[SEP]<y>").ids.contains(12) == false)
      #expect(try Tokenizer(tokenizer.stored).encode(text).ids == [2, 5, 7, 9, 8, 6, 11, 3])
      let option = TokenizerOptions(splitSpecialTokens: false)
      #expect(try Tokenizer(tokenizer.stored, options: option).encode(text).ids == [2, 5, 4, 6, 11, 3])
    }
    #expect(try made(added + #","split_special_tokens":true"#, false).encode(text).ids == [2, 5, 4, 6, 11, 3])
  }

  @Test func manyAddedTokens() throws {
    let count = 20_000
    let added = (0..<count).map { #"{"id":\#(11 + $0),"content":"aaa\#($0)","normalized":\#($0 % 2 == 0)}"# }
    let text = Self.definition().replacingOccurrences(
      of: #""added_tokens":["#, with: #""added_tokens":[\#(added.joined(separator: ",")),"#)
    let tokenizer = try load(["tokenizer.json": text])
    #expect(tokenizer.vocabularySize == 11 + count)
    let clock = ContinuousClock()
    let time = clock.measure {
      for i in stride(from: 0, to: count, by: 7) {
        let id = Int32(11 + i)
        #expect(tokenizer.id(of: "aaa\(i)") == id && tokenizer.token(for: id) == "aaa\(i)")
      }
    }
    // One after another it would be 57 million comparisons of arrays.
    #expect(time < .seconds(5))
    #expect(try tokenizer.encode("aaa7 x aaa19999").ids == [2, 18, 10, 20010, 3])
  }
}
