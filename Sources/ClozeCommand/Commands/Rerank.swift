import ArgumentParser
import Cloze
import ClozeIO

struct Rerank: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Rank documents by their relevance to a query.",
    discussion: """
      Prints score and document, best first. Needs a model with a head that reads query and document \
      together: a cross-encoder with one output, or a classifier of two classes.

        cloze rerank --model ms-marco-MiniLM "capital of France" "Paris is the capital." "Cats sleep."
        cloze rerank --model ms-marco-MiniLM "capital of France" --input documents.txt --top-k 10 --json
      """)

  @Argument(help: "The query.") var query: String

  @OptionGroup(title: "Input") var input: InputOptions

  @Option(help: ArgumentHelp("Print only the n best documents (default: all).", valueName: "n")) var topK: Int?

  @Flag(help: "Print one JSON object per document.") var json = false

  @Option(help: ArgumentHelp("A head that `cloze train` wrote, in place of the model's own.", valueName: "folder"))
  var head: String?

  @OptionGroup(title: "Model") var modelOptions: ModelOptions

  func validate() throws {
    if let topK, topK < 1 { throw ValidationError("--top-k \(topK): must be 1 or more") }
    if input.pair != nil { throw ValidationError("--pair does not apply: every document is paired with the query") }
  }

  func run() throws {
    let run = TextRun(try input.open())
    let model = try modelOptions.loadModel(head: head)
    let session = try Session(model: model, threads: modelOptions.threads)
    var best: [(document: NumberedText, rank: RankedDocument, index: Int)] = []
    var first = 0
    try run.forEachBatch(of: 256) { batch in
      let ranked = try run.locating(batch) { try session.rerank(query, $0.map(\.first)) }
      for rank in ranked {
        run.add(truncated: rank.truncated)
        best.append((batch[rank.index], rank, first + rank.index))
      }
      first += batch.count
      best.sort { $0.rank.key > $1.rank.key || $0.rank.key == $1.rank.key && $0.index < $1.index }
      if let topK { best.removeLast(max(0, best.count - topK)) }
    }
    for (document, rank, index) in best {
      if json {
        try run.writeObject(document, truncated: rank.truncated) {
          $0.value("index", index)
          $0.value("score", rank.score)
        }
      } else {
        try run.output.write("\(rank.score)\t\(document.text.first)\n")
      }
    }
    try run.output.flush()
    run.reportTruncation(limit: model.predictionTokens)
  }
}
