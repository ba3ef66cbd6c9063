import ArgumentParser
import Cloze
import ClozeIO

struct NextSentenceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "next-sentence", abstract: "Compute the probability that one text follows another.",
    discussion: """
      Prints one probability per pair. A pair is two arguments, two fields of a file, or two texts \
      with a tab between them on a line of standard input.

        cloze next-sentence "He was born in London." "His father was a doctor there."
        cloze next-sentence --input pairs.csv --text first --pair second
      """)

  @OptionGroup(title: "Input") var input: InputOptions

  @Flag(help: "Print one JSON object per pair.") var json = false

  @OptionGroup(title: "Length") var length: LengthOptions
  @OptionGroup(title: "Model") var modelOptions: ModelOptions

  func validate() throws {
    if !input.texts.isEmpty, input.texts.count != 2 {
      throw ValidationError("a pair is two arguments, but \(input.texts.count) were given")
    }
  }

  func run() throws {
    let run = TextRun(try input.open(argumentsArePairs: true, needsPairs: true))
    let session = try modelOptions.makeSession()
    try run.forEachBatch(of: 256) { batch in
      let results = try run.locating(batch) { try session.nextSentence($0, text: length.textOptions) }
      for (text, result) in zip(batch, results) {
        run.add(truncated: result.truncated)
        if json {
          try run.writeObject(text, truncated: result.truncated) { $0.value("probability", result.probability) }
        } else {
          try run.output.write(probability(result.probability) + "\n")
        }
      }
    }
    run.reportTruncation(limit: length.maxTokens ?? session.model.info.maxTokens)
  }
}
