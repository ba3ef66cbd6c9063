import ArgumentParser
import Cloze
import ClozeIO
import ClozeTokenizer

struct FillMask: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Predict the tokens that fit each [MASK].",
    discussion: """
      Prints the most probable tokens with their probabilities, for every [MASK] of every text.

        cloze fill-mask "台[MASK]大学"
        cloze fill-mask "The sky is [MASK]." --targets blue,green
        cloze fill-mask --top-k 1 --json < texts.txt
      """)

  @OptionGroup(title: "Input") var input: InputOptions

  @Flag(help: "Take arguments two by two, as pairs of texts.") var pairArguments = false

  @Option(help: ArgumentHelp("Number of tokens shown for each [MASK].", valueName: "n")) var topK: Int = 5

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Rank only these tokens; probabilities stay relative to the whole vocabulary.", valueName: "a,b,c")) var targets:
    String?

  @Option(help: ArgumentHelp("A head that `cloze train mlm` wrote for the model.", valueName: "folder")) var head:
    String?

  @Flag(help: "Print one JSON object per text.") var json = false

  @OptionGroup(title: "Length") var length: LengthOptions
  @OptionGroup(title: "Model") var modelOptions: ModelOptions

  func validate() throws {
    guard topK >= 1 else { throw ValidationError("--top-k \(topK): must be 1 or more") }
    if targetTokens?.isEmpty ?? false { throw ValidationError("--targets names no token") }
  }

  private var targetTokens: [String]? {
    targets?.split(separator: ",").map { String($0).trimmingBlanks() }.filter { !$0.isEmpty }
  }

  func run() throws {
    let run = TextRun(try input.open(argumentsArePairs: pairArguments))
    var model = try modelOptions.loadModel()
    if let head { model = try Model(model, head: Head(path: head)) }
    let session = try Session(model: model, threads: modelOptions.threads)
    let tokenizer = try modelOptions.tokenizer(of: session.model)
    let limit = length.maxTokens ?? session.model.info.maxTokens
    // Decided before the first result: a single text needs no heading.
    let isAlone = input.texts.count == (pairArguments ? 2 : 1)
    var isFirst = true
    try run.forEachBatch(of: 1) { batch in
      guard let text = batch.first else { return }
      let masks = try run.locating(batch) { _ in
        try session.fillMask(text.text, text: length.textOptions, topK: topK, targets: targetTokens)
      }
      let encoding = try tokenizer.encode(
        text.text.first, pair: text.text.second, maxTokens: limit, truncation: length.truncation)
      run.add(truncated: encoding.truncated)
      if json {
        return try run.writeObject(text, truncated: encoding.truncated) {
          $0.array("masks") { for mask in masks { write(mask, encoding, text.text, to: &$0) } }
        }
      }
      for mask in masks {
        if !isFirst { try run.output.write("\n") }
        if !isAlone || masks.count > 1 { try run.output.write(heading(mask, text, encoding)) }
        try run.output.write(table(mask))
        isFirst = false
      }
    }
    run.reportTruncation(limit: limit)
  }

  private func write(_ mask: FilledMask, _ encoding: Encoding, _ text: Text, to array: inout JSONWriter) {
    array.object {
      let sequence = encoding.sequenceIDs.indices.contains(mask.position) ? encoding.sequenceIDs[mask.position] : 0
      if let place = place(mask, encoding) {
        CharacterOffsets(sequence == 1 ? text.second ?? "" : text.first).write(
          Int(place.begin), Int(place.end), to: &$0)
      }
      $0.value("sequence_id", Int(sequence))
      $0.value("token_index", mask.position)
      $0.array("candidates") {
        for candidate in mask.candidates {
          $0.object {
            $0.value("token", candidate.token)
            $0.value("id", Int(candidate.tokenID))
            $0.value("probability", candidate.probability)
          }
        }
      }
    }
  }

  private func heading(_ mask: FilledMask, _ text: NumberedText, _ encoding: Encoding) -> String {
    let whole = [text.text.first, text.text.second].compactMap { $0 }.joined(separator: " | ")
    let place = place(mask, encoding).map { " at byte \($0.begin)" } ?? ""
    return "[MASK]\(place): \(clipped(printable(whole), to: 60))\n"
  }

  private func table(_ mask: FilledMask) -> String {
    var table = Table([("token", .left), ("probability", .left)])
    for candidate in mask.candidates { table.add([candidate.token, probability(candidate.probability)]) }
    return table.rendered()
  }

  /// The bytes of the mask in its text.
  private func place(_ mask: FilledMask, _ encoding: Encoding) -> ByteRange? {
    encoding.offsets.indices.contains(mask.position) ? encoding.offsets[mask.position] : nil
  }
}

extension String {
  /// Without spaces at either end.
  func trimmingBlanks() -> String {
    var rest = Substring(self)
    while rest.first == " " { rest.removeFirst() }
    while rest.last == " " { rest.removeLast() }
    return String(rest)
  }
}
