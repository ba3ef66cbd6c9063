import Cloze
import ClozeIO
import Testing

@testable import ClozeTraining

/// Files with a word and its tag a line.
struct ColumnTests {
  private func read(_ text: String, name: String = "data.txt", _ set: (inout DataFormat) -> Void = { _ in }) throws
    -> Dataset
  {
    var format = DataFormat()
    set(&format)
    var reader = DataReader(bytes: Array(text.utf8), name: name, task: .tag, format: format)
    try reader.read()
    return Dataset(reader.examples, skipped: reader.skipped, remarks: reader.remarks)
  }

  /// Sentences as "word/tag word/tag".
  private func sentences(_ dataset: Dataset) -> [String] {
    dataset.examples.map { example in
      guard case .words(let words, let tags) = example.content else { return "" }
      return zip(words, tags).map { "\($0)/\($1)" }.joined(separator: " ")
    }
  }

  private func failure(_ text: String, name: String = "data.txt", _ set: (inout DataFormat) -> Void = { _ in })
    -> String
  {
    let error = #expect(throws: ClozeError.self) { try read(text, name: name, set) }
    return error?.message ?? ""
  }

  @Test func twoColumnsAreUnambiguous() throws {
    let set = try read("EU B-ORG\nrejects O\n\nPeter B-PER")
    #expect(sentences(set) == ["EU/B-ORG rejects/O", "Peter/B-PER"])
    #expect(set.remarks.isEmpty)
    #expect(try sentences(read("B-ORG EU\nO rejects\n") { $0.label = .number(1) }) == ["EU/B-ORG rejects/O"])
    // A tab in the first line separates: words may have blanks.
    #expect(try sentences(read("New York\tB-LOC\nis \tO\n")) == ["New York/B-LOC is/O"])
    #expect(try sentences(read("EU B-ORG\r\nrejects\tO\r\n\r\n")) == ["EU/B-ORG rejects/O"])
    #expect(try sentences(read("EU\tB-ORG\n", name: "x.tsv")) == ["EU/B-ORG"])
  }

  @Test func ofMoreColumnsTheOnlyOneWithMarksIsTaken() throws {
    let set = try read("EU NNP B-ORG 0\nrejects VBZ O 0\n\nPeter NNP B-PER 0\n")
    #expect(sentences(set) == ["EU/B-ORG rejects/O", "Peter/B-PER"])
    #expect(set.remarks.count == 1 && set.remarks[0].contains("column 3"))
    let two = "EU NNP B-NP B-ORG\nrejects VBZ B-VP O\n"
    #expect(failure(two).hasPrefix("data.txt:1: 4 columns (\"EU\", \"NNP\", \"B-NP\", \"B-ORG\")"))
    #expect(failure(two).contains("--label"))
    #expect(failure("EU NNP x\nrejects VBZ y\n").contains("--label"))
    let chosen = try read(two) { $0.label = .number(4) }
    #expect(sentences(chosen) == ["EU/B-ORG rejects/O"] && chosen.remarks.isEmpty)
    #expect(failure(two) { $0.label = .number(5) }.contains("4 columns, column 5 was asked for"))
    #expect(failure(two) { ($0.text, $0.label) = (.number(2), .number(2)) }.contains("both"))
  }

  @Test func columnsHaveNames() throws {
    let named = "word\tpos\tner\nEU\tNNP\tB-ORG\n\n"
    #expect(try sentences(read(named) { $0.label = .name("ner") }) == ["EU/B-ORG"])
    #expect(try sentences(read(named) { ($0.text, $0.label) = (.name("word"), .name("pos")) }) == ["EU/NNP"])
    #expect(failure("EU NNP B-ORG\n") { $0.label = .name("ner") }.contains("no field \"ner\""))
    let plus = "# global.columns = ID FORM UPOS\n1\tEU\tPROPN\n2\tis\tAUX\n\n"
    #expect(
      try sentences(read(plus, name: "x.conllup") { ($0.text, $0.label) = (.name("FORM"), .name("UPOS")) })
        == ["EU/PROPN is/AUX"])
  }

  @Test func universalDependencies() throws {
    let text = """
      # sent_id = 1
      # text = vámonos al mar
      1-2\tvámonos\t_\t_\t_\t_\t_\t_\t_\t_
      1\tvamos\tir\tVERB\t_\t_\t0\troot\t_\t_
      2\tnos\tnosotros\tPRON\t_\t_\t1\tobj\t_\t_
      2.1\tx\tx\tX\t_\t_\t_\t_\t_\t_

      # newdoc
      1\tsí\tsí\tINTJ\t_\t_\t0\troot\t_\t_

      """
    let set = try read(text, name: "es.conllu") { ($0.text, $0.label) = (.name("FORM"), .name("UPOS")) }
    #expect(sentences(set) == ["vamos/VERB nos/PRON", "sí/INTJ"])
    #expect(failure(text, name: "es.conllu") { $0.label = .name("UPOS") }.contains("--text"))
  }

  @Test func documentsEndSentences() throws {
    let set = try read("-DOCSTART- -X- -X- O\n\nEU NNP x B-ORG\n-DOCSTART-\nis V x O\n") { $0.label = .number(4) }
    #expect(sentences(set) == ["EU/B-ORG", "is/O"])
    #expect(try sentences(read("-DOCSTART-\n\nEU B-ORG\n")) == ["EU/B-ORG"])
    #expect(try sentences(read("-DOCSTART-x B-ORG\n")) == ["-DOCSTART-x/B-ORG"])
  }

  @Test func commentsAreNoWords() throws {
    let set = try read("# id 12\nanna B-PER\n# O\n\n#berlin O\n# O\nx O\n\n# new\ny O\n")
    #expect(sentences(set) == ["anna/B-PER #/O", "#berlin/O #/O x/O", "y/O"])
    // Two columns, as words have, but no tag.
    #expect(set.remarks.count == 1 && set.remarks[0].contains("line 9"))
    let wide = try read("# id 12 domain=en\nanna _ _ B-PER\n# _ _ O\n") { $0.label = .number(4) }
    #expect(sentences(wide) == ["anna/B-PER #/O"])
  }

  @Test(arguments: [
    ("EU B-ORG x\nis O\n", "2 columns, others have 3"), ("a O\n\u{A0}\nb O\n", "1 column"),
    ("a\tO\n\tO\n", "the word is empty"),
    ("a\tO\nb\t\n", "the tag of word 2 is empty"), ("word\n", "1 column, a word and a tag are needed"),
  ]) func badLinesAreNamed(_ text: String, _ reason: String) {
    let message = failure(text) { if text.hasPrefix("EU") { $0.label = .number(2) } }
    #expect(message.contains(reason) && message.hasPrefix("data.txt:"), "\(message)")
  }

  @Test func schemes() {
    for tags in [
      ["O"], ["B-A", "I-A", "O"], ["I-A", "O"], ["B-A", "I-A", "E-A", "S-A", "O"], ["B-A", "L-A", "U-A", "I-A", "O"],
      ["B-A", "M-A", "E-A", "S-A", "O"], ["B", "I", "O"],
    ] { #expect(TagScheme.remark(tags) == nil) }
    #expect(TagScheme.remark(["NN", "VBZ"])?.contains("B-") == true)
    #expect(TagScheme.remark(["B-A", "X-A", "O"])?.contains("\"X-A\"") == true)
    #expect(TagScheme.remark(["B-A", "PER", "O"])?.contains("\"PER\"") == true)
    #expect(TagScheme.remark(["B-A", "L-A", "E-A", "O"])?.contains("no one scheme") == true)
  }
}
