import Foundation
import Testing

@testable import ClozeCommand

/// `cloze convert`, and the other commands on what it wrote.
@Suite struct ConvertTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func everyCommandTakesWhatItWrote() throws {
    let path = folder.file("model.cloze")
    let run = try CommandRun(["convert", path])
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.output.isEmpty && run.errors.isEmpty)
    #expect(folder.names == ["model.cloze"])
    for arguments in [
      ["embed", "A text", "台北"], ["fill-mask", "The first [MASK] war."], ["tokenize", "A text"],
      ["next-sentence", "He was born.", "He died."], ["encode", "a"],
    ] {
      let (expected, found) = (try CommandRun(arguments), try CommandRun(arguments + ["--model", path]))
      #expect(found.status == 0 && found.output == expected.output, "\(found.errors)")
    }
    let inspected = try #require(CommandRun(["inspect", path, "--json"]).objects().first)
    #expect((inspected["prepared"] as? [String: Any])?["precision"] as? String == "int8")
  }

  @Test func precision() throws {
    let path = folder.file("f.cloze")
    #expect(try CommandRun(["convert", "--precision", "float32", path]).status == 0)
    let expected = try CommandRun(["embed", "--precision", "float32", "A text"])
    #expect(try CommandRun(["embed", "--model", path, "A text"]).output == expected.output)
    let other = try CommandRun(["embed", "--model", path, "--precision", "int8", "A text"])
    #expect(other.status == 64)
    #expect(other.errors.contains("float32") && other.errors.contains("f.cloze"))
  }

  @Test func failures() throws {
    let before = try folder.write("before", to: "a.cloze")
    for (arguments, status, words) in [
      (["convert", "/nonexistent/a.onnx", before], Int32(1), "/nonexistent/a.onnx"),
      (["convert", "/nonexistent/a.cloze"], 1, "/nonexistent/a.cloze"), (["convert", folder.path], 1, "is a folder"),
    ] {
      let run = try CommandRun(arguments)
      #expect(run.status == status && run.errors.contains(words), "\(run.errors)")
    }
    #expect(try folder.bytes(of: "a.cloze") == Array("before".utf8))
    #expect(try CommandRun(["convert", folder.file("b.cloze")]).status == 0)
    let again = try CommandRun(["convert", folder.file("b.cloze"), before])
    #expect(again.status == 64 && again.errors.contains("prepared already"), "\(again.errors)")
    // A file may not grow beyond a megabyte.
    let full = try CommandRun(shell: "ulimit -f 1024; trap '' XFSZ; \"$cloze\" convert '\(before)'")
    #expect(full.status == 1 && full.errors.contains("a.cloze"), "\(full.errors)")
    #expect(folder.names == ["a.cloze", "b.cloze"])
    #expect(try folder.bytes(of: "a.cloze") == Array("before".utf8))
  }
}
