import ArgumentParser
import Cloze

struct Embed: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Turn texts into vectors, one for each.",
    discussion: """
      Prints one line of numbers a text, or writes a NumPy file with one row a text. Texts may \
      be as many as a file holds: memory does not grow with them, and the file appears under its \
      name when it is complete.

        cloze embed "A text" "Another one"
        cloze embed --input texts.txt --output vectors.npy
        cloze embed --input pairs.csv --text question --pair answer --json
      """)

  @OptionGroup(title: "Input") var input: InputOptions

  @Flag(help: "Two arguments make one text, a pair.")
  var pairArguments = false

  @Option(
    help:
      "How the vectors of a text's tokens become one (default: what the model's files say, else mean)."
  )
  var pooling: PoolingName?

  @Flag(
    inversion: .prefixedNo,
    help: "Bring every vector to length 1 (default: what the model's files say, else yes).")
  var normalize: Bool?

  @Option(
    help: ArgumentHelp("Keep the first n numbers of a vector, then normalize.", valueName: "n"))
  var dimensions: Int?

  @Option(
    name: [.short, .long],
    help: ArgumentHelp("Write a NumPy array, a row a text, to this file.", valueName: "file.npy"))
  var output: String?

  @Option(help: "How --output stores numbers (default: float32).")
  var dtype: NPYWriter.ElementType?

  @Flag(help: "Print one JSON object a text.")
  var json = false

  @OptionGroup(title: "Length") var length: LengthOptions
  @OptionGroup(title: "Model") var modelOptions: ModelOptions

  func validate() throws {
    if let dimensions, dimensions < 1 {
      throw ValidationError("--dimensions \(dimensions): must be 1 or more")
    }
    if json, output != nil { throw ValidationError("--json does not go with --output") }
    if dtype != nil, output == nil { throw ValidationError("--dtype is for --output") }
    if let output, output.isEmpty { throw ValidationError("--output is empty") }
  }

  func run() throws {
    var source = try input.source(argumentsArePairs: pairArguments)
    // Before the work, so that a place that can't be written to is noticed now.
    let file = try output.map { path throws(WorkFailure) in try AtomicFile(path: path) }
    let session = try modelOptions.makeSession()
    let info = session.model.info
    let embedding = EmbeddingOptions(
      pooling: pooling?.value, normalize: normalize, dimensions: dimensions)
    let size = pooling == nil ? info.embeddingSize : info.hiddenSize
    if let dimensions, dimensions > size {
      throw ValidationError("--dimensions \(dimensions): the model's vectors have \(size)")
    }
    let printer = ByteWriter.standardOutput()
    let npy = try file.map { file throws(WorkFailure) in
      try NPYWriter(
        file, columns: dimensions ?? size, elementType: dtype ?? .float32)
    }

    var progress = Progress(
      total: source.file?.size, hasOwnScreen: npy != nil || !ByteWriter.standardOutputIsTerminal)
    defer { progress.clear() }
    var count = TruncationCount()
    while true {
      let batch = try source.batch()
      if batch.isEmpty { break }
      let embeddings = try withPlaces(batch, in: source) {
        try session.embed($0, text: length.textOptions, embedding: embedding)
      }
      for isTruncated in embeddings.truncated { count.add(isTruncated) }
      if let npy {
        try npy.append(rows: embeddings.values)
      } else {
        try print(embeddings, of: batch, to: printer)
        try printer.flush()
      }
      progress.show(texts: count.texts, bytes: source.bytesConsumed)
    }
    try npy?.finish()
    progress.clear()
    count.report(limit: length.maxTokens ?? info.maxTokens)
  }

  private func print(
    _ embeddings: Embeddings, of batch: [NumberedText], to printer: ByteWriter
  ) throws {
    for (index, text) in batch.enumerated() where index < embeddings.count {
      let vector = embeddings[index]
      if json {
        let isTruncated = JSONValue.bool(embeddings.truncated[index])
        let members =
          JSONValue.members(of: text)
          + [("embedding", .floats(vector)), ("truncated", isTruncated)]
        try printer.write(JSONValue.object(members).line)
      } else {
        try printer.write(numbers(vector) + "\n")
      }
    }
  }
}

/// Numbers with a blank between them, each as short as it can be and still read back as the same
/// float.
func numbers(_ values: ArraySlice<Float>) -> String {
  var text = ""
  for value in values {
    if !text.isEmpty { text += " " }
    text += value.description
  }
  return text
}

extension NPYWriter.ElementType: ExpressibleByArgument {}
