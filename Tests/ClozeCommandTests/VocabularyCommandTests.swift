import Foundation
import Testing

/// `cloze vocabulary`, and the tokenizer that it writes.
@Suite struct VocabularyCommandTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func tokenizesWithWhatItWrote() throws {
    let text = try folder.write("low lower lowest\nlow new newer newest\n", to: "text.txt")
    let output = folder.file("out")
    let run = try CommandRun(["vocabulary", "--data", text, text, "--size", "40", "--output", output])
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.text.hasSuffix("pieces from 14 words, 6 different ones of 8 characters\n"), "\(run.text)")
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: output).sorted() == [
        "tokenizer.json", "tokenizer_config.json", "vocab.txt",
      ])
    let tokens = try CommandRun(["tokenize", "--tokenizer", output, "--json", "LOWEST new"]).objects()
    #expect(tokens.first?["tokens"] as? [String] == ["[CLS]", "lowest", "new", "[SEP]"])
    // A tokenizer that is there stays.
    let again = try CommandRun(["vocabulary", "--data", text, "--size", "40", "--output", output])
    #expect(again.status == 64 && again.errors.contains("--overwrite"), "\(again.errors)")
    let piped = try CommandRun(
      shell:
        "\"$cloze\" vocabulary --data - --size 40 --no-lowercase --overwrite --json --output '\(output)' <'\(text)'")
    #expect(piped.status == 0, "\(piped.errors)")
    let object = try #require(piped.objects().first)
    #expect(object["words"] as? Int == 7 && object["remarks"] is [String] && object["seconds"] is Double)
    let cased = try CommandRun(["tokenize", "--tokenizer", output, "--json", "Low"]).objects()
    #expect(cased.first?["tokens"] as? [String] == ["[CLS]", "[UNK]", "[SEP]"])
  }

  @Test func failures() throws {
    let good = try folder.write("abc abd\n", to: "good.txt")
    let empty = try folder.write("\n", to: "empty.txt")
    let latin = try folder.write(Array("caf".utf8) + [0xE9, 0x0A], to: "latin.txt")
    for (arguments, status, words) in [
      (["--data", empty], Int32(1), "empty.txt has no word"),
      (["--data", good, latin], 1, "latin.txt, line 1: not UTF-8 at byte offset 3"),
      (["--data", folder.file("absent")], 1, "absent: no such file"),
      (["--data", good, "--size", "11"], 64, "must be 12 or more"), (["--data", good, "--size", "0"], 64, "size = 0"),
      (["--data", good, "--threads", "0"], 64, "threads = 0"), ([], 64, "--data"),
    ] {
      let run = try CommandRun(["vocabulary", "--output", folder.file("out")] + arguments)
      #expect(run.status == status && run.errors.contains(words), "\(run.errors)")
      #expect(run.output.isEmpty)
    }
    let vocabulary = try folder.write("a b\n", to: "vocab.txt")
    let over = try CommandRun(["vocabulary", "--data", vocabulary, "--overwrite", "--output", folder.path])
    #expect(over.status == 64 && over.errors.contains("is read"), "\(over.errors)")
    #expect(folder.names == ["empty.txt", "good.txt", "latin.txt", "vocab.txt"])
  }
}
