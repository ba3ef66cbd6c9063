import Foundation
import Testing

@testable import ClozeCommand

/// Casing on the command line, and tokens that a model has no row for.
@Suite struct TokenizerOptionTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func tokens(_ arguments: [String]) throws -> [String] {
    let run = try CommandRun(["tokenize", "--json"] + arguments)
    #expect(run.status == 0, "\(run.errors)")
    return try run.objects().first?["tokens"] as? [String] ?? []
  }

  @Test func lowercase() throws {
    let words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "Hello", "hello"]
    let path = try folder.write(words.joined(separator: "\n"), to: "vocab.txt")
    #expect(try tokens(["--tokenizer", path, "Hello"]) == ["[CLS]", "hello", "[SEP]"])
    #expect(try tokens(["--tokenizer", path, "--no-lowercase", "Hello"]) == ["[CLS]", "Hello", "[SEP]"])
    _ = try folder.write(#"{"do_lower_case": false}"#, to: "tokenizer_config.json")
    #expect(try tokens(["--tokenizer", path, "Hello"]) == ["[CLS]", "Hello", "[SEP]"])
    #expect(try tokens(["--tokenizer", path, "--lowercase", "Hello"]) == ["[CLS]", "hello", "[SEP]"])
    // The tokenizer beside the model.
    #expect(try tokens(["War"]) == ["[CLS]", "war", "[SEP]"])
    #expect(try tokens(["--no-lowercase", "War"]).contains("war") == false)
  }

  @Test func targets() throws {
    let run = try CommandRun(["fill-mask", "--targets", "War", "The first [MASK]."])
    #expect(run.status == 64 && run.output.isEmpty)
    #expect(run.errors.contains("\"War\" is not in the vocabulary; it has \"war\"\n"))
  }

  /// The line of the text, the token and the size of the table; no output is left.
  @Test func tokensWithoutARow() throws {
    let built = URL(filePath: #filePath).deletingLastPathComponent().appending(
      path: "../../models/cloze-mini/vocab.txt")
    let words = try String(contentsOf: built, encoding: .utf8) + "extratoken\n"
    let tokenizer = try folder.write(words, to: "vocab.txt")
    let lines = (0..<60).map { $0 == 49 ? "an extratoken" : "a text \($0)" }
    let input = try folder.write(lines.joined(separator: "\n"), to: "in.txt")
    let run = try CommandRun([
      "embed", "--tokenizer", tokenizer, "--input", input, "--output", folder.file("out.npy"),
    ])
    #expect(run.status == 1)
    #expect(
      run.errors
        == "cloze: \(input), line 50: the token \"extratoken\" has the id 16000, and the model's word table has 16000 "
        + "rows\n"
    )
    #expect(!folder.names.contains("out.npy"))
  }
}
