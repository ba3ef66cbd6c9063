import Foundation
import Testing

@testable import ClozeCommand

/// Files as people have them: what is read, what is said, and that nothing is written over.
@Suite struct InputFileTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func writesOverNothingThatItReads() throws {
    let texts = try folder.write("Paris\n", to: "texts.txt")
    let (soft, hard) = (folder.file("soft.txt"), folder.file("hard.txt"))
    try FileManager.default.createSymbolicLink(atPath: soft, withDestinationPath: "texts.txt")
    try FileManager.default.linkItem(atPath: texts, toPath: hard)
    for output in [texts, soft, hard] {
      let run = try CommandRun(["embed", "--input", texts, "--output", output])
      #expect(run.status == 64 && run.errors.contains("is read"), "\(run.errors)")
      let piped = try CommandRun(shell: "\"$cloze\" embed --output '\(output)' <'\(texts)'")
      #expect(piped.status == 64 && piped.errors.contains("is read"), "\(piped.errors)")
    }
    let endless = try CommandRun(shell: "\"$cloze\" tokenize --input '\(texts)' >>'\(soft)'")
    #expect(endless.status == 64 && endless.errors.contains("standard output"), "\(endless.errors)")
    #expect(try folder.bytes(of: "texts.txt") == Array("Paris\n".utf8))
    #expect(folder.names == ["hard.txt", "soft.txt", "texts.txt"])
  }

  @Test func writesOverNoModel() throws {
    let model = folder.file("m.onnx")
    #expect(try CommandRun(["export", model]).status == 0)
    let before = try folder.bytes(of: "m.onnx")
    _ = try folder.write("[PAD]\n", to: "vocab.txt")
    for arguments in [
      ["convert", model, model], ["export", model, model], ["export", model, folder.file("vocab.txt")],
      ["embed", "--model", model, "--output", model, "a"],
      ["embed", "--tokenizer", folder.path, "--output", folder.file("vocab.txt"), "a"],
    ] {
      let run = try CommandRun(arguments)
      #expect(run.status == 64 && run.errors.contains("is read"), "\(arguments): \(run.errors)")
    }
    // What Cloze wrote may be replaced, another's model may not.
    #expect(try CommandRun(["export", model]).status == 0)
    #expect(try folder.bytes(of: "m.onnx") == before)
    let other = try folder.write([0x08, 0x08, 0x12, 0x07] + Array("pytorch".utf8), to: "other.onnx")
    for command in ["convert", "export"] {
      let run = try CommandRun([command, other])
      #expect(run.status == 64 && run.errors.contains("IN and OUT"), "\(run.errors)")
    }
    #expect(try folder.bytes(of: "other.onnx").count == 11)
  }

  @Test func jsonDocuments() throws {
    let expected = ["a", "b\nc"]
    for (content, options) in [
      ("[\"a\", \"b\\nc\"]", []), ("[{\"t\": \"a\"},\n{\"t\": \"b\\nc\"}]", ["--text", "t"]),
      ("{\"data\": [[1, \"a\"], [2, \"b\\nc\"]]}", ["--text", "2"]),
      ("{\"t\": \"a\"}\n{\"t\": \"b\\nc\"}\n", ["--text", "t"]),
    ] {
      let path = try folder.write(content, to: "f.json")
      let run = try CommandRun(["tokenize", "--json", "--input", path] + options)
      #expect(try run.objects().compactMap { $0["text"] as? String } == expected, "\(run.errors)")
    }
    let path = try folder.write("[{\"t\": \"a\"},\n{\"t\": null}]", to: "f.json")
    let run = try CommandRun(["tokenize", "--input", path, "--text", "t"])
    #expect(run.status == 1 && run.errors.contains("f.json, line 2: field \"t\" is null"), "\(run.errors)")
    let bare = try CommandRun(["tokenize", "--input", path])
    #expect(bare.status == 1 && bare.errors.contains("--text"), "\(bare.errors)")
    let lines = try folder.write("{\"t\": \"a\"}\n", to: "f.ndjson")
    #expect(try CommandRun(["tokenize", "--input", lines, "--text", "t", "--json"]).objects().count == 1)
  }

  @Test func quotesAreTextInTSV() throws {
    let tsv = try folder.write("\" a .\tx\nb\ty\n\"c\"\tz\n", to: "f.tsv")
    let run = try CommandRun(["tokenize", "--input", tsv, "--text", "1", "--json"])
    #expect(try run.objects().compactMap { $0["text"] as? String } == ["\" a .", "b", "\"c\""])
    #expect(run.errors.contains("--quotes"))
    let quiet = try CommandRun(["tokenize", "--input", tsv, "--text", "1", "--no-quotes"])
    #expect(quiet.errors.isEmpty)
    let quoted = try CommandRun(["tokenize", "--input", tsv, "--text", "1", "--quotes"])
    #expect(quoted.status == 1 && quoted.errors.contains("--no-quotes"), "\(quoted.errors)")
    let header = try folder.write("Text\tlabel\na\tx\n", to: "h.tsv")
    #expect(try CommandRun(["tokenize", "--input", header, "--text", "1"]).errors.contains("--header"))
    let pairs = try folder.write("a\tb\tc\n", to: "p.txt")
    let three = try CommandRun(["next-sentence", "--input", pairs])
    #expect(three.status == 1 && three.errors.contains("p.txt, line 1: 3 fields, a pair is 2"), "\(three.errors)")
  }

  @Test(
    arguments: [
      ([0x1F, 0x8B, 0x08], "gzip"), ([0xFF, 0xFE, 0x61, 0, 0x0A, 0], "UTF-16"),
      (Array("a\rb\r".utf8), "carriage return"),
    ] as [([UInt8], String)]) func filesThatAreNoText(_ bytes: [UInt8], _ word: String) throws
  {
    let path = try folder.write(bytes, to: "f.txt")
    let run = try CommandRun(["tokenize", "--input", path])
    #expect(run.status == 1 && run.output.isEmpty)
    #expect(run.errors.contains(word) && run.errors.contains("f.txt"), "\(run.errors)")
  }

  @Test func messagesShowControlCharacters() throws {
    let path = try folder.write("\u{1B}[31mred,b\n1,2\n", to: "f.csv")
    let run = try CommandRun(["tokenize", "--input", path, "--text", "no\u{7}pe"])
    #expect(run.status == 1)
    #expect(run.errors.contains("\\x1b[31mred") && run.errors.contains("no\\x07pe"))
    #expect(!run.errors.utf8.dropLast().contains { $0 < 0x20 })
  }
}
