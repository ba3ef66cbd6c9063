import Testing

@testable import ClozeIO

/// The reader of JSON, whose inputs come from strangers.
@Suite struct JSONParserTests {
  /// Whether a text is JSON, as a tree and when skipped.
  private func isJSON(_ text: String) -> Bool {
    func succeeds(_ read: (inout JSONParser) throws(ClozeError) -> Void) -> Bool {
      do throws(ClozeError) {
        var parser = try JSONParser(Array(text.utf8), name: "t")
        try read(&parser)
        return true
      } catch {
        #expect(error.cause == .damaged)
        let offset = error.message.split(separator: " ").last.flatMap { Int($0) } ?? -1
        #expect((0...text.utf8.count).contains(offset), "\(error.message)")
        return false
      }
    }
    let isTree = succeeds { (parser) throws(ClozeError) in _ = try parser.document() }
    let isSkipped = succeeds { (parser) throws(ClozeError) in
      try parser.skip()
      try parser.end()
    }
    #expect(isTree == isSkipped)
    return isTree
  }

  @Test(arguments: [
    "0", "-0", "1", "-12.50", "1e5", "1E-05", "0.1e+9", "true", "false", "null", "\"\"",
    "\"a\\n\\u00e9\\ud83d\\ude00\\/\"", "[]", "[ ]", "{}", " { \"a\" : [ 1 , {\"b\":null} ] } ", "[[[]],{}]",
    "\"\u{7F}\"", "{\"\":0}", "\t\r\n1\n",
  ]) func accepts(_ text: String) { #expect(isJSON(text)) }

  @Test(arguments: [
    "", " ", "01", "-", "+1", ".5", "1.", "1e", "1e+", "0x1", "NaN", "Infinity", "tru", "True", "nullx", "'a'", "\"",
    "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\ud83d\"", "\"\\ude00\"", "\"\\ud83d\\u0041\"",
    "\"\\ud83d\\ud83d\"", "\"a\nb\"", "[", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "{", "{\"a\"", "{\"a\":", "{\"a\":1",
    "{\"a\":1,}", "{a:1}", "{1:1}", "{\"a\" 1}", "{\"a\":1 \"b\":2}", "1 2", "[]]", "//1", "[1}", "{\"a\":1]",
  ]) func refuses(_ text: String) { #expect(!isJSON(text)) }

  @Test func readsStrings() throws {
    var parser = try JSONParser(Array(#""\"\\\/\b\f\n\r\t\u0000\u00E9\u4e2d\ud83d\ude00中🙂""#.utf8), name: "t")
    #expect(try parser.string().string == "\"\\/\u{8}\u{C}\n\r\t\u{0}é中😀中🙂")
    try parser.end()
  }

  @Test func endsOnDeepNesting() {
    let depth = 200_000
    #expect(!isJSON(String(repeating: "[", count: depth)))
    #expect(!isJSON(String(repeating: "{\"a\":", count: depth)))
    let bound = JSONParser.maximumDepth
    #expect(bound == 256)
    #expect(isJSON(String(repeating: "[", count: bound) + String(repeating: "]", count: bound)))
    #expect(!isJSON(String(repeating: "[", count: bound + 1) + String(repeating: "]", count: bound + 1)))
    // Containers side by side are not deep.
    #expect(isJSON("[" + String(repeating: "[{}],", count: 1000) + "0]"))
  }

  @Test func refusesEveryBeginningOfAValue() {
    let text = #"{"a": [1.5e3, "b\u00e9\ud83d\ude00", {"c": null}], "d": true}"#
    #expect(isJSON(text))
    for count in 0..<text.utf8.count { #expect(!isJSON(String(decoding: text.utf8.prefix(count), as: UTF8.self))) }
  }

  @Test func refusesWhatIsNotUTF8() {
    let error = #expect(throws: ClozeError.self) { try JSONParser([0x22, 0xFF, 0x22], name: "t") }
    #expect(error?.message == "t: not valid UTF-8 at byte 1")
  }

  @Test func readsWhatIsWanted() throws {
    var parser = try JSONParser(Array(#" {"a" : [1, {"b": 2}], "cA" : "x", "d" : [ 5 , -1.5e3 ] } "#.utf8), name: "t")
    var keys: [String] = []
    var numbers: [String] = []
    try parser.object { (key, parser) throws(ClozeError) in
      keys.append(key.string)
      guard key.string == "d" else { return try parser.skip() }
      try parser.array { (parser) throws(ClozeError) in numbers.append(try parser.number().string) }
    }
    try parser.end()
    #expect(keys == ["a", "cA", "d"])
    #expect(numbers == ["5", "-1.5e3"])
  }

  @Test func namesTheTypeThatWasExpected() throws {
    func message(_ text: String, _ read: (inout JSONParser) throws(ClozeError) -> Void) throws -> String? {
      var parser = try JSONParser(Array(text.utf8), name: "t")
      do throws(ClozeError) {
        try read(&parser)
        return nil
      } catch { return error.message }
    }
    #expect(try message(" 1") { (p) throws(ClozeError) in _ = try p.string() } == "t: a string was expected at byte 1")
    #expect(try message("[]") { (p) throws(ClozeError) in _ = try p.number() } == "t: a malformed number at byte 0")
    #expect(
      try message("[]") { (p) throws(ClozeError) in try p.object { (_, p) throws(ClozeError) in try p.skip() } }
        == "t: '{' was expected at byte 0")
  }
}
