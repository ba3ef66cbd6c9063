import ClozeTestSupport
import ClozeTokenizer
import Testing

@testable import Cloze

/// Runs on text: a model of 1003 tokens, 40 positions and every head, and a vocabulary of letters.
struct TextTests {
  static let vocabulary: [String] = {
    let letters = (UInt8(ascii: "a")...UInt8(ascii: "z")).map { String(UnicodeScalar($0)) }
    let named = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + letters + letters.map { "##" + $0 }
    return named + (named.count..<1003).map { "word\($0)" }
  }()

  let model: Model
  let session: Session
  let tokenizer: Tokenizer
  static let long = Array(repeating: "abc", count: 30).joined(separator: " ")

  init() throws {
    tokenizer = try Tokenizer(vocabulary: Array(Self.vocabulary.joined(separator: "\n").utf8))
    model = try Model(
      path: Fixture.modelPath("pretraining-float16"), options: LoadOptions(precision: .int8, tokenizer: tokenizer))
    session = try Session(model: model, threads: 2)
  }

  private func vector(_ ids: [Int32], _ types: [Int32]? = nil) throws -> [UInt32] {
    try session.run(ids: ids, cuSeqlens: [0, Int32(ids.count)], typeIDs: types, output: .embedding).bits
  }

  @Test func embeddingIsThatOfTheIDs() throws {
    let texts: [Text] = ["a cat", Text("dog", "runs"), "", "x y z unknown\u{e9}"]
    let embeddings = try session.embed(texts)
    #expect(embeddings.count == 4)
    #expect(embeddings.dimensions == 60)
    #expect(embeddings.truncated == [false, false, false, false])
    for (i, text) in texts.enumerated() {
      let encoding = try tokenizer.encode(text.first, pair: text.second)
      #expect(Array(embeddings[i]).bits == (try vector(encoding.ids, encoding.typeIDs)), "\(i)")
    }
  }

  @Test func emptyText() throws {
    #expect(try Array(session.embed([""])[0]).bits == vector([2, 3]))
    let encoded = try session.encode([""])
    #expect(encoded[0].encoding.ids == [2, 3])
    #expect(encoded[0].values.count == 2 * 60)
    #expect(try Array(session.embed([Text("", "")])[0]).bits == vector([2, 3, 3], [0, 0, 1]))
  }

  @Test func noTexts() throws {
    let none = try session.embed([])
    #expect(none.count == 0)
    #expect(none.values.isEmpty)
    #expect(try session.encode([]).isEmpty)
    #expect(try session.nextSentence([]).isEmpty)
  }

  @Test func pairsHaveTypes() throws {
    let pair = try session.encode([Text("ab", "c")])[0]
    #expect(pair.encoding.ids == [2, 5, 32, 3, 7, 3])
    #expect(pair.encoding.typeIDs == [0, 0, 0, 0, 1, 1])
    let flat = try session.run(ids: pair.encoding.ids, cuSeqlens: [0, 6])
    #expect(pair.values.bits != flat.bits)
  }

  /// A model without token types takes a pair as one text.
  @Test func pairsWithoutTypes() throws {
    let plain = try Model(
      path: Fixture.modelPath("no-token-types"),
      options: LoadOptions(
        tokenizer: Tokenizer(vocabulary: Array(Self.vocabulary.prefix(53).joined(separator: "\n").utf8))))
    let session = try Session(model: plain, threads: 1)
    let pair = try session.encode([Text("a", "c")])[0]
    #expect(try session.run(ids: [2, 5, 3, 7, 3], cuSeqlens: [0, 5]).bits == pair.values.bits)
  }

  @Test func truncationIsReported() throws {
    let texts = ["a", Text(Self.long), "b"]
    let cut = try session.embed(texts)
    #expect(cut.truncated == [false, true, false])
    let encoding = try tokenizer.encode(Self.long, maxTokens: 40, truncation: .longestFirst)
    #expect(encoding.ids.count == 40)
    #expect(Array(cut[1]).bits == (try vector(encoding.ids)))
    let shorter = try session.embed(texts, text: TextOptions(maxTokens: 5))
    #expect(Array(shorter[1]).bits == (try vector(Array(encoding.ids.prefix(4)) + [3])))
    #expect(try session.encode(texts).map(\.truncated) == [false, true, false])
    #expect(try session.nextSentence([Text("a", Self.long), Text("a", "b")]).map(\.truncated) == [true, false])
    let masks = try session.fillMask(Text("[MASK] " + Self.long))
    #expect(masks.map(\.truncated) == [true])
    #expect(try session.fillMask("[MASK]").map(\.truncated) == [false])
  }

  @Test func tooLongWhereCuttingIsAnError() {
    let text = TextOptions(truncation: .error)
    expectError(.tooLong, "text 1: ", "40") { _ = try session.embed(["a", Text(Self.long)], text: text) }
    expectError(.tooLong, "40") { _ = try session.encode([Text(Self.long)], text: text) }
    expectError(.tooLong) { _ = try session.nextSentence([Text("a", Self.long)], text: text) }
    expectError(.tooLong) { _ = try session.fillMask(Text("[MASK]" + Self.long), text: text) }
  }

  @Test(arguments: [0, -1, 41, Int.max, Int.min]) func maxTokens(_ most: Int) {
    let text = TextOptions(maxTokens: most)
    expectError(.invalidArgument, "max_tokens = \(most)", "40") { _ = try session.embed(["a"], text: text) }
    expectError(.invalidArgument, "max_tokens = \(most)") { _ = try session.encode(["a"], text: text) }
    expectError(.invalidArgument, "max_tokens = \(most)") { _ = try session.fillMask("[MASK]", text: text) }
    expectError(.invalidArgument, "max_tokens = \(most)") { _ = try session.nextSentence([Text("a", "b")], text: text) }
  }

  @Test func noRoomForSpecialTokens() {
    expectError(.tooLong, "special") { _ = try session.embed(["a"], text: TextOptions(maxTokens: 1)) }
  }

  @Test func manyTextsEqualEach() throws {
    let texts = (0..<900).map { Text(String(repeating: "ab ", count: $0 % 13)) }
    let all = try session.embed(texts)
    let each = try (0..<13).map { try Array(session.embed([texts[$0]])[0]).bits }
    for i in texts.indices { #expect(Array(all[i]).bits == each[i % 13], "\(i)") }
  }

  @Test func encodedLayers() throws {
    let encoded = try session.encode(["ab c"], layers: [0, -1])[0]
    let expected = try session.run(ids: encoded.encoding.ids, cuSeqlens: [0, 5], output: .hidden(layers: [0, 1]))
    #expect(encoded.values.bits == expected.bits)
    expectError(.invalidArgument, "layer 2") { _ = try session.encode(["a"], layers: [2]) }
    expectError(.invalidArgument, "layer \(Int.min)") { _ = try session.encode(["a"], layers: [.min]) }
    expectError(.invalidArgument, "empty") { _ = try session.encode(["a"], layers: []) }
  }

  @Test func nextSentence() throws {
    let answers = try session.nextSentence([Text("ab", "c"), Text("d", "")])
    for (answer, text) in zip(answers, [("ab", "c"), ("d", "")]) {
      let encoding = try tokenizer.encode(text.0, pair: text.1)
      let logits = try session.run(
        ids: encoding.ids, cuSeqlens: [0, Int32(encoding.ids.count)], typeIDs: encoding.typeIDs, output: .nsp
      ).map { Double($0) }
      let expected = 1 / (1 + exponential(logits[1] - logits[0]))
      #expect(abs(Double(answer.probability) - expected) < 1e-6)
    }
    expectError(.invalidArgument, "text 1 is not a pair") { _ = try session.nextSentence([Text("a", "b"), "c"]) }
  }

  @Test func withoutTokenizer() throws {
    let session = try Session(model: .fixture("pretraining-float16"), threads: 1)
    expectError(.noTokenizer, "has no tokenizer") { _ = try session.embed(["a"]) }
    expectError(.noTokenizer) { _ = try session.encode(["a"]) }
    expectError(.noTokenizer) { _ = try session.fillMask("[MASK]") }
    expectError(.noTokenizer) { _ = try session.nextSentence([Text("a", "b")]) }
  }

  /// A tokenizer without special tokens gives no token for an empty text.
  @Test func textWithoutTokens() throws {
    let json = #"""
      {"added_tokens": [],
       "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                      "strip_accents": null, "lowercase": true},
       "pre_tokenizer": {"type": "BertPreTokenizer"},
       "post_processor": {"type": "TemplateProcessing",
                          "single": [{"Sequence": {"id": "A", "type_id": 0}}],
                          "pair": [{"Sequence": {"id": "A", "type_id": 0}},
                                   {"Sequence": {"id": "B", "type_id": 1}}],
                          "special_tokens": {}},
       "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                 "max_input_chars_per_word": 100, "vocab": {"[UNK]": 0, "a": 1}}}
      """#
    let bare = try Model(
      path: Fixture.modelPath("sdpa-opset14"), options: LoadOptions(tokenizer: Tokenizer(json: Array(json.utf8))))
    let session = try Session(model: bare, threads: 1)
    #expect(try session.embed(["a"]).count == 1)
    expectError(.invalidText, "text 1: the text has no token") { _ = try session.embed(["a", ""]) }
  }

  /// Batches hold whole texts in order, as many as the limit allows, and at least one.
  @Test(arguments: [1, 5, 16, 40, 2048]) func gathering(_ limit: Int) throws {
    let texts = (0..<60).map { Text(String(repeating: "a ", count: $0 * 7 % 13)) }
    let encodings = try texts.map { try tokenizer.encode($0.first) }
    var next = 0
    try session.exclusively { () throws(ClozeError) in
      try session.forEachBatch(of: SwiftTexts(texts: texts), TextOptions(), tokens: limit, truncated: nil) {
        batch, range throws(ClozeError) in
        #expect(range.lowerBound == next && range.count == batch.sequences)
        next = range.upperBound
        #expect(Array(batch.ids) == encodings[range].flatMap(\.ids))
        #expect(batch.tokens <= limit || batch.sequences == 1)
        if next < texts.count { #expect(batch.tokens + encodings[next].ids.count > limit) }
      }
    }
    #expect(next == texts.count)
  }

  /// Token ids beyond the model's vocabulary, from the tokenizer of a larger model.
  @Test func tokenizerBeyondTheModel() throws {
    let small = try Model(path: Fixture.modelPath("sdpa-opset14"), options: LoadOptions(tokenizer: tokenizer))
    let session = try Session(model: small, threads: 1)
    expectError(.invalidText, "\"word900\"", "900", "53 rows") { _ = try session.embed(["word900"]) }
  }

  @Test func textNotInUTF8() {
    struct Broken: TextSource {
      let count = 2
      func withText<Result>(
        _ index: Int, _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer?) throws(ClozeError) -> Result
      ) throws(ClozeError) -> Result {
        let bytes: [UInt8] = index == 0 ? [0x61] : [0x61, 0x62, 0xff]
        return try bytes.withUnsafeBufferPointer { bytes throws(ClozeError) in
          try body(UnsafeRawBufferPointer(bytes), nil)
        }
      }
    }
    var values = [Float](repeating: 0, count: 120)
    expectError(.invalidText, "text 1: ", "byte 2") {
      try session.embed(Broken(), text: TextOptions(), embedding: EmbeddingOptions(), into: &values, truncated: nil)
    }
  }
}
