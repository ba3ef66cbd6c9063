import Cloze
import ClozeIO
import Testing

@testable import ClozeTraining

/// Labels that are none or meant to be one, headers and quotes: what is refused, and what is said.
struct RemarkTests {
  private func read(
    _ text: String, _ task: Head.Task = .classify, name: String = "data.tsv",
    _ set: (inout DataFormat) -> Void = { _ in }
  ) throws -> Dataset {
    var format = DataFormat()
    set(&format)
    var reader = DataReader(bytes: Array(text.utf8), name: name, task: task, format: format)
    try reader.read()
    return Dataset(reader.examples, skipped: reader.skipped, remarks: reader.remarks)
  }

  private func classes(_ dataset: Dataset) -> [String] {
    dataset.examples.map {
      if case .text(let text, let label) = $0.content { "\(text.first)|\(label ?? "")" } else { "" }
    }
  }

  private func set(_ labels: [String]) -> Dataset {
    Dataset(labels.map { Example(.text("a", label: $0), place: "f:2") })
  }

  @Test func labelsWithBlanksAroundThemAreNoClassOfTheirOwn() throws {
    for odd in ["b ", "\tb", "b\u{A0}", "\u{3000}b"] {
      let error = #expect(throws: ClozeError.self) { try set(["a", "b", odd]).labels(atLeast: 2) }
      #expect(error?.message.contains("but for blanks") == true)
    }
    #expect(try set(["a", " b"]).labels(atLeast: 2) == [" b", "a"])
    #expect(set(["a", " b"]).remarks(for: .classify) == ["the label \" b\" has blanks around it"])
    for blank in ["", " ", "\u{A0}"] {
      #expect(throws: ClozeError.self) { try Example.Content.text("a", label: blank).checkLabels() }
      #expect(throws: ClozeError.self) { try Example.Content.labelled("a", labels: ["b", blank]).checkLabels() }
      #expect(throws: ClozeError.self) { try Example.Content.words(["a"], tags: [blank]).checkLabels() }
    }
  }

  @Test func labelsThatDifferInCaseOrAreMissing() {
    #expect(set(["Good", "good", "bad"]).remarks(for: .classify).count == 1)
    #expect(
      set(["nan", "x", "nan"]).remarks(for: .classify) == [
        "the label \"nan\" of 2 examples looks like a missing value"
      ])
    #expect(set(["x", "y"]).remarks(for: .classify).isEmpty)
  }

  @Test func headers() throws {
    let rows = "a,x\nb,y\nc,x\nd,y\n"
    for (header, expected) in [("sentence,label\n", "a|x"), ("Text,Label\n", "a|x"), ("text,label\n", "a|x")] {
      let set = try read(header + rows, name: "f.csv")
      #expect(classes(set).first == expected && set.examples.count == 4)
      #expect(set.remarks.isEmpty == (header == "text,label\n"))
    }
    #expect(try classes(read("label,sentence\nx,a\ny,b\n", name: "f.csv")) == ["a|x", "b|y"])
    #expect(try classes(read("label,sentence\nx,a\ny,b\n", name: "f.csv") { $0.header = true }) == ["a|x", "b|y"])
    // Names of no column that Cloze knows: the line is an example, and that is said.
    let set = try read("review,mood\n" + rows, name: "f.csv")
    #expect(set.examples.count == 5)
    #expect(set.remarks(for: .classify).contains { $0.contains("f.csv:1") && $0.contains("--header") })
    #expect(try read("sentence\tlabel\na\tx\n") { $0.label = .number(2) }.remarks[0].contains("looks like a header"))
    let number = #expect(throws: ClozeError.self) { try read("a\tscore\nb\t1\n", .regress) }
    #expect(number?.message.contains("--header") == true)
  }

  @Test func fieldsAreNotGuessed() throws {
    let three = "1\ta\tx\n2\tb\ty\n"
    for (text, header) in [(three, false), ("id\tsentence\tlabel\n" + three, false), ("id\tt\tl\n" + three, true)] {
      let error = #expect(throws: ClozeError.self) { try read(text) { $0.header = header } }
      #expect(error?.message.contains("data.tsv:1: 3 fields") == true)
      #expect(error?.message.contains("--text") == true, "\(error?.message ?? "")")
    }
    #expect(try classes(read(three) { ($0.text, $0.label) = (.number(2), .number(3)) }) == ["a|x", "b|y"])
    #expect(throws: ClozeError.self) { try read(three) { $0.label = .number(3) } }
    // Two fields, of which one is asked for.
    #expect(try classes(read("x\ta\ny\tb\n") { $0.label = .number(1) }) == ["a|x", "b|y"])
    let both = #expect(throws: ClozeError.self) {
      try read("x\ta\n") { ($0.text, $0.label) = (.number(1), .number(1)) }
    }
    #expect(both?.message.contains("both") == true)
    // A tab in a text makes a third field.
    let torn = #expect(throws: ClozeError.self) { try read("a\tx\nb\tc\ty\n") }
    #expect(try classes(read("a\nb\tx\nc\ty\n") { $0.skipBad = true }) == ["b|x", "c|y"])
    #expect(torn?.message == "data.tsv:2: 3 fields, expected 2")
  }

  @Test func quotesAreTextInTSV() throws {
    let text = "\" a ,\tx\n\"b\"\ty\nc . \"\tx\n"
    let set = try read(text)
    #expect(classes(set) == ["\" a ,|x", "\"b\"|y", "c . \"|x"])
    #expect(set.remarks.count == 1 && set.remarks[0].contains("--quotes"))
    #expect(try read(text) { $0.quotes = false }.remarks.isEmpty)
    #expect(throws: ClozeError.self) { try read(text) { $0.quotes = true } }
    #expect(try classes(read("\"a\",x\nb,y\n", name: "f.csv")) == ["a|x", "b|y"])
  }

  @Test func otherFilesAreNamed() {
    let files: [([UInt8], String)] = [
      ([0x1F, 0x8B, 8, 0], "gzip"), ([0xFD, 0x37, 0x7A, 0x58, 0x5A, 0], "xz"),
      (Array("BZh91AY&SY".utf8), "bzip2"), ([0x28, 0xB5, 0x2F, 0xFD, 0], "zstd"),
      ([0xFF, 0xFE, 0x61, 0, 0x09, 0], "UTF-16"), ([0x61, 0, 0x09, 0, 0x62, 0], "UTF-16LE"),
      (Array("a\tx\rb\ty\r".utf8), "carriage return"), (Array("PAR1".utf8), "Parquet"),
    ]
    for (bytes, word) in files {
      var reader = DataReader(bytes: bytes, name: "f.tsv", task: .classify, format: DataFormat())
      let error = #expect(throws: ClozeError.self) { try reader.read() }
      #expect(error?.message.contains(word) == true && error?.message.contains("f.tsv") == true)
    }
    #expect(throws: Never.self) { try TextSignature.check(Array("BZh is a text".utf8), name: "f") }
  }

  @Test func jsonOfSeveralForms() throws {
    for text in [
      "[{\"text\":\"a\",\"label\":\"x\"},\n {\"text\":\"b\",\"label\":1}]",
      "{\"data\":[{\"text\":\"a\",\"label\":\"x\"},{\"text\":\"b\",\"label\":1}]}",
      "{\"text\":\"a\",\"label\":\"x\"}\n{\"text\":\"b\",\"label\":1}\n",
    ] { #expect(try classes(read(text, name: "f.json")) == ["a|x", "b|1"]) }
    #expect(try classes(read("{\"text\":\"a\",\"label\":\"x\"}\n", name: "f.ndjson")) == ["a|x"])
    let missing = #expect(throws: ClozeError.self) {
      try read("[\n{\"text\":\"a\",\"label\":\"x\"},\n{\"text\":\"b\",\"label\":null}]", name: "f.json")
    }
    #expect(missing?.message == "f.json:3: label is null, a value was expected")
    let other = #expect(throws: ClozeError.self) { try read("[{\"sentence\":\"a\",\"mood\":\"x\"}]", name: "f.json") }
    #expect(other?.message.contains("\"sentence\", \"mood\"") == true)
    #expect(other?.message.contains("--text") == true)
  }

  @Test func answersStandWhereTheyAreSaidTo() throws {
    func flat(_ answer: String, _ start: Int) -> String {
      "{\"question\":\"q\",\"context\":\"😀 Köln am Rhein\","
        + "\"answers\":{\"text\":[\"\(answer)\"],\"answer_start\":[\(start)]}}"
    }
    for name in ["f.jsonl", "f.json"] {
      let set = try read(flat("Köln", 2) + "\n", .answer, name: name)
      guard case .question(_, _, let answers, _) = set.examples[0].content else { return }
      #expect(answers == [Example.Answer(text: "Köln", offset: 5)])
    }
    for (answer, start, words) in [
      ("Köln", 3, "UTF-16"), ("Köln", 5, "bytes of UTF-8"), ("Rhein", 4, "begins at character 10"),
      ("Bonn", 2, "does not contain"), ("Köln", 99, "begins at character 2"), ("", 2, "at least one character"),
    ] {
      let error = #expect(throws: ClozeError.self) { try read(flat(answer, start), .answer, name: "f.jsonl") }
      #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
    }
    let uneven = #expect(throws: ClozeError.self) {
      try read(
        "{\"question\":\"q\",\"context\":\"c\",\"answers\":{\"text\":[\"c\"],\"answer_start\":[]}}", .answer,
        name: "f.jsonl")
    }
    #expect(uneven?.message.contains("1 in text and 0 in answer_start") == true)
    #expect(throws: ClozeError.self) { try read("{\"question\":\"q\",\"context\":\"c\"}", .answer, name: "f.jsonl") }
  }

  @Test func messagesShowControlCharacters() {
    let error = #expect(throws: ClozeError.self) { try read("\u{1B}[31mred\tx\n") { $0.text = .name("t") } }
    #expect(error?.message.contains("\\x1b[31mred") == true)
    #expect("a\u{1B}\u{7F}\u{9B}\u{202E}\n\\".printable == "a\\x1b\\x7f\\x9b\\u{202e}\\n\\")
    #expect("a\u{1B}".printable.printable == "a\u{1B}".printable)
  }
}
