import Testing

@testable import ClozeIO

/// Records of delimited text, and their fields.
@Suite struct DelimitedRecordTests {
  @Test func goesOnWhileAQuotedFieldIsOpen() throws {
    var record = DelimitedRecord(separator: Array(",".utf8), quotes: true)
    #expect(try record.append(Array("a,\"b".utf8)[...], ending: [0x0A]))
    #expect(record.fields.count == 1 && record.openCount == 2)
    #expect(try record.append([], ending: [0x0D, 0x0A]))
    #expect(try !record.append(Array("c\"\"\",".utf8)[...], ending: [0x0A]))
    #expect(record.fields == ["a", "b\n\r\nc\"", ""].map { Array($0.utf8) })
  }

  @Test func namesTextBehindAQuote() {
    let line = Array("xx,\"b\"c".utf8)
    var record = DelimitedRecord(separator: Array(",".utf8), quotes: true)
    let error = #expect(throws: ClozeError.self) { try record.append(line[1...], ending: []) }
    #expect(error?.message == "byte offset 5: text after the closing quote of a field")
    var plain = DelimitedRecord(separator: Array(",".utf8), quotes: false)
    #expect(throws: Never.self) { try plain.append(line[1...], ending: []) }
    #expect(plain.fields == ["x", "\"b\"c"].map { Array($0.utf8) })
  }

  @Test func findsFieldsInAHeader() throws {
    let header = ["a", "b", "a"].map { Array($0.utf8) }
    #expect(try DataField.name("b").index(in: header) == 1)
    #expect(try DataField.number(7).index(in: []) == 6)
    let missing = #expect(throws: ClozeError.self) { try DataField.name("c").index(in: header) }
    #expect(missing?.message == #"no field "c" in the header: "a", "b", "a""#)
    let twice = #expect(throws: ClozeError.self) { try DataField.name("a").index(in: header) }
    #expect(twice?.message == #"2 fields are named "a": give the field's number"#)
  }

  @Test func tellsNamesFromNumbers() {
    #expect(DataField("2") == .number(2))
    #expect(DataField("#1 String") == .name("#1 String"))
    #expect(DataField("-1") == .name("-1"))
    for bad in ["", "0", "00", "99999999999999999999"] { #expect(DataField(bad) == nil) }
  }
}
