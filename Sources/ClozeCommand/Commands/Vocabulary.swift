import ArgumentParser
import ClozeIO
import ClozeTraining

struct VocabularyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "vocabulary", abstract: "Learn a WordPiece vocabulary from text.",
    discussion: """
      Writes to the folder --output: vocab.txt, tokenizer.json and tokenizer_config.json, a tokenizer \
      as BERT's, which `cloze tokenize --tokenizer` and transformers load. Files are read once and \
      never held in memory.

        cloze vocabulary --data corpus.txt --size 8000 --output vocabulary
        cloze tokenize --tokenizer vocabulary "A text."
      """)

  @Option(
    name: [.short, .long], parsing: .upToNextOption,
    help: ArgumentHelp("Files of plain text; - is standard input.", valueName: "file")) var data: [String]

  @Option(help: ArgumentHelp("Number of pieces, special tokens included.", valueName: "n")) var size = 30_000

  @Option(name: [.short, .long], help: ArgumentHelp("The folder for the tokenizer.", valueName: "folder")) var output:
    String

  @Flag(inversion: .prefixedNo, help: "Whether text is lower-cased.") var lowercase = true

  @Flag(inversion: .prefixedNo, help: "Whether accents are removed (default: as --lowercase).") var stripAccents: Bool?

  @Option(help: ArgumentHelp("Make pieces of pairs that occur n times or more.", valueName: "n")) var minFrequency = 2

  @Option(
    help: ArgumentHelp("Most different characters; the rarest beyond are left out of the alphabet.", valueName: "n"))
  var limitAlphabet = 1000

  @Option(help: ArgumentHelp("Threads (default: as many as the process may use).", valueName: "n")) var threads: Int?

  @Flag(help: "Replace a tokenizer that is in --output already.") var overwrite = false

  @Flag(help: "Print the numbers as one JSON object.") var json = false

  func run() throws {
    let start = Clock.seconds()
    var options = VocabularyOptions()
    options.size = size
    options.lowercase = lowercase
    options.stripAccents = stripAccents
    options.minFrequency = minFrequency
    options.limitAlphabet = limitAlphabet
    options.threads = threads
    let trainer = try VocabularyTrainer(options: options)
    try WordPieceFiles.check(folder: output, overwrite: overwrite, inputs: data)
    var status = StatusLine()
    let vocabulary: LearnedVocabulary
    do {
      defer { status.clear() }
      vocabulary = try trainer.train(files: data) { progress in
        status.show { width in clipped(Self.line(progress), to: max(1, width - 1)) }
        return true
      }
    }
    try vocabulary.files.write(to: output, overwrite: overwrite, interruption: Interruption())
    for remark in vocabulary.remarks { StandardError.note(remark) }
    let seconds = ((Clock.seconds() - start) * 1000).rounded() / 1000
    let printer = ByteWriter.standardOutput()
    if json {
      try printer.write(
        JSONWriter.line {
          vocabulary.write(to: &$0)
          $0.value("seconds", seconds)
        })
    } else {
      try printer.write(
        "\(grouped(vocabulary.pieces.count)) pieces from \(grouped(vocabulary.words)) words, "
          + "\(grouped(vocabulary.distinctWords)) different ones of \(grouped(vocabulary.characters)) characters\n")
    }
    try printer.flush()
  }

  private static func line(_ progress: VocabularyProgress) -> String {
    switch progress {
    case .reading(let bytes): "reading  \(grouped(bytes >> 20)) MB"
    case .merging(let pieces, let size): "\(grouped(pieces)) of \(grouped(size)) pieces"
    }
  }
}
