import Cloze
import ClozeIO
import Testing

@testable import ClozeCommand

@Suite struct DelimitedReaderTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func read(
    _ content: String, _ text: DataField, _ pair: DataField? = nil, separator: String = ",", quotes: Bool = true,
    hasHeader: Bool = false
  ) throws -> [NumberedText] {
    let path = try folder.write(content, to: "data.csv")
    var reader = DelimitedReader(
      LineReader(try SequentialFile(path: path), chunk: 16), separator: separator, quotes: quotes,
      wanted: WantedFields(text: text, pair: pair), hasHeader: hasHeader)
    var texts: [NumberedText] = []
    while let text = try reader.next() { texts.append(text) }
    return texts
  }

  private func failure(_ content: String, _ text: DataField, _ pair: DataField? = nil, quotes: Bool = true) throws
    -> String?
  {
    do {
      _ = try read(content, text, pair, quotes: quotes)
      return nil
    } catch let error as ClozeError { return error.message.replacing(folder.path + "/", with: "") }
  }

  private func text(_ number: Int, _ first: String, _ second: String? = nil) -> NumberedText {
    NumberedText(text: Text(first, second), number: number)
  }

  @Test func findsFieldsByNameAndByNumber() throws {
    let content = "id,first,second\r\n1,one,two\r\n2,,\r\n"
    let expected = [text(2, "one", "two"), text(3, "", "")]
    #expect(try read(content, .name("first"), .name("second")) == expected)
    #expect(try read(content, .name("first"), .number(3)) == expected)
    #expect(try read(content, .number(2), .number(3), hasHeader: true) == expected)
    #expect(
      try read(content, .number(2), .number(1)) == [text(1, "first", "id"), text(2, "one", "1"), text(3, "", "2")])
  }

  @Test func readsQuotedFields() throws {
    let content = #"""
      a,"b, c",d
      "say ""hi""","",x
      "two
      lines","",x
      5" disk,it's "so",
      """#
    #expect(
      try read(content, .number(1), .number(2)) == [
        text(1, "a", "b, c"), text(2, "say \"hi\"", ""), text(3, "two\nlines", ""), text(5, "5\" disk", "it's \"so\""),
      ])
    // The line end in a quoted field stays as it is.
    #expect(try read("\"a\r\nb\"\r\n", .number(1)) == [text(1, "a\r\nb")])
    #expect(try read("\"a\n\nb\"", .number(1)) == [text(1, "a\n\nb")])
    #expect(try read("\"\"\"\"", .number(1)) == [text(1, "\"")])
  }

  @Test func takesQuotesAsTextWhereAsked() throws {
    #expect(try read("\"a,b\"\n\"c", .number(1), quotes: false) == [text(1, "\"a"), text(2, "\"c")])
  }

  @Test func splitsAtLongSeparators() throws {
    #expect(
      try read("7||一个||二|个||5\n8|||a|||b\n", .number(2), .number(3), separator: "||") == [
        text(1, "一个", "二|个"), text(2, "|a", "|b"),
      ])
    #expect(try read("\"a||b\"||c", .number(1), .number(2), separator: "||") == [text(1, "a||b", "c")])
    #expect(try read("a\t\tb\n", .number(2), .number(3), separator: "\t") == [text(1, "", "b")])
  }

  @Test func allowsRowsOfDifferentLengthWithoutHeader() throws {
    #expect(try read("a,b\nc,d,e\nf\n", .number(1)).map(\.text.first) == ["a", "c", "f"])
  }

  @Test func namesWhatIsWrongAndWhere() throws {
    #expect(try failure("a,b\n1,2\n", .name("c")) == "data.csv, line 1: no field \"c\" in the header: \"a\", \"b\"")
    #expect(
      try failure("a,a\n1,2\n", .name("a")) == "data.csv, line 1: 2 fields are named \"a\": give the field's number")
    #expect(try failure("", .name("a")) == "data.csv is empty: no header with a field \"a\"")
    #expect(try failure("a,b\n1,2\n1,2,3\n", .name("a")) == "data.csv, line 3: 3 fields where the header has 2")
    #expect(
      try failure("a,b\n1,2\n1\n", .name("a"))
        == "data.csv, line 3: 1 field where the header has 2 (--no-quotes reads quotes as text)")
    #expect(try failure("a,b\n\nc,d", .number(2)) == "data.csv, line 2: 1 field, field 2 was asked for")
    #expect(
      try failure("a,\"b\"c\n", .number(1))
        == "data.csv, line 1: byte offset 5: text after the closing quote of a field "
        + "(--no-quotes reads quotes as text)")
    #expect(
      try failure("a\n\"b\nc\n", .number(1))
        == "data.csv, line 2: a quoted field does not end (--no-quotes reads quotes as text)")
    #expect(try failure("", .number(1)) == nil)
  }

  @Test func readsBackWhatWasQuoted() throws {
    var random = FixedRandom(seed: 3)
    let pieces = ["\"", ",", "\n", "\r\n", "a", "中", " ", "\"\""]
    for _ in 0..<200 {
      let fields = (0..<4).map { _ in
        (0..<Int.random(in: 0...6, using: &random)).map { _ in pieces.randomElement(using: &random)! }.joined()
      }
      let record = fields.map { "\"" + $0.replacing("\"", with: "\"\"") + "\"" }
      let content = record[0] + "," + record[1] + "\n" + record[2] + "," + record[3]
      let texts = try read(content, .number(1), .number(2))
      #expect(texts.map(\.text) == [Text(fields[0], fields[1]), Text(fields[2], fields[3])])
    }
  }
}
