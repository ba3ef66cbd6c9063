import Cloze
import ClozeTestSupport
import Foundation
import Testing

@testable import ClozeTraining

struct ReaderTests {
  private func read(
    _ text: String, _ task: Head.Task, name: String = "data.tsv", _ set: (inout DataFormat) -> Void = { _ in }
  ) throws -> Dataset {
    var format = DataFormat()
    set(&format)
    var reader = DataReader(bytes: Array(text.utf8), name: name, task: task, format: format)
    try reader.read()
    return Dataset(reader.examples, skipped: reader.skipped, remarks: reader.remarks)
  }

  private func labels(_ dataset: Dataset) -> [String] {
    dataset.examples.map { example in
      switch example.content {
      case .text(let text, let label): "\(text.first)|\(text.second ?? "-")|\(label ?? "-")"
      case .scored(let text, let value): "\(text.first)|\(value)"
      case .labelled(let text, let labels): "\(text.first)|\(labels)"
      case .words(let words, let tags): "\(words)|\(tags)"
      case .question(let question, _, let answers, _): "\(question)|\(answers.map(\.offset))"
      case .document(let sentences): "\(sentences)"
      }
    }
  }

  @Test func separatedFields() throws {
    #expect(labels(try read("a\tx\nb\ty\n", .classify)) == ["a|-|x", "b|-|y"])
    let named = try read("\u{FEFF}label,text\r\n1,\"a, \"\"b\"\"\nc\"\r\n", .classify, name: "x.csv") {
      $0.text = .name("text")
      $0.label = .name("label")
    }
    #expect(labels(named) == ["a, \"b\"\nc|-|1"])
    let pairs = try read("1||a||b||5\n", .regressPairs) {
      $0.separator = "||"
      $0.text = .number(2)
      $0.pair = .number(3)
      $0.label = .number(4)
    }
    #expect(labels(pairs) == ["a|5.0"])
    let quotes = try read("\"a,1\n", .classify, name: "x.csv") { $0.quotes = false }
    #expect(labels(quotes) == ["\"a|-|1"])
  }

  @Test func firstLineThatNamesAllFieldsIsAHeader() throws {
    #expect(labels(try read("id\tlabel\ttext\n1\tx\ta\n", .classify)) == ["a|-|x"])
    #expect(labels(try read("id\tlabel\tpair\ttext\n1\tx\tb\ta\n", .classifyPairs)) == ["a|b|x"])
    #expect(labels(try read("text\tvalue\na\t2\n", .regress)) == ["a|2.0"])
    // Two texts that happen to be words of a header are not all of them.
    #expect(labels(try read("text\tgood\na\tx\n", .classify)) == ["text|-|good", "a|-|x"])
    #expect(labels(try read("text\tlabel\nb\ty\n", .classify) { $0.label = .number(2) }) == ["text|-|label", "b|-|y"])
  }

  @Test(arguments: [
    ("a\tx\nb\n", "data.tsv:2", "1 field, field 2"), ("\"a\tx\nb\ty\n", "data.tsv:1", "does not end"),
    ("\"a\"b\tx\n", "data.tsv:1", "closing quote"), ("a\t\n", "data.tsv:1", "label is empty"),
    ("a\t \n", "data.tsv:1", "label is blank"),
  ]) func badLinesAreNamed(_ text: String, _ place: String, _ reason: String) throws {
    let error = #expect(throws: ClozeError.self) { try read(text, .classify) { $0.quotes = true } }
    #expect(error?.status == .invalidText)
    #expect(error?.message.contains(place) == true, "\(error?.message ?? "")")
    #expect(error?.message.contains(reason) == true, "\(error?.message ?? "")")
  }

  @Test func badLinesAreSkippedAndCounted() throws {
    let set = try read("a,x\nb\n\"c\"d,y\ne,z\n", .classify, name: "x.csv") { $0.skipBad = true }
    #expect(labels(set) == ["a|-|x", "e|-|z"])
    #expect(set.skipped.count == 2)
    #expect(set.remarks(for: .classify).contains { $0.hasPrefix("2 bad lines skipped; x.csv:2: ") })
    var reader = DataReader(bytes: [0x61, 0xFF, 0x09, 0x78], name: "f", task: .classify, format: DataFormat())
    #expect(throws: ClozeError.self) { try reader.read() }
  }

  @Test func jsonLines() throws {
    let set = try read(
      "{\"text\":\"a\",\"labels\":[\"x\",\"y\"]}\n\n{\"text\":\"b\",\"labels\":[]}\n", .multilabel, name: "f.jsonl")
    #expect(labels(set) == ["a|[\"x\", \"y\"]", "b|[]"])
    #expect(throws: ClozeError.self) { try read("{\"text\":1}\n", .classify, name: "f.jsonl") }
    #expect(throws: ClozeError.self) { try read("{", .classify, name: "f.jsonl") }
    #expect(throws: ClozeError.self) { try read("{\"text\":\"a\",\"value\":\"many\"}", .regress, name: "f.jsonl") }
  }

  @Test func sentencesOfWords() throws {
    let set = try read("-DOCSTART- O 0\n\nEU B-ORG 0\nrejects O 0\n\nPeter B-PER 0\n", .tag, name: "f.txt")
    #expect(labels(set) == ["[\"EU\", \"rejects\"]|[\"B-ORG\", \"O\"]", "[\"Peter\"]|[\"B-PER\"]"])
    #expect(set.examples.map(\.place) == ["f.txt:3", "f.txt:6"])
    let error = #expect(throws: ClozeError.self) { try read("a O\nb\n", .tag, name: "f") }
    #expect(error?.message.hasPrefix("f:2") == true)
  }

  @Test func questions() throws {
    func json(_ start: Int) -> String {
      """
      {"data":[{"paragraphs":[{"context":"Über Köln.","qas":[
      {"id":"q","question":"Wo?","answers":[{"text":"Köln","answer_start":\(start)}]},
      {"id":"r","question":"Wer?","is_impossible":true,"answers":[]}]}]}]}
      """
    }
    #expect(labels(try read(json(5), .answer, name: "f.json")) == ["Wo?|[6]", "Wer?|[]"])
    let error = #expect(throws: ClozeError.self) { try read(json(6), .answer, name: "f.json") }
    #expect(error?.message.contains("question q") == true)
  }

  @Test func documents() throws {
    #expect(labels(try read("a\nb\n\nc\n", .nsp, name: "f.txt")) == ["[\"a\", \"b\"]", "[\"c\"]"])
    #expect(labels(try read("a\nb\n\nc\n", .mlm, name: "f.txt")).count == 3)
    #expect(throws: ClozeError.self) { try read("\n\n", .mlm, name: "f.txt") }
    #expect(throws: ClozeError.self) { try read("a", .tag, name: "f.tsv") }
  }

  /// A class or tag of a single example is never held out: nothing could be learned of it.
  @Test func everyHeldOutLabelIsTrainedOn() {
    let rare = (0..<40).map { Example(.text("t", label: $0 < 20 ? "c\($0)" : "common")) }
    let tags = (0..<30).map { Example(.words(["a", "b"], tags: ["O", "B-\($0 % 20)"])) }
    let several = (0..<30).map { Example(.labelled("t", labels: ["a", "b\($0 % 20)"])) }
    for examples in [rare, tags, several] {
      for seed: UInt64 in 0..<5 {
        let (train, valid) = Dataset(examples).split(share: 0.3, seed: seed)
        let known = Set(train.examples.flatMap(\.content.labels))
        #expect(valid.examples.allSatisfy { known.isSuperset(of: $0.content.labels) })
        #expect(!valid.examples.isEmpty)
        #expect(train.examples.count + valid.examples.count == examples.count)
      }
    }
  }

  @Test func splitsAreStratified() throws {
    let examples = (0..<1000).map { Example(.text(Text("\($0)"), label: $0 % 10 == 0 ? "a" : "b")) }
    let (train, valid) = Dataset(examples).split(share: 0.1, seed: 3)
    #expect(train.examples.count == 900)
    #expect(labels(valid).filter { $0.hasSuffix("|a") }.count == 10)
    let again = Dataset(examples).split(share: 0.1, seed: 3)
    #expect(labels(again.valid) == labels(valid))
    #expect(labels(Dataset(examples).split(share: 0.1, seed: 4).valid) != labels(valid))
  }
}
