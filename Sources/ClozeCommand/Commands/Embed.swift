import ArgumentParser
import Cloze
import ClozeIO

struct Embed: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compute an embedding vector for each text.",
    discussion: """
      Prints one vector per line, or writes a NumPy file with one row per text. Memory use does not \
      depend on the number of texts, and the file appears under its name when it is complete.

        cloze embed "A text" "Another one"
        cloze embed --input texts.txt --output vectors.npy
        cloze embed --input pairs.csv --text question --pair answer --json
        cloze embed --input texts.txt --output vectors.npy --dtype int8 --save-ranges ranges.npy
      """)

  @OptionGroup(title: "Input") var input: InputOptions

  @Flag(help: "Take arguments two by two, as pairs of texts.") var pairArguments = false

  @Option(help: "How token vectors are pooled (default: as the model's files say, else mean).") var pooling: Pooling?

  @Flag(inversion: .prefixedNo, help: "Normalize vectors to length 1 (default: as the model's files say, else yes).")
  var normalize: Bool?

  @Option(help: ArgumentHelp("Keep the first n dimensions, then normalize.", valueName: "n")) var dimensions: Int?

  @Option(
    help: ArgumentHelp(
      "Put a prompt of the model's files before each text (default: their default prompt, if any).", valueName: "name"))
  var prompt: String?

  @Flag(help: "Put no prompt before texts.") var noPrompt = false

  @Option(
    name: [.short, .long],
    help: ArgumentHelp("Write a NumPy array to this file, one row per text.", valueName: "file.npy")) var output:
    String?

  @Option(help: "Element type of --output (default: float32).") var dtype: NPYWriter.ElementType?

  @Option(
    help: ArgumentHelp(
      "For int8 and uint8: the lowest and highest value of each dimension, an array (2, E) (default: those of the "
        + "texts).",
      valueName: "file.npy"))
  var ranges: String?

  @Option(help: ArgumentHelp("Write the ranges to this file, for further texts and queries.", valueName: "file.npy"))
  var saveRanges: String?

  @Flag(help: "Print one JSON object per text.") var json = false

  @OptionGroup(title: "Length") var length: LengthOptions
  @OptionGroup(title: "Model") var modelOptions: ModelOptions

  func validate() throws {
    if let dimensions, dimensions < 1 { throw ValidationError("--dimensions \(dimensions): must be 1 or more") }
    if noPrompt, let prompt { throw ValidationError("--prompt \(prompt) cannot be combined with --no-prompt") }
    if json, output != nil { throw ValidationError("--json cannot be combined with --output") }
    if dtype != nil, output == nil { throw ValidationError("--dtype needs --output") }
    if let output, output.isEmpty { throw ValidationError("--output is empty") }
    for (name, path) in [("ranges", ranges), ("save-ranges", saveRanges)] where path != nil && dtype?.hasLevels != true
    {
      throw ValidationError("--\(name) needs --dtype int8 or uint8")
    }
    if ranges != nil, saveRanges != nil { throw ValidationError("--save-ranges cannot be combined with --ranges") }
    if let saveRanges, saveRanges == output { throw ValidationError("--save-ranges is the file of --output") }
  }

  func run() throws {
    let run = TextRun(try input.open(argumentsArePairs: pairArguments), printsResults: output == nil)
    // Before the model is loaded, so that an output that cannot be written fails at once.
    let inputs = input.files + modelOptions.files(modelOptions.model) + (ranges.map { [$0] } ?? [])
    let file = try output.map { path throws(ClozeError) in try AtomicFile(output: path, inputs: inputs) }
    if let output { try refuseOtherSuffix(output, suffix: "npy", format: "NumPy's format") }
    let rangesFile = try saveRanges.map { path throws(ClozeError) in try AtomicFile(output: path, inputs: inputs) }
    let session = try modelOptions.makeSession()
    let info = session.model.info
    let embedding = EmbeddingOptions(
      pooling: pooling, normalize: normalize, dimensions: dimensions, prompt: noPrompt ? "" : prompt)
    // Before any text is read: an unknown name is wrong usage.
    do { _ = try info.prompts.text(embedding.prompt) } catch { throw ValidationError("--prompt: \(error.message)") }
    let size = pooling == nil ? info.embeddingSize : info.hiddenSize
    if let dimensions, dimensions > size {
      throw ValidationError("--dimensions \(dimensions): the model's vectors have \(size)")
    }
    let columns = dimensions ?? size
    let given = try ranges.map { path throws(ClozeError) in try EmbeddingRanges(path: path, columns: columns) }
    let npy = try file.map { file throws(ClozeError) in
      try NPYWriter(file, columns: columns, elementType: dtype ?? .float32, ranges: given)
    }
    try run.forEachBatch { batch in
      let embeddings = try run.locating(batch) { try session.embed($0, text: length.textOptions, embedding: embedding) }
      for isTruncated in embeddings.truncated { run.add(truncated: isTruncated) }
      if let npy { return try npy.append(rows: embeddings.values) }
      for (index, text) in batch.enumerated() where index < embeddings.count {
        let vector = embeddings[index]
        if json {
          try run.writeObject(text, truncated: embeddings.truncated[index]) { $0.array("embedding", vector) }
        } else {
          try run.output.write(numbers(vector) + "\n")
        }
      }
    }
    let used = try rangesFile.map { file throws(ClozeError) in
      try NPYWriter(file, columns: columns, elementType: .float32)
    }
    if let npy, npy.rows > 0 { try used?.append(rows: npy.ranges.lowest + npy.ranges.highest) }
    try npy?.finish()
    try used?.finish()
    run.reportTruncation(limit: length.maxTokens ?? info.maxTokens)
  }
}

/// Numbers separated by spaces, each the shortest decimal that reads back as the same float.
func numbers(_ values: ArraySlice<Float>) -> String {
  var text = ""
  for value in values {
    if !text.isEmpty { text += " " }
    text += value.description
  }
  return text
}

extension NPYWriter.ElementType: ExpressibleByArgument {}
