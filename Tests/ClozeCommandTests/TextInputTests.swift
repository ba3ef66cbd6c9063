import Cloze
import ClozeIO
import Foundation
import Testing

@testable import ClozeCommand

@Suite struct TextInputTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func takesTextsInBatches() throws {
    let path = try folder.write((0..<2500).map { "\($0)\n" }.joined(), to: "texts.txt")
    var source = TextInput(PlainLines(lines: LineReader(try SequentialFile(path: path))))
    var sizes: [Int] = []
    var seen = 0
    while true {
      let batch = try source.batch()
      if batch.isEmpty { break }
      sizes.append(batch.count)
      for text in batch {
        #expect(text.text.first == "\(seen)")
        #expect(text.number == seen + 1)
        seen += 1
      }
    }
    #expect(sizes == [1024, 1024, 452])
    #expect(try source.batch().isEmpty)
  }

  @Test func keepsBatchesOfLongTextsSmall() throws {
    let long = String(repeating: "x", count: 1000)
    let path = try folder.write(String(repeating: long + "\n", count: 50), to: "texts.txt")
    var source = TextInput(PlainLines(lines: LineReader(try SequentialFile(path: path))))
    #expect(try source.batch(bytes: 10_000).count == 10)
    #expect(source.bytesConsumed == 10_010)
    #expect(source.file?.size == 50_050)
    #expect(try source.batch(bytes: 1).count == 1)
  }

  @Test func doesNotWaitForAFullBatch() throws {
    let pipe = Pipe()
    let file = SequentialFile(
      descriptor: pipe.fileHandleForReading.fileDescriptor, name: "pipe", closesDescriptor: false)
    var source = TextInput(PlainLines(lines: LineReader(file)))
    try pipe.fileHandleForWriting.write(contentsOf: Data("one\ntwo\n".utf8))
    #expect(try source.batch().map(\.text) == ["one", "two"])
    try pipe.fileHandleForWriting.write(contentsOf: Data("three".utf8))
    try pipe.fileHandleForWriting.close()
    #expect(try source.batch().map(\.text) == ["three"])
    #expect(try source.batch().isEmpty)
  }

  @Test func namesPlaces() throws {
    var arguments = TextInput(arguments: [Text("a", "b"), Text("c", "d")], perText: 2)
    let batch = try arguments.batch()
    #expect(batch.map(arguments.place) == ["argument 1", "argument 3"])
    let path = try folder.write("a\nb", to: "texts.txt")
    var lines = TextInput(PlainLines(lines: LineReader(try SequentialFile(path: path))))
    #expect(try lines.batch().map(lines.place) == ["\(path), line 1", "\(path), line 2"])
  }

  @Test func knowsFormatsByName() {
    let formats: [(String, InputFormat)] = [
      ("a.csv", .csv), ("a.TSV", .tsv), ("dir.csv/a.txt", .lines), ("a.b.jsonl", .jsonl), ("a.NDJSON", .jsonl),
      ("a.json", .json),
      ("csv", .lines),
      ("a.", .lines), ("-", .lines), ("a.lines", .lines), ("dir.csv/a", .lines),
    ]
    for (path, format) in formats { #expect(InputFormat(path: path) == format, "\(path)") }
  }
}
