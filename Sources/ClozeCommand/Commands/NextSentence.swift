import ArgumentParser
import Cloze

struct NextSentenceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "next-sentence",
    abstract: "Say how likely it is that one text follows another.",
    discussion: """
      Prints the probability for every pair: two arguments, two fields of a file, or two texts \
      with a tab between them on a line of standard input.

        cloze next-sentence "He was born in London." "His father was a doctor there."
        cloze next-sentence --input pairs.csv --text first --pair second
      """)

  @OptionGroup(title: "Input") var input: InputOptions

  @Flag(help: "Print one JSON object a pair.")
  var json = false

  @OptionGroup(title: "Length") var length: LengthOptions
  @OptionGroup(title: "Model") var modelOptions: ModelOptions

  func validate() throws {
    if !input.texts.isEmpty, input.texts.count != 2 {
      throw ValidationError("a pair is two arguments, but \(input.texts.count) were given")
    }
  }

  func run() throws {
    var source = try input.source(argumentsArePairs: true, needsPairs: true)
    let session = try modelOptions.makeSession()
    let printer = ByteWriter.standardOutput()
    var progress = Progress(
      total: source.file?.size, hasOwnScreen: !ByteWriter.standardOutputIsTerminal)
    defer { progress.clear() }
    var count = TruncationCount()
    while true {
      let batch = try source.batch(count: 256)
      if batch.isEmpty { break }
      let results = try withPlaces(batch, in: source) {
        try session.nextSentence($0, text: length.textOptions)
      }
      for (text, result) in zip(batch, results) {
        count.add(result.truncated)
        if json {
          let members =
            JSONValue.members(of: text) + [
              ("probability", .float(result.probability)), ("truncated", .bool(result.truncated)),
            ]
          try printer.write(JSONValue.object(members).line)
        } else {
          try printer.write(probability(result.probability) + "\n")
        }
      }
      try printer.flush()
      progress.show(texts: count.texts, bytes: source.bytesConsumed)
    }
    progress.clear()
    count.report(limit: length.maxTokens ?? session.model.info.maxTokens)
  }
}
