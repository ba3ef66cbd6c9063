import ClozeTestSupport
import ClozeTokenizer
import Foundation
import Testing

@testable import Cloze

/// A tokenizer with entries that the word table has no row for.
struct VocabularyTests {
  /// 1,003 rows, and tokens from 1,003 on.
  private let tokenizer: Tokenizer
  private let session: Session

  init() throws {
    let words = TextTests.vocabulary + ["extra", "more"]
    tokenizer = try Tokenizer(vocabulary: Array(words.joined(separator: "\n").utf8))
    session = try Session(
      model: Model(path: Fixture.modelPath("pretraining-float16"), options: LoadOptions(tokenizer: tokenizer)),
      threads: 1)
  }

  @Test func namesTextAndToken() throws {
    var texts = (0..<3000).map { Text("a b word\(500 + $0 % 400)") }
    texts[2041] = "a extra b"
    expectError(.invalidText, "text 2041: ", "\"extra\"", "1003", "1003 rows") { _ = try session.embed(texts) }
    expectError(.invalidText, "text 1: ", "\"more\"", "1004") { _ = try session.encode(["a", "more"]) }
    expectError(.invalidText, "text 0: ", "\"more\"") {
      _ = try session.nextSentence([Text("a", "more"), Text("a", "b")])
    }
    expectError(.invalidText, "the token \"extra\"") { _ = try session.fillMask("[MASK] extra") }
    // The session goes on.
    texts[2041] = "a b"
    #expect(try session.embed(texts).count == 3000)
  }

  @Test func inspectionRemarksIt() throws {
    #expect(tokenizer.remark(rows: 1005) == nil)
    let remark = try #require(tokenizer.remark(rows: 1003))
    for part in ["1005 entries", "1003 rows", "\"extra\" (1003)"] { #expect(remark.contains(part), "\(remark)") }
    try withFolder { folder in
      try FileManager.default.copyItem(atPath: Fixture.path("pretraining-float16"), toPath: folder + "/model.onnx")
      try write((TextTests.vocabulary + ["extra", "Large"]).joined(separator: "\n"), to: folder + "/vocab.txt")
      let inspection = try Inspection(path: folder)
      for text in [inspection.description, inspection.json] {
        #expect(text.contains("1003 rows"), "\(text)")
        #expect(text.contains("lower-cased"), "\(text)")
      }
      try Model.convert(folder, to: folder + "/m.cloze")
      #expect(try Inspection(path: folder + "/m.cloze").description.contains("1003 rows"))
    }
  }

  /// An unsupported tokenizer is named; the model runs on ids.
  @Test func otherWordSplitters() throws {
    try withFolder { folder in
      try FileManager.default.copyItem(atPath: Fixture.path("pretraining-float16"), toPath: folder + "/model.onnx")
      try write(TextTests.vocabulary.joined(separator: "\n"), to: folder + "/vocab.txt")
      try write(#"{"word_tokenizer_type": "mecab"}"#, to: folder + "/tokenizer_config.json")
      let inspection = try Inspection(path: folder)
      #expect(inspection.description.contains("word_tokenizer_type \"mecab\""))
      #expect(inspection.json.contains("mecab"))
      let session = try Session(model: Model(path: folder), threads: 1)
      expectError(.noTokenizer, "mecab") { _ = try session.embed(["a"]) }
      #expect(try session.run(ids: [2, 5, 3], cuSeqlens: [0, 3], output: .embedding).count == 60)
    }
  }

  /// The tokenizer beside a model, with another casing; also of a prepared model.
  @Test func casingAskedFor() throws {
    try withFolder { folder in
      try FileManager.default.copyItem(atPath: Fixture.path("pretraining-float16"), toPath: folder + "/model.onnx")
      try write(TextTests.vocabulary.joined(separator: "\n"), to: folder + "/vocab.txt")
      try Model.convert(folder, to: folder + "/m.cloze")
      for path in [folder, folder + "/m.cloze"] {
        let cased = try #require(try Model.tokenizer(path: path, options: TokenizerOptions(lowercase: false)))
        #expect(try cased.encode("A").ids == [2, 1, 3])
        #expect(try Model.tokenizer(path: path)?.encode("A").ids == [2, 5, 3])
      }
    }
  }
}
