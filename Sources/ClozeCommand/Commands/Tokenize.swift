import ArgumentParser
import Cloze
import ClozeTokenizer

struct Tokenize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show the tokens of texts.",
    discussion: """
      A line a token: the token, its id, its type id (0 in the first text, 1 in the second), and \
      the bytes of the text that it stands for.

        cloze tokenize "Embeddings of text"
        cloze tokenize --pair-arguments "How old are you?" "I am six."
        cloze tokenize --tokenizer vocab.txt --json < texts.txt
      """)

  @OptionGroup(title: "Input") var input: InputOptions

  @Flag(help: "Two arguments make one text, a pair.")
  var pairArguments = false

  @Flag(help: "Print one JSON object a text.")
  var json = false

  @Option(
    help: ArgumentHelp(
      "Most tokens of a text, [CLS] and [SEP] counted (default: no limit).", valueName: "n"))
  var maxTokens: Int?

  @Option(help: "What is cut where there are more; error cuts nothing and fails.")
  var truncation: Truncation = .longestFirst

  @OptionGroup(title: "Model") var modelOptions: ModelOptions

  func validate() throws {
    if let maxTokens, maxTokens < 1 {
      throw ValidationError("--max-tokens \(maxTokens): must be 1 or more")
    }
  }

  func run() throws {
    var source = try input.source(argumentsArePairs: pairArguments)
    let tokenizer = try modelOptions.loadTokenizer()
    let printer = ByteWriter.standardOutput()
    var count = TruncationCount()
    var isFirst = true
    while true {
      let batch = try source.batch()
      if batch.isEmpty { break }
      for text in batch {
        let tokenized: TokenizedText
        do {
          let encoding = try tokenizer.encode(
            text.text.first, pair: text.text.second, maxTokens: maxTokens, truncation: truncation)
          tokenized = TokenizedText(encoding, tokenizer: tokenizer)
        } catch {
          throw WorkFailure("\(source.place(of: text)): \(error.message)")
        }
        count.add(tokenized.encoding.truncated)
        if json {
          let isTruncated = JSONValue.bool(tokenized.encoding.truncated)
          let members = JSONValue.members(of: text) + tokenized.members
          try printer.write(JSONValue.object(members + [("truncated", isTruncated)]).line)
        } else {
          try printer.write((isFirst ? "" : "\n") + table(tokenized))
        }
        isFirst = false
      }
      try printer.flush()
    }
    count.report(limit: maxTokens)
  }

  private func table(_ text: TokenizedText) -> String {
    var table = Table([("token", .left), ("id", .right), ("type", .right), ("bytes", .right)])
    for index in text.tokens.indices {
      let encoding = text.encoding
      table.add([
        text.tokens[index], encoding.ids[index].description, encoding.typeIDs[index].description,
        text.position(index),
      ])
    }
    return table.rendered()
  }
}
