import Cloze
import Foundation
import Testing

@testable import ClozeCommand

@Suite struct JSONScannerTests {
  private func isJSON(_ text: String) -> Bool {
    var scanner = JSONScanner(text.utf8)
    do throws(JSONScanner.Failure) {
      try scanner.skip()
      try scanner.end()
      return true
    } catch {
      #expect((0...text.utf8.count).contains(error.offset))
      return false
    }
  }

  @Test(arguments: [
    "0", "-0", "1", "-12.50", "1e5", "1E-05", "0.1e+9", "true", "false", "null", "\"\"",
    "\"a\\n\\u00e9\\ud83d\\ude00\\/\"", "[]", "[ ]", "{}", " { \"a\" : [ 1 , {\"b\":null} ] } ",
    "[[[]],{}]", "\"\u{7F}\"", "{\"\":0}", "\t\r\n1\n",
  ])
  func accepts(_ text: String) { #expect(isJSON(text)) }

  @Test(arguments: [
    "", " ", "01", "-", "+1", ".5", "1.", "1e", "1e+", "0x1", "NaN", "Infinity", "tru", "True",
    "nullx", "'a'", "\"", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\ud83d\"",
    "\"\\ude00\"", "\"\\ud83d\\u0041\"", "\"\\ud83d\\ud83d\"", "\"a\nb\"", "[", "[1", "[1,", "[1,]",
    "[,1]", "[1 2]", "{", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,}", "{a:1}", "{1:1}",
    "{\"a\" 1}", "{\"a\":1 \"b\":2}", "1 2", "[]]", "//1", "[1}", "{\"a\":1]",
  ])
  func refuses(_ text: String) { #expect(!isJSON(text)) }

  @Test func readsStrings() throws {
    var scanner = JSONScanner(
      #""\"\\\/\b\f\n\r\t\u0000\u00E9\u4e2d\ud83d\ude00中🙂""#.utf8)
    #expect(try scanner.string() == "\"\\/\u{8}\u{C}\n\r\t\u{0}é中😀中🙂")
    try scanner.end()
  }

  @Test func endsOnDeepNesting() {
    let depth = 200_000
    #expect(!isJSON(String(repeating: "[", count: depth)))
    #expect(!isJSON(String(repeating: "{\"a\":", count: depth)))
    #expect(isJSON(String(repeating: "[", count: 256) + String(repeating: "]", count: 256)))
  }

  @Test func refusesEveryBeginningOfAValue() {
    let text = #"{"a": [1.5e3, "b\u00e9\ud83d\ude00", {"c": null}], "d": true}"#
    #expect(isJSON(text))
    for count in 0..<text.utf8.count {
      #expect(!isJSON(String(decoding: text.utf8.prefix(count), as: UTF8.self)))
    }
  }
}

@Suite struct JSONLinesReaderTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func read(_ content: String, _ text: Field, _ pair: Field? = nil) throws -> [NumberedText] {
    let path = try folder.write(content, to: "data.jsonl")
    var reader = JSONLinesReader(
      LineReader(try FileBytes(path: path)), wanted: WantedFields(text: text, pair: pair))
    var texts: [NumberedText] = []
    while let text = try reader.next() { texts.append(text) }
    return texts
  }

  private func failure(_ content: String, _ text: Field, _ pair: Field? = nil) throws -> String? {
    do {
      _ = try read(content, text, pair)
      return nil
    } catch let error as WorkFailure {
      return error.message.replacing(folder.path + "/", with: "")
    }
  }

  @Test func findsFields() throws {
    let content = """
      {"text": "one", "n": [1, {"text": "not this"}], "other": "two"}
      {"other":"\\u4e8c","text":""}

      """
    #expect(
      try read(content, .name("text"), .name("other")) == [
        NumberedText(text: Text("one", "two"), number: 1),
        NumberedText(text: Text("", "二"), number: 2),
      ])
    #expect(
      try read("[\"a\", 1, \"b\"]\n", .number(3), .number(1))
        == [NumberedText(text: Text("b", "a"), number: 1)])
    #expect(try read("{\"7\": \"x\"}", .number(7)).map(\.text) == ["x"])
  }

  @Test func namesWhatIsWrongAndWhere() throws {
    let good = "{\"a\": \"x\"}\n"
    func message(_ line: String, _ pair: Field? = nil) throws -> String? {
      try failure(good + line + "\n", .name("a"), pair)
    }
    #expect(try failure(good, .name("b")) == "data.jsonl, line 1: no field \"b\"")
    #expect(try message("{}") == "data.jsonl, line 2: no field \"a\"")
    #expect(try message("") == "data.jsonl, line 2: empty")
    #expect(
      try message("{\"a\": 5}") == "data.jsonl, line 2: field \"a\" is a number, not a string")
    #expect(try message("{\"a\": null}") == "data.jsonl, line 2: field \"a\" is null, not a string")
    #expect(
      try message("{\"a\": \"x\", \"a\": \"y\"}")
        == "data.jsonl, line 2: field \"a\" is there twice")
    #expect(
      try message("\"x\"")
        == "data.jsonl, line 2: byte offset 0: a string, not an object or an array")
    #expect(
      try message("{\"a\": \"x\"") == "data.jsonl, line 2: byte offset 9: \",\" or \"}\" is missing"
    )
    #expect(
      try message("{\"a\": \"x\"} {") == "data.jsonl, line 2: byte offset 11: text after the value")
  }
}

@Suite struct JSONValueTests {
  @Test func writesWhatOthersRead() throws {
    let text =
      String(String.UnicodeScalarView((0..<0x250).compactMap(Unicode.Scalar.init))) + "\\\"中🙂"
    let value = JSONValue.object([
      ("text \"\n", .string(text)), ("ints", .ints([1, -2])), ("empty", .array([])),
      ("floats", .floats([0.1, -1.5e-8, .greatestFiniteMagnitude, -0.0, .leastNonzeroMagnitude])),
      ("odd", .floats([.nan, .infinity])), ("flag", .bool(true)), ("none", .null),
      ("double", .double(1e300)), ("float", .float(0.25)), ("int", .int(.min)),
    ])
    let line = value.line
    #expect(line.last == 0x0A)
    #expect(!line.dropLast().contains { $0 < 0x20 })
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any])
    #expect(object.count == 10)
    #expect(object["text \"\n"] as? String == text)
    #expect(object["ints"] as? [Int] == [1, -2])
    let floats = try #require(object["floats"] as? [Double]).map(Float.init)
    #expect(
      floats == [0.1, -1.5e-8, .greatestFiniteMagnitude, -0.0, .leastNonzeroMagnitude])
    #expect((object["odd"] as? [NSNull])?.count == 2)
    #expect(object["int"] as? Int == .min)
  }

  @Test func keepsTheOrderOfKeys() {
    let line = JSONValue.object([("b", .int(1)), ("a", .strings(["x"]))]).line
    #expect(String(decoding: line, as: UTF8.self) == "{\"b\":1,\"a\":[\"x\"]}\n")
  }

  @Test func writesFloatsThatReadBackTheSame() {
    var random = FixedRandom(seed: 11)
    for _ in 0..<20_000 {
      let value = Float(bitPattern: UInt32.random(in: .min ... .max, using: &random))
      guard value.isFinite else { continue }
      var bytes: [UInt8] = []
      JSONValue.float(value).append(to: &bytes)
      #expect(Float(String(decoding: bytes, as: UTF8.self))?.bitPattern == value.bitPattern)
    }
  }
}
