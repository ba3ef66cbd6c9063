import ClozeIO
import Testing

@testable import ClozeCommand

@Suite struct LineReaderTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func lines(_ content: [UInt8], chunk: Int = 1 << 18, maximumLength: Int = 1 << 20) throws -> [String] {
    let path = try folder.write(content, to: "texts.txt")
    var reader = LineReader(try SequentialFile(path: path), maximumLength: maximumLength, chunk: chunk)
    var lines: [String] = []
    while let line = try reader.next() {
      #expect(line.number == lines.count + 1)
      lines.append(line.text)
    }
    #expect(try reader.next() == nil)
    return lines
  }

  private func lines(_ content: String) throws -> [String] { try lines(Array(content.utf8)) }

  private func failure(_ content: [UInt8], maximumLength: Int = 1 << 20) throws -> String? {
    do {
      _ = try lines(content, maximumLength: maximumLength)
      return nil
    } catch let error as ClozeError { return error.message.replacing(folder.path + "/", with: "") }
  }

  @Test func splitsAtLineEnds() throws {
    #expect(try lines("") == [])
    #expect(try lines("\n") == [""])
    #expect(try lines("a") == ["a"])
    #expect(try lines("a\n") == ["a"])
    #expect(try lines("a\n\nb") == ["a", "", "b"])
    #expect(try lines("a\r\nb\r\n\r\n") == ["a", "b", ""])
    // A return that no line feed follows is text.
    #expect(try lines("a\rb\n") == ["a\rb"])
    #expect(try lines("a\u{0}b\n") == ["a\u{0}b"])
  }

  @Test func skipsAByteOrderMarkAtTheStartOnly() throws {
    #expect(try lines("\u{FEFF}a\n\u{FEFF}b") == ["a", "\u{FEFF}b"])
    #expect(try lines("\u{FEFF}\na") == ["", "a"])
    #expect(try lines("\u{FEFF}") == [])
  }

  @Test func givesTheSameLinesForEveryChunk() throws {
    var random = FixedRandom(seed: 7)
    let pieces = ["a", "é", "中", "🙂", "\n", "\r\n", "", "word ", "\r"]
    let content = (0..<2000).map { _ in pieces.randomElement(using: &random)! }.joined()
    let expected = try lines(content)
    #expect(expected.count > 200)
    for chunk in [16, 17, 31, 64, 1000] { #expect(try lines(Array(content.utf8), chunk: chunk) == expected) }
  }

  @Test func namesLineAndByteOfWhatIsNotUTF8() throws {
    #expect(
      try failure(Array("ab\ncd".utf8) + [0xFF, 0x0A]) == "texts.txt, line 2: not UTF-8 at byte offset 2 of the line")
    // A sequence that the line's end cuts off.
    #expect(try failure([0x61, 0xE4, 0xB8, 0x0A, 0xAD]) == "texts.txt, line 1: not UTF-8 at byte offset 1 of the line")
    // The offset counts the byte-order mark.
    #expect(try failure([0xEF, 0xBB, 0xBF, 0x61, 0x80]) == "texts.txt, line 1: not UTF-8 at byte offset 4 of the line")
  }

  @Test func refusesLinesThatAreTooLong() throws {
    let long = [UInt8](repeating: 0x61, count: 101)
    #expect(try failure(long, maximumLength: 101) == nil)
    #expect(try failure([0x61, 0x0A] + long, maximumLength: 100) == "texts.txt, line 2: longer than 100 bytes")
    #expect(
      try failure([0x61, 0x0A] + long + [0x0A, 0x61], maximumLength: 100) == "texts.txt, line 2: longer than 100 bytes")
  }

  @Test func namesFilesThatCannotBeRead() throws {
    let missing = folder.file("missing.txt")
    #expect(throws: ClozeError(.notFound, "cannot open \(missing): No such file or directory")) {
      try SequentialFile(path: missing)
    }
    var reader = LineReader(try SequentialFile(path: folder.path))
    #expect(throws: ClozeError(.io, "cannot read \(folder.path): Is a directory")) { try reader.next() }
  }
}
