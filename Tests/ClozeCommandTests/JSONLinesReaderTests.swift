import Cloze
import ClozeIO
import Foundation
import Testing

@testable import ClozeCommand

@Suite struct JSONLinesReaderTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func read(_ content: String, _ text: DataField, _ pair: DataField? = nil) throws -> [NumberedText] {
    let path = try folder.write(content, to: "data.jsonl")
    var reader = JSONLinesReader(
      LineReader(try SequentialFile(path: path)), wanted: WantedFields(text: text, pair: pair))
    var texts: [NumberedText] = []
    while let text = try reader.next() { texts.append(text) }
    return texts
  }

  private func failure(_ content: String, _ text: DataField, _ pair: DataField? = nil) throws -> String? {
    do {
      _ = try read(content, text, pair)
      return nil
    } catch let error as ClozeError { return error.message.replacing(folder.path + "/", with: "") }
  }

  @Test func findsFields() throws {
    let content = """
      {"text": "one", "n": [1, {"text": "not this"}], "other": "two"}
      {"other":"\\u4e8c","text":""}

      """
    #expect(
      try read(content, .name("text"), .name("other")) == [
        NumberedText(text: Text("one", "two"), number: 1), NumberedText(text: Text("", "二"), number: 2),
      ])
    #expect(try read("[\"a\", 1, \"b\"]\n", .number(3), .number(1)) == [NumberedText(text: Text("b", "a"), number: 1)])
    #expect(try read("{\"7\": \"x\"}", .number(7)).map(\.text) == ["x"])
  }

  @Test func namesWhatIsWrongAndWhere() throws {
    let good = "{\"a\": \"x\"}\n"
    func message(_ line: String, _ pair: DataField? = nil) throws -> String? {
      try failure(good + line + "\n", .name("a"), pair)
    }
    #expect(try failure(good, .name("b")) == "data.jsonl, line 1: no field \"b\"")
    #expect(try message("{}") == "data.jsonl, line 2: no field \"a\"")
    #expect(try message("") == "data.jsonl, line 2: empty")
    #expect(try message("{\"a\": 5}") == "data.jsonl, line 2: field \"a\" is a number, not a string")
    #expect(try message("{\"a\": null}") == "data.jsonl, line 2: field \"a\" is null, not a string")
    #expect(try message("{\"a\": \"x\", \"a\": \"y\"}") == "data.jsonl, line 2: field \"a\" is there twice")
    #expect(try message("\"x\"") == "data.jsonl, line 2: a string, not an object or an array, at byte 0")
    #expect(try message("{\"a\": \"x\"") == "data.jsonl, line 2: ',' or '}' was expected at byte 9")
    #expect(try message("{\"a\": \"x\"} {") == "data.jsonl, line 2: something after the end of the document at byte 11")
  }
}
