import ArgumentParser
import Cloze
import ClozeIO
import ClozeTokenizer

struct Tokenize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show the tokens of texts.",
    discussion: """
      Prints one line per token: the token, its id, its type id (0 in the first text, 1 in the \
      second), and its byte range in the text.

        cloze tokenize "Embeddings of text"
        cloze tokenize --pair-arguments "How old are you?" "I am six."
        cloze tokenize --tokenizer vocab.txt --json < texts.txt
      """)

  @OptionGroup(title: "Input") var input: InputOptions

  @Flag(help: "Take arguments two by two, as pairs of texts.") var pairArguments = false

  @Flag(help: "Print one JSON object per text.") var json = false

  @Option(help: ArgumentHelp("Maximum tokens of a text, [CLS] and [SEP] included (default: no limit).", valueName: "n"))
  var maxTokens: Int?

  @Option(help: "How longer texts are truncated; error refuses them.") var truncation: Truncation = .longestFirst

  @OptionGroup(title: "Model") var modelOptions: ModelOptions

  func validate() throws {
    if let maxTokens, maxTokens < 1 { throw ValidationError("--max-tokens \(maxTokens): must be 1 or more") }
  }

  func run() throws {
    let run = TextRun(try input.open(argumentsArePairs: pairArguments))
    let tokenizer = try modelOptions.loadTokenizer()
    var isFirst = true
    try run.forEachBatch { batch in
      let encodings = try run.locating(batch) { texts in
        try texts.map { try tokenizer.encode($0.first, pair: $0.second, maxTokens: maxTokens, truncation: truncation) }
      }
      for (text, encoding) in zip(batch, encodings) {
        let tokenized = TokenizedText(text.text, encoding, tokenizer: tokenizer)
        run.add(truncated: encoding.truncated)
        if json {
          try run.writeObject(text, truncated: encoding.truncated) { tokenized.write(to: &$0) }
        } else {
          try run.output.write((isFirst ? "" : "\n") + table(tokenized))
        }
        isFirst = false
      }
    }
    run.reportTruncation(limit: maxTokens)
  }

  private func table(_ text: TokenizedText) -> String {
    var table = Table([("token", .left), ("id", .right), ("type", .right), ("bytes", .right)])
    for index in text.tokens.indices {
      let encoding = text.encoding
      table.add([
        text.tokens[index], encoding.ids[index].description, encoding.typeIDs[index].description, text.position(index),
      ])
    }
    return table.rendered()
  }
}
