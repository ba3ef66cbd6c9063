import ArgumentParser
import Cloze

struct Encode: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Turn every token of texts into a vector that knows its context.",
    discussion: """
      A line a token: the token, the bytes of the text that it stands for, and its vector; an \
      empty line between texts.

        cloze encode "The bank of the river"
        cloze encode --layer 0 --json < texts.txt
      """)

  @OptionGroup(title: "Input") var input: InputOptions

  @Flag(help: "Two arguments make one text, a pair.")
  var pairArguments = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Which layer's vectors: 0 is the sum of the embeddings, 1 the first layer, -1 the last.",
      valueName: "n"))
  var layer = -1

  @Flag(help: "Print one JSON object a text.")
  var json = false

  @OptionGroup(title: "Length") var length: LengthOptions
  @OptionGroup(title: "Model") var modelOptions: ModelOptions

  /// Texts that are run together: their vectors are all in memory, several hundred for each.
  private static let batchSize = 16

  func run() throws {
    var source = try input.source(argumentsArePairs: pairArguments)
    let session = try modelOptions.makeSession()
    let model = session.model
    guard let tokenizer = model.tokenizer else {
      throw WorkFailure("the model came without a tokenizer: give one with --tokenizer PATH")
    }
    let printer = ByteWriter.standardOutput()
    var count = TruncationCount()
    var isFirst = true
    while true {
      let batch = try source.batch(count: Self.batchSize)
      if batch.isEmpty { break }
      let results = try withPlaces(batch, in: source) {
        try session.encode($0, text: length.textOptions, layers: [layer])
      }
      for (text, result) in zip(batch, results) {
        count.add(result.truncated)
        let tokenized = TokenizedText(result.encoding, tokenizer: tokenizer)
        let vectors = rows(of: result, width: model.info.hiddenSize)
        if json {
          let members =
            JSONValue.members(of: text) + tokenized.members + [
              ("vectors", .array(vectors.map(JSONValue.floats))),
              ("truncated", .bool(result.truncated)),
            ]
          try printer.write(JSONValue.object(members).line)
        } else {
          try printer.write((isFirst ? "" : "\n") + table(tokenized, vectors))
        }
        isFirst = false
      }
      try printer.flush()
    }
    count.report(limit: length.maxTokens ?? model.info.maxTokens)
  }

  private func rows(of result: Encoded, width: Int) -> [ArraySlice<Float>] {
    (0..<result.tokens).map { result.values[($0 * width)..<(($0 + 1) * width)] }
  }

  private func table(_ text: TokenizedText, _ vectors: [ArraySlice<Float>]) -> String {
    var table = Table(alignments: [.left, .right, .left])
    for (index, vector) in zip(text.tokens.indices, vectors) {
      table.add([text.tokens[index], text.position(index), numbers(vector)])
    }
    return table.rendered()
  }
}
