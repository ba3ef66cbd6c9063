import ArgumentParser
import Cloze
import ClozeIO

struct Similar: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Find near duplicates among the texts of a file.",
    discussion: """
      Prints cosine, both lines and both texts of every pair above a threshold, in the order of the file. Every text \
      is compared with every other. The texts' vectors are those that `cloze search` keeps beside the file.

        cloze similar notes.txt --above 0.9
        cloze similar faq.csv --text question --above 0.85 --json
      """)

  @Argument(
    help: ArgumentHelp(
      "A file with one text per line, or .jsonl, .json, .tsv or .csv with --text.", valueName: "file"))
  var texts: String

  @Option(help: ArgumentHelp("The field with the text: its name, or its number.", valueName: "field"))
  var text: String?

  @Option(
    parsing: .unconditional, help: ArgumentHelp("The cosine above which two texts are a pair.", valueName: "x"))
  var above: Float

  @Option(
    help: ArgumentHelp(
      "The texts' vectors, as `cloze embed --output` writes them; made if there is no such file (default: the file's "
        + "name with .npy behind it).", valueName: "file.npy"))
  var vectors: String?

  @Flag(help: "Print one JSON object per pair.") var json = false

  @OptionGroup(title: "Length") var length: LengthOptions
  @OptionGroup(title: "Model") var modelOptions: ModelOptions

  func validate() throws {
    guard (-1...1).contains(above) else { throw ValidationError("--above \(above): a cosine is from -1 to 1") }
    try checkSource(texts, field: text, name: "--text", vectors: vectors)
  }

  func run() throws {
    let session = try modelOptions.makeSession()
    let source = SearchSource(path: texts, field: text, vectors: vectors, length: length)
    let searched = try SearchedTexts(
      source, session: session, precision: .int8, inputs: modelOptions.files(modelOptions.model))
    let output = ByteWriter.standardOutput()
    let count = searched.texts.count
    var status = StatusLine(isShown: !ByteWriter.standardOutputIsTerminal)
    defer { status.clear() }
    for first in stride(from: 0, to: count, by: VectorIndex.scanQueries) {
      let rows = first..<min(first + VectorIndex.scanQueries, count)
      for pair in try searched.index.pairs(above: above, rows: rows) { try write(pair, searched.texts, to: output) }
      // The first rows have most of the pairs.
      let left = 1 - Double(rows.upperBound) / Double(count)
      let share = 1 - left * left
      status.show { clipped("\(StatusLine.bar(share, width: 30))  \(Int(share * 100)) %", to: max(1, $0 - 1)) }
    }
    try output.flush()
  }

  private func write(_ pair: NeighborPair, _ texts: TextList, to output: ByteWriter) throws {
    let rows = [pair.first, pair.second]
    guard json else {
      let fields = rows.map { String(texts.number($0)) } + rows.map { texts[$0] }
      return try output.write(([fixed(Double(pair.score), digits: 4)] + fields).joined(separator: "\t") + "\n")
    }
    try output.write(
      JSONWriter.line {
        $0.value("score", pair.score)
        for (name, row) in zip(["first", "second"], rows) {
          $0.object(name) {
            $0.value("index", row)
            $0.value("line", texts.number(row))
            $0.value("text", texts[row])
          }
        }
      })
  }
}
