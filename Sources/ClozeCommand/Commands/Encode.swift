import ArgumentParser
import Cloze
import ClozeIO

struct Encode: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compute the hidden state of each token, its contextual vector.",
    discussion: """
      Prints one line per token: the token, its byte range in the text, and its vector; an empty \
      line between texts.

        cloze encode "The bank of the river"
        cloze encode --layer 0 --json < texts.txt
      """)

  @OptionGroup(title: "Input") var input: InputOptions

  @Flag(help: "Take arguments two by two, as pairs of texts.") var pairArguments = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Layer of the vectors: 0 for the embeddings, 1 for the first layer, -1 for the last.", valueName: "n"))
  var layer = -1

  @Flag(help: "Print one JSON object per text.") var json = false

  @OptionGroup(title: "Length") var length: LengthOptions
  @OptionGroup(title: "Model") var modelOptions: ModelOptions

  /// Texts per batch. The vectors of all their tokens are in memory at once.
  private static let batchSize = 16

  func run() throws {
    let run = TextRun(try input.open(argumentsArePairs: pairArguments))
    let session = try modelOptions.makeSession()
    let model = session.model
    let tokenizer = try modelOptions.tokenizer(of: model)
    let width = model.info.hiddenSize
    var isFirst = true
    try run.forEachBatch(of: Self.batchSize) { batch in
      let results = try run.locating(batch) { try session.encode($0, text: length.textOptions, layers: [layer]) }
      for (text, result) in zip(batch, results) {
        run.add(truncated: result.truncated)
        let tokenized = TokenizedText(text.text, result.encoding, tokenizer: tokenizer)
        let vectors = (0..<result.tokens).map { result.values[($0 * width)..<(($0 + 1) * width)] }
        if json {
          try run.writeObject(text, truncated: result.truncated) {
            tokenized.write(to: &$0)
            $0.array("vectors") { for vector in vectors { $0.array(nil, vector) } }
          }
        } else {
          try run.output.write((isFirst ? "" : "\n") + table(tokenized, vectors))
        }
        isFirst = false
      }
    }
    run.reportTruncation(limit: length.maxTokens ?? model.info.maxTokens)
  }

  private func table(_ text: TokenizedText, _ vectors: [ArraySlice<Float>]) -> String {
    var table = Table(alignments: [.left, .right, .left])
    for (index, vector) in zip(text.tokens.indices, vectors) {
      table.add([text.tokens[index], text.position(index), numbers(vector)])
    }
    return table.rendered()
  }
}
