import ClozeTestSupport
import ClozeTokenizer
import Testing

@testable import Cloze

import Glibc

func exponential(_ x: Double) -> Double { exp(x) }

/// Candidates for masks, against the logits of the same model.
struct FillMaskTests {
  let session: Session
  let tokenizer: Tokenizer

  init() throws {
    tokenizer = try Tokenizer(vocabulary: Array(TextTests.vocabulary.joined(separator: "\n").utf8))
    let options = LoadOptions(precision: .float32, tokenizer: tokenizer)
    session = try Session(
      model: Model(path: Fixture.modelPath("pretraining-float16"), options: options), threads: 2)
  }

  /// Ids and probabilities at a token, best first.
  private func ranked(_ ids: [Int32], _ types: [Int32], _ position: Int) throws -> [(Int32, Double)] {
    let logits = try session.run(
      ids: ids, cuSeqlens: [0, Int32(ids.count)], typeIDs: types, output: .mlm, positions: [position]
    ).map { Double($0) }
    let largest = logits.max() ?? 0
    let numerators = logits.map { exponential($0 - largest) }
    let sum = numerators.reduce(0, +)
    return numerators.enumerated().map { (Int32($0), $1 / sum) }.sorted { $0.1 > $1.1 }
  }

  @Test(arguments: [1, 5, 64, 65, 2000, Int.max]) func candidates(_ count: Int) throws {
    let text = Text("a [MASK] c[MASK]", "d")
    let masks = try session.fillMask(text, topK: count)
    let encoding = try tokenizer.encode(text.first, pair: text.second)
    #expect(masks.map(\.position) == [2, 4])
    for mask in masks {
      #expect(encoding.ids[mask.position] == 4)
      let expected = try ranked(encoding.ids, encoding.typeIDs, mask.position)
      #expect(mask.candidates.count == min(count, 1003))
      for (candidate, (id, probability)) in zip(mask.candidates, expected) {
        #expect(candidate.tokenID == id)
        #expect(candidate.token == TextTests.vocabulary[Int(id)])
        #expect(abs(Double(candidate.probability) - probability) <= 1e-6)
      }
    }
  }

  @Test func targets() throws {
    let all = try session.fillMask("[MASK] a", topK: 2000)[0].candidates
    let wanted = ["c", "a", "word77", "a"]
    let some = try session.fillMask("[MASK] a", topK: 10, targets: wanted)[0].candidates
    #expect(some == all.filter { wanted.contains($0.token) })
    #expect(try session.fillMask("[MASK] a", topK: 1, targets: wanted)[0].candidates == [some[0]])
  }

  @Test func unknownTarget() {
    expectError(.invalidArgument, "\"zebra\"", "vocabulary") {
      _ = try session.fillMask("[MASK]", targets: ["a", "zebra"])
    }
    expectError(.invalidArgument, "targets is empty") { _ = try session.fillMask("[MASK]", targets: []) }
  }

  @Test(arguments: [0, -1, Int.min]) func topK(_ count: Int) {
    expectError(.invalidArgument, "top_k = \(count)") { _ = try session.fillMask("[MASK]", topK: count) }
  }

  @Test func noMask() {
    expectError(.invalidText, "no [MASK]") { _ = try session.fillMask("a b") }
    expectError(.invalidText, "no [MASK]") { _ = try session.fillMask("") }
    expectError(.invalidText, "truncated to 6 tokens", "no [MASK]") {
      _ = try session.fillMask("a b c d e f [MASK]", text: TextOptions(maxTokens: 6))
    }
  }

  @Test func noHead() throws {
    let tokenizer = try Tokenizer(vocabulary: Array(TextTests.vocabulary.prefix(53).joined(separator: "\n").utf8))
    let bare = try Session(
      model: Model(path: Fixture.modelPath("sdpa-opset14"), options: LoadOptions(tokenizer: tokenizer)), threads: 1)
    expectError(.noHead, "masked language model", "pooler") { _ = try bare.fillMask("[MASK]") }
    expectError(.noHead, "next-sentence", "pooler") { _ = try bare.nextSentence([Text("a", "b")]) }
  }

  @Test func noMaskToken() throws {
    let words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a"]
    let tokenizer = try Tokenizer(vocabulary: Array(words.joined(separator: "\n").utf8))
    let session = try Session(
      model: Model(path: Fixture.modelPath("masked-lm-opset13"), options: LoadOptions(tokenizer: tokenizer)), threads: 1
    )
    expectError(.noTokenizer, "[MASK]") { _ = try session.fillMask("[MASK]") }
  }
}
