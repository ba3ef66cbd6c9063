import Foundation
import Testing

@testable import ClozeCommand

/// `cloze search` and `cloze similar`, and the vectors that they keep.
@Suite struct SearchTests {
  let folder: TemporaryFolder
  let texts: String

  init() throws {
    folder = try TemporaryFolder()
    texts = try folder.write(
      "The river flows north.\nA cat sat on the mat.\nThe cat sat on a mat.\n\nHe was born in 1850.\n", to: "t.txt")
  }

  @Test func findsTheNearestTexts() throws {
    let run = try CommandRun(["search", "--texts", texts, "--top-k", "2", "a cat on a mat"])
    #expect(run.status == 0 && run.errors.isEmpty)
    #expect(
      run.lines.map { $0.split(separator: "\t")[1] } == ["A cat sat on the mat.", "The cat sat on a mat."])
    #expect(folder.names == ["t.txt", "t.txt.npy"])
    // More than there are: all.
    let json = try CommandRun(["search", "--texts", texts, "--json"], input: "a cat on a mat\nriver\n")
    let objects = try json.objects()
    #expect(objects.count == 10)
    #expect(objects.prefix(5).allSatisfy { $0["query"] as? String == "a cat on a mat" })
    #expect(objects[0]["index"] as? Int == 1 && objects[0]["line"] as? Int == 2)
    #expect(objects[0]["text"] as? String == "A cat sat on the mat.")
    #expect(Set(objects[0].keys) == ["query", "index", "line", "text", "score", "truncated"])
    let scores = objects.prefix(5).compactMap { $0["score"] as? Double }
    #expect(scores == scores.sorted(by: >) && scores.count == 5)
    // Several queries are named.
    let several = try CommandRun(["search", "--texts", texts, "--top-k", "1", "a cat on a mat", "river"])
    #expect(several.lines.map { $0.split(separator: "\t")[0] } == ["a cat on a mat", "river"])
  }

  @Test func keepsVectorsForTheSameTextsModelAndOptionsOnly() throws {
    func inode() throws -> UInt64 {
      let attributes = try FileManager.default.attributesOfItem(atPath: texts + ".npy")
      return try #require(attributes[.systemFileNumber] as? UInt64)
    }
    func search(_ options: [String] = []) throws -> CommandRun {
      let run = try CommandRun(["search", "--texts", texts, "river"] + options)
      #expect(run.status == 0, "\(run.errors)")
      return run
    }
    let first = try search()
    let made = try inode()
    #expect(try search().lines == first.lines)
    #expect(try search(["--threads", "1"]).lines == first.lines)
    #expect(try inode() == made)
    _ = try search(["--precision", "float32"])
    let exact = try inode()
    #expect(exact != made)
    _ = try search(["--precision", "float32", "--max-tokens", "4"])
    let short = try inode()
    #expect(short != exact)
    _ = try folder.write("The river flows south.\n", to: "t.txt")
    #expect(try search(["--precision", "float32", "--max-tokens", "4"]).lines.count == 1)
    #expect(try inode() != short)
    // Bits that the stamp does not show.
    var bytes = try folder.bytes(of: "t.txt.npy")
    bytes[130] ^= 1
    _ = try folder.write(bytes, to: "t.txt.npy")
    _ = try search(["--precision", "float32", "--max-tokens", "4"])
    #expect(try folder.bytes(of: "t.txt.npy") != bytes)
    #expect(folder.names == ["t.txt", "t.txt.npy"])
  }

  @Test func vectorsThatAreGiven() throws {
    let vectors = folder.file("v.npy")
    let own = try CommandRun(["search", "--texts", texts, "river"])
    #expect(try CommandRun(["embed", "--input", texts, "--output", vectors]).status == 0)
    let given = try CommandRun(["search", "--texts", texts, "--vectors", vectors, "river"])
    #expect(given.lines == own.lines && given.errors.isEmpty)
    // A name without a file: made there.
    let new = try CommandRun(["search", "--texts", texts, "--vectors", folder.file("new.npy"), "river"])
    #expect(new.lines == own.lines)
    #expect(try folder.bytes(of: "new.npy") == folder.bytes(of: "t.txt.npy"))

    func refused(_ path: String, _ part: String, _ options: [String] = []) throws {
      let run = try CommandRun(["search", "--texts", texts, "--vectors", path, "river"] + options)
      #expect(run.status == 1 && run.output.isEmpty && run.errors.contains(part), "\(run.errors)")
    }
    try refused(folder.file("new.npy"), "a model in int8", ["--precision", "float32"])
    try refused(folder.file("new.npy"), "at most 256 tokens", ["--max-tokens", "9"])
    let lines = try folder.write("river\n", to: "one.txt")
    _ = try CommandRun(["embed", "--input", lines, "--output", folder.file("one.npy")])
    try refused(folder.file("one.npy"), "has shape (1, 256)")
    _ = try CommandRun(["embed", "--input", texts, "--output", folder.file("half.npy"), "--dtype", "float16"])
    try refused(folder.file("half.npy"), "'<f2'")
    _ = try CommandRun(["embed", "--input", texts, "--output", folder.file("long.npy"), "--no-normalize"])
    try refused(folder.file("long.npy"), "length")
    let reversed = try folder.write(
      "He was born in 1850.\n\nThe cat sat on a mat.\nA cat sat on the mat.\nThe river flows north.\n", to: "r.txt")
    _ = try CommandRun(["embed", "--input", reversed, "--output", folder.file("r.npy")])
    try refused(folder.file("r.npy"), "row 0 is not what the model makes of the text in line 1")
    try refused(texts, "no NumPy file")

    // What was not made by this command is not replaced.
    _ = try folder.write(folder.bytes(of: "v.npy"), to: "t.txt.npy")
    let run = try CommandRun(["search", "--texts", texts, "river"])
    #expect(run.status == 1 && run.errors.contains("is in the way"))
    #expect(try folder.bytes(of: "t.txt.npy") == folder.bytes(of: "v.npy"))
  }

  @Test func nearDuplicates() throws {
    let run = try CommandRun(["similar", texts, "--above", "0.95"])
    #expect(run.status == 0 && run.errors.isEmpty)
    #expect(run.lines.count == 1)
    #expect(
      run.lines[0].split(separator: "\t").dropFirst() == ["2", "3", "A cat sat on the mat.", "The cat sat on a mat."])
    let object = try #require(CommandRun(["similar", texts, "--above", "0.95", "--json"]).objects().first)
    let second = try #require(object["second"] as? [String: Any])
    #expect(second["index"] as? Int == 2 && second["line"] as? Int == 3)
    #expect(second["text"] as? String == "The cat sat on a mat.")
    #expect(try CommandRun(["similar", texts, "--above", "-1"]).lines.count == 10)
    let table = try folder.write("id,text\n1,A cat sat.\n2,\"A cat\nsat.\"\n3,River\n", to: "t.csv")
    let pairs = try CommandRun(["similar", table, "--text", "text", "--above", "0.98", "--json"]).objects()
    #expect(pairs.count == 1)
    #expect((pairs[0]["second"] as? [String: Any])?["text"] as? String == "A cat\nsat.")
  }

  @Test func fieldsOfTheTexts() throws {
    let table = try folder.write("{\"q\": \"A cat sat.\"}\n{\"q\": \"River\"}\n", to: "t.jsonl")
    let run = try CommandRun(["search", "--texts", table, "--texts-field", "q", "--top-k", "1", "river"])
    #expect(run.lines.first?.hasSuffix("\tRiver") == true)
    let none = try CommandRun(["search", "--texts", table, "river"])
    #expect(none.status == 64 && none.errors.contains("field"))
  }

  @Test func failures() throws {
    let empty = try folder.write("", to: "empty.txt")
    let bad = try folder.write([0x41, 0x0A, 0xFF, 0x0A], to: "bad.txt")
    for (arguments, status, part) in [
      (["search", "river"], 64, "--texts"), (["search", "--texts", texts, "--top-k", "0", "river"], 64, "--top-k 0"),
      (["search", "--texts", "", "river"], 64, "in a file"), (["search", "--texts", "-", "river"], 64, "in a file"),
      (["search", "--texts", texts, "--texts-field", "0", "river"], 64, "--texts-field 0"),
      (["search", "--texts", texts, "--vectors", "", "river"], 64, "--vectors is empty"),
      (["search", "--texts", folder.file("none"), "river"], 1, "none"),
      (["search", "--texts", empty, "river"], 1, "has no texts"),
      (["search", "--texts", bad, "river"], 1, "bad.txt, line 2"),
      (["search", "--texts", folder.path, "river"], 1, "regular file"),
      (["search", "--texts", texts, "--vectors", folder.path, "river"], 1, folder.path),
      (["similar", texts], 64, "--above"), (["similar", texts, "--above", "1.5"], 64, "from -1 to 1"),
      (["similar", texts, "--above", "nan"], 64, "from -1 to 1"), (["similar"], 64, "file"),
      (["similar", empty, "--above", "0.9"], 1, "has no texts"),
    ] as [([String], Int32, String)] {
      let run = try CommandRun(arguments)
      #expect(run.status == status && run.errors.contains(part), "\(arguments): \(run.status) \(run.errors)")
      #expect(run.output.isEmpty)
    }
    #expect(!folder.names.contains { $0.hasSuffix(".npy") || $0.hasSuffix(".partial") })
  }
}
