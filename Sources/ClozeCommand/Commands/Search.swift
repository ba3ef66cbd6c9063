import ArgumentParser
import Cloze
import ClozeIO

struct Search: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Find the texts of a file that are nearest to a query.",
    discussion: """
      Prints cosine and text, best first; with several queries, the query before them. The texts' vectors are \
      made at the first search and kept beside the file; later searches use them.

        cloze search --texts notes.txt "how to restart the server"
        cloze search --texts faq.csv --texts-field question --top-k 3 --json < questions.txt
        cloze search --texts notes.txt --vectors notes.npy "how to restart the server"
      """)

  @Option(
    help: ArgumentHelp(
      "The texts to search: a file with one per line, or .jsonl, .json, .tsv or .csv with --texts-field.",
      valueName: "file"))
  var texts: String

  @Option(help: ArgumentHelp("The field of --texts with the text, its name or number.", valueName: "field"))
  var textsField: String?

  @Option(
    help: ArgumentHelp(
      "The texts' vectors, as `cloze embed --output` writes them; made if there is no such file (default: the name of "
        + "--texts with .npy behind it).", valueName: "file.npy"))
  var vectors: String?

  @OptionGroup(title: "Queries") var input: InputOptions

  @Option(help: ArgumentHelp("Number of texts for each query.", valueName: "n")) var topK = 10

  @Flag(help: "Print one JSON object per text found.") var json = false

  @OptionGroup(title: "Length") var length: LengthOptions
  @OptionGroup(title: "Model") var modelOptions: ModelOptions

  func validate() throws {
    guard topK >= 1 else { throw ValidationError("--top-k \(topK): must be 1 or more") }
    if input.pair != nil { throw ValidationError("--pair does not apply: a query is one text") }
    try checkSource(texts, field: textsField, name: "--texts-field", vectors: vectors)
  }

  func run() throws {
    let run = TextRun(try input.open())
    let session = try modelOptions.makeSession()
    let source = SearchSource(path: texts, field: textsField, vectors: vectors, length: length)
    let searched = try SearchedTexts(
      source, session: session, precision: .float32, inputs: input.files + modelOptions.files(modelOptions.model))
    let embedding = EmbeddingOptions(normalize: true, prompt: session.model.info.prompts.queryName)
    // Decided before the first result: a single query needs no heading.
    let isAlone = input.texts.count == 1
    try run.forEachBatch(of: 64) { batch in
      let queries = try run.locating(batch) { try session.embed($0, text: length.textOptions, embedding: embedding) }
      let found = try searched.index.search(queries.values, topK: min(topK, searched.texts.count))
      for (number, query) in batch.enumerated() where number < queries.count {
        run.add(truncated: queries.truncated[number])
        for neighbor in found[number] {
          let text = searched.texts[neighbor.index]
          if json {
            try run.output.write(
              JSONWriter.line {
                $0.value("query", query.text.first)
                $0.value("index", neighbor.index)
                $0.value("line", searched.texts.number(neighbor.index))
                $0.value("text", text)
                $0.value("score", neighbor.score)
                $0.value("truncated", queries.truncated[number])
              })
          } else {
            let heading = isAlone ? "" : query.text.first + "\t"
            try run.output.write("\(heading)\(fixed(Double(neighbor.score), digits: 4))\t\(text)\n")
          }
        }
      }
    }
    run.reportTruncation(limit: length.maxTokens ?? session.model.info.maxTokens)
  }
}

/// Checks what names texts to search.
func checkSource(_ path: String, field: String?, name: String, vectors: String?) throws {
  if path.isEmpty || path == "-" { throw ValidationError("the texts to search are in a file, not \"\(path)\"") }
  if let field, DataField(field) == nil {
    throw ValidationError("\(name) \(field.isEmpty ? "is empty" : field): a field has a name, or a number from 1")
  }
  if let vectors, vectors.isEmpty { throw ValidationError("--vectors is empty") }
}
