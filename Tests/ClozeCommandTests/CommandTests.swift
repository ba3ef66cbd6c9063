import Foundation
import Testing

@testable import ClozeCommand

/// What the commands print, with the built-in model.
@Suite struct CommandTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// The vectors of a run of `embed` or the numbers of a .npy file, for comparisons.
  private func vectors(_ run: CommandRun) -> [[Float]] {
    run.lines.map { $0.split(separator: " ").compactMap { Float($0) } }
  }

  private func npy(_ name: String) throws -> (header: String, values: [Float]) {
    let bytes = try folder.bytes(of: name)
    let values = stride(from: 128, to: bytes.count, by: 4).map { index in
      Float(bitPattern: bytes[index..<(index + 4)].reversed().reduce(0) { $0 << 8 | UInt32($1) })
    }
    return (String(decoding: bytes[10..<128], as: UTF8.self), values)
  }

  @Test func embedPrintsAVectorALine() throws {
    let run = try CommandRun(["embed", "A text", "", "台北"])
    #expect(run.status == 0)
    #expect(run.errors.isEmpty)
    let vectors = vectors(run)
    #expect(vectors.map(\.count) == [256, 256, 256])
    for vector in vectors { #expect(abs(vector.reduce(0) { $0 + $1 * $1 } - 1) < 1e-5) }
    // Alone, in another order, from elsewhere: the same numbers to the last digit.
    #expect(try CommandRun(["embed", "台北"]).lines == [run.lines[2]])
    #expect(try CommandRun(["embed"], input: "台北\n\nA text").lines == run.lines.reversed())
    #expect(try CommandRun(["embed", "--threads", "3", "A text", "", "台北"]).lines == run.lines)
  }

  @Test func embedReadsEveryFormatAlike() throws {
    let pairs = ["one, two\tand", "\"three\"", "四", ""]
    let lines = try CommandRun(["embed", "--pair-arguments"] + pairs).lines
    #expect(lines.count == 2)
    let files = [
      ("a.csv", "id,x,y\r\n1,\"one, two\tand\",\"\"\"three\"\"\"\r\n2,四,\r\n", ["--text", "x", "--pair", "y"]),
      ("a.tsv", "\u{FEFF}\"one, two\tand\"\t\"\"\"three\"\"\"\n四\t\n", ["--text", "1", "--pair", "2", "--quotes"]),
      ("a.txt", "one, two\tand||\"three\"\n四||", ["--text", "1", "--pair", "2", "--separator", "||", "--no-quotes"]),
      (
        "a.jsonl", "{\"x\": \"one, two\\tand\", \"y\": \"\\\"three\\\"\"}\n{\"y\":\"\",\"x\":\"\\u56db\"}\n",
        ["--text", "x", "--pair", "y"]
      ),
    ]
    for (name, content, options) in files {
      let path = try folder.write(content, to: name)
      let run = try CommandRun(["embed", "--input", path] + options)
      #expect(run.lines == lines, "\(name): \(run.errors)")
    }
    let piped = try CommandRun(["embed", "--format", "jsonl", "--text", "x", "--pair", "y"], input: files[3].1)
    #expect(piped.lines == lines)
  }

  @Test func embedWritesJSON() throws {
    let run = try CommandRun(["embed", "--json", "--max-tokens", "4", "--dimensions", "3", "a b c d", "x"])
    let objects = try run.objects()
    #expect(objects.compactMap { $0["truncated"] as? Bool } == [true, false])
    #expect(objects.compactMap { $0["text"] as? String } == ["a b c d", "x"])
    #expect(objects.compactMap { ($0["embedding"] as? [Double])?.count } == [3, 3])
    #expect(run.errors == "cloze: 1 of 2 texts was cut to 4 tokens\n")
  }

  @Test func embedWritesNumPyFiles() throws {
    let texts = (0..<40).map(String.init)
    let path = try folder.write(texts.joined(separator: "\n"), to: "texts.txt")
    let printed = vectors(try CommandRun(["embed", "--input", path, "--dimensions", "5"]))
    let run = try CommandRun(["embed", "--input", path, "--dimensions", "5", "--output", folder.file("v.npy")])
    #expect(run.status == 0)
    #expect(run.output.isEmpty && run.errors.isEmpty)
    let (header, values) = try npy("v.npy")
    #expect(header.contains("'shape': (40, 5), }"))
    #expect(values == printed.flatMap { $0 })
    #expect(folder.names == ["texts.txt", "v.npy"])

    let half = try CommandRun([
      "embed", "--input", path, "--dimensions", "5", "--output", folder.file("h.npy"), "--dtype", "float16",
    ])
    #expect(half.status == 0)
    let bytes = try folder.bytes(of: "h.npy")
    #expect(bytes.count == 128 + 40 * 5 * 2)
    for (index, value) in values.enumerated() {
      let bits = UInt16(bytes[128 + index * 2]) | UInt16(bytes[129 + index * 2]) << 8
      #expect(bits == Float16(value).bitPattern)
    }
  }

  @Test func embedTakesAnEmptyInput() throws {
    let run = try CommandRun(["embed", "--output", folder.file("v.npy")], input: "")
    #expect(run.status == 0)
    #expect(try npy("v.npy").header.contains("'shape': (0, 256), }"))
    for command in ["embed", "encode", "fill-mask", "next-sentence", "tokenize"] {
      let run = try CommandRun([command], input: "")
      #expect(run.status == 0, "\(command): \(run.errors)")
      #expect(run.output.isEmpty && run.errors.isEmpty)
    }
  }

  @Test func embedPoolsInEveryWay() throws {
    var seen: Set<String> = []
    for pooling in ["mean", "cls", "max", "mean_sqrt_len", "pooler", "last_token", "weighted_mean"] {
      let run = try CommandRun(["embed", "--pooling", pooling, "--no-normalize", "A short text"])
      #expect(run.status == 0)
      seen.insert(run.text)
    }
    #expect(seen.count == 7)
  }

  @Test func encodePrintsATokenALine() throws {
    let run = try CommandRun(["encode", "台北 x"])
    #expect(run.status == 0)
    let rows = run.lines.map { $0.split(separator: " ") }
    #expect(rows.map { $0[0] } == ["[CLS]", "台", "北", "x", "[SEP]"])
    #expect(rows.map { $0[1] } == ["-", "0-3", "3-6", "7-8", "-"])
    #expect(rows.allSatisfy { $0.count == 258 })

    let object = try #require(try CommandRun(["encode", "--json", "台北 x"]).objects().first)
    let vectors = try #require(object["vectors"] as? [[Double]])
    for (row, vector) in zip(rows, vectors) {
      #expect(row.dropFirst(2).compactMap { Float($0) } == vector.map(Float.init))
    }
    #expect(object["byte_offsets"] as? [[Int]] == [[0, 0], [0, 3], [3, 6], [7, 8], [0, 0]])
    #expect(object["offsets"] as? [[Int]] == [[0, 0], [0, 1], [1, 2], [3, 4], [0, 0]])
    #expect(object["sequence_ids"] as? [Int] == [-1, 0, 0, 0, -1])
    #expect(object["truncated"] as? Bool == false)
    let last = try CommandRun(["encode", "--layer", "4", "台北 x"])
    #expect(last.text == run.text)
    let first = try CommandRun(["encode", "--layer", "0", "台北 x"])
    #expect(first.status == 0 && first.text != run.text)
  }

  @Test func tokenizeShowsTokens() throws {
    let run = try CommandRun(["tokenize", "--pair-arguments", "台 The", "x"])
    let rows = run.lines.map { $0.split(separator: " ").map(String.init) }
    #expect(rows.map { $0[0] } == ["token", "[CLS]", "台", "the", "[SEP]", "x", "[SEP]"])
    #expect(rows.map { $0[2] } == ["type", "0", "0", "0", "0", "1", "1"])
    #expect(rows.map { $0[3] } == ["bytes", "-", "0-3", "4-7", "-", "0-1", "-"])
    // All columns end at the same place on the screen.
    #expect(Set(run.lines.map(displayWidth)).count == 1)

    let cut = try CommandRun(["tokenize", "--max-tokens", "3", "--json", "a b", "c"])
    let objects = try cut.objects()
    #expect(objects.compactMap { $0["tokens"] as? [String] } == [["[CLS]", "a", "[SEP]"], ["[CLS]", "c", "[SEP]"]])
    #expect(objects.compactMap { $0["truncated"] as? Bool } == [true, false])
    #expect(cut.errors == "cloze: 1 of 2 texts was cut to 3 tokens\n")

    let refused = try CommandRun(["tokenize", "--max-tokens", "3", "--truncation", "error", "c", "a b"])
    #expect(refused.status == 1)
    #expect(refused.errors.hasPrefix("cloze: argument 2: "))
  }

  @Test func fillMaskRanksTokens() throws {
    let run = try CommandRun(["fill-mask", "台[MASK]大学", "--top-k", "3"])
    #expect(run.status == 0)
    let rows = run.lines.map { $0.split(separator: " ").map(String.init) }
    #expect(rows.first == ["token", "probability"])
    #expect(rows.dropFirst().map { $0[0] }.contains("北"))
    let probabilities = rows.dropFirst().compactMap { Float($0[1]) }
    #expect(probabilities.count == 3)
    #expect(probabilities == probabilities.sorted(by: >))

    let json = try CommandRun(["fill-mask", "--json", "--targets", "南,北", "台[MASK]大学 [MASK]"])
    let object = try #require(try json.objects().first)
    let masks = try #require(object["masks"] as? [[String: Any]])
    #expect(masks.compactMap { $0["begin"] as? Int } == [1, 10] && masks.compactMap { $0["end"] as? Int } == [7, 16])
    #expect(masks.compactMap { $0["byte_begin"] as? Int } == [3, 16])
    #expect(masks.compactMap { $0["token_index"] as? Int } == [2, 5])
    for mask in masks {
      let candidates = try #require(mask["candidates"] as? [[String: Any]])
      #expect(Set(candidates.compactMap { $0["token"] as? String }) == ["南", "北"])
    }
    #expect(object["truncated"] as? Bool == false)

    let several = try CommandRun(["fill-mask", "a [MASK]", "the [MASK] and [MASK]"])
    #expect(several.lines.count { $0.hasPrefix("[MASK] at byte ") } == 3)
  }

  @Test func fillMaskRefuses() throws {
    let without = try CommandRun(["fill-mask", "a [MASK]", "no mask"])
    #expect(without.status == 1)
    #expect(without.errors.hasPrefix("cloze: argument 2: "))
    #expect(without.errors.contains("[MASK]"))
    let path = try folder.write("a [MASK]\n\nb\n", to: "masks.txt")
    let file = try CommandRun(["fill-mask", "--input", path])
    #expect(file.status == 1)
    #expect(file.errors.hasPrefix("cloze: \(path), line 2: "))
    let unknown = try CommandRun(["fill-mask", "--targets", "qqqqqq", "a [MASK]"])
    #expect(unknown.status == 64)
    #expect(unknown.errors.contains("qqqqqq"))
  }

  @Test func nextSentencePrintsProbabilities() throws {
    let first = "He was born in London in 1850."
    let likely = try CommandRun(["next-sentence", first, "His father was a doctor there."])
    let unlikely = try CommandRun(["next-sentence", first, "The enzyme catalyses the reaction of hydrogen."])
    #expect(try #require(Float(likely.text.dropLast())) > 0.9)
    #expect(try #require(Float(unlikely.text.dropLast())) < 0.3)
    let piped = try CommandRun(["next-sentence", "--json"], input: "\(first)\tHis father was a doctor there.\n")
    let object = try #require(try piped.objects().first)
    let probability = try #require(object["probability"] as? Double)
    #expect(ClozeCommand.probability(Float(probability)) == String(likely.text.dropLast()))
    #expect(object["pair"] as? String == "His father was a doctor there.")
  }

  @Test func inspectReports() throws {
    let run = try CommandRun(["inspect"])
    #expect(run.status == 0)
    #expect(run.text.contains("256"))
    #expect(try CommandRun(["inspect", "--json"]).objects().count == 1)
    func speed(_ options: [String]) throws -> String {
      let lines = try CommandRun(["inspect"] + options).lines
      let work = try #require(lines.firstIndex { $0.hasPrefix("  work ") })
      return String(lines[work + 1])
    }
    let float = try speed(["--precision", "float32", "--threads", "1", "--isa", "scalar"])
    #expect(float.hasPrefix("  speed ") && float.contains("float32 products on 1 thread with scalar"))
    #expect(try speed(["--threads", "3"]).contains("int8 products on 3 threads with "))
    let path = folder.file("float.cloze")
    #expect(try CommandRun(["convert", "--precision", "float32", path]).status == 0)
    #expect(try speed(["--model", path]).contains("float32"))
    let missing = try CommandRun(["inspect", folder.file("missing.onnx")])
    #expect(missing.status == 1)
    #expect(missing.errors.contains("missing.onnx"))
  }

  @Test func usesATokenizerOfItsOwn() throws {
    let words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat"]
    let path = try folder.write(words.joined(separator: "\n"), to: "vocab.txt")
    let object = try #require(
      try CommandRun(["tokenize", "--tokenizer", path, "--json", "The cat sat"]).objects().first)
    #expect(object["ids"] as? [Int] == [2, 5, 6, 1, 3])
    let missing = try CommandRun(["embed", "--tokenizer", folder.file("none.txt"), "a"])
    #expect(missing.status == 1)
    #expect(missing.errors.contains("none.txt"))
  }

  @Test func printsItsVersion() throws {
    #expect(try CommandRun(["--version"]).text == "cloze \(RootCommand.version)\n")
  }
}
