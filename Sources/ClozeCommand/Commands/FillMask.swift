import ArgumentParser
import Cloze
import ClozeTokenizer

struct FillMask: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say which words fit where a text has [MASK].",
    discussion: """
      Prints the likeliest tokens with their probabilities, for every [MASK] of every text.

        cloze fill-mask "台[MASK]大学"
        cloze fill-mask "The sky is [MASK]." --targets blue,green
        cloze fill-mask --top-k 1 --json < texts.txt
      """)

  @OptionGroup(title: "Input") var input: InputOptions

  @Flag(help: "Two arguments make one text, a pair.")
  var pairArguments = false

  @Option(help: ArgumentHelp("How many tokens are shown for each [MASK].", valueName: "n"))
  var topK: Int = 5

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Only these tokens are compared; their probabilities stay those among all tokens.",
      valueName: "a,b,c"))
  var targets: String?

  @Option(
    help: ArgumentHelp("A head that `cloze train mlm` wrote for the model.", valueName: "folder"))
  var head: String?

  @Flag(help: "Print one JSON object a text.")
  var json = false

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
    var source = try input.source(argumentsArePairs: pairArguments)
    var model = try modelOptions.loadModel()
    if let head { model = try Model(model, head: Head(path: head)) }
    let session = try Session(model: model, threads: modelOptions.threads)
    guard let tokenizer = session.model.tokenizer else {
      throw WorkFailure("the model came without a tokenizer: give one with --tokenizer PATH")
    }
    let info = session.model.info
    // Whether a text has a heading follows from what is known before the first result.
    let isAlone = input.texts.count == (pairArguments ? 2 : 1)
    let printer = ByteWriter.standardOutput()
    var count = TruncationCount()
    var isFirst = true
    while let text = try source.next() {
      let masks = try withPlaces([text], in: source) { texts in
        try texts.first.map {
          try session.fillMask($0, text: length.textOptions, topK: topK, targets: targetTokens)
        } ?? []
      }
      let encoding = try tokenizer.encode(
        text.text.first, pair: text.text.second, maxTokens: length.maxTokens ?? info.maxTokens,
        truncation: length.truncation)
      count.add(encoding.truncated)
      if json {
        let members =
          JSONValue.members(of: text) + [
            ("masks", .array(masks.map { object($0, encoding) })),
            ("truncated", .bool(encoding.truncated)),
          ]
        try printer.write(JSONValue.object(members).line)
      } else {
        for mask in masks {
          if !isFirst { try printer.write("\n") }
          if !isAlone || masks.count > 1 { try printer.write(heading(mask, text, encoding)) }
          try printer.write(table(mask))
          isFirst = false
        }
      }
      try printer.flush()
    }
    count.report(limit: length.maxTokens ?? info.maxTokens)
  }

  private func object(_ mask: FilledMask, _ encoding: Encoding) -> JSONValue {
    let candidates = mask.candidates.map { candidate in
      JSONValue.object([
        ("token", .string(candidate.token)), ("id", .int(Int(candidate.tokenID))),
        ("probability", .float(candidate.probability)),
      ])
    }
    return .object([
      ("position", byte(mask, encoding).map(JSONValue.int) ?? .null),
      ("token_index", .int(mask.position)), ("candidates", .array(candidates)),
    ])
  }

  private func heading(_ mask: FilledMask, _ text: NumberedText, _ encoding: Encoding) -> String {
    let whole = [text.text.first, text.text.second].compactMap { $0 }.joined(separator: " | ")
    let place = byte(mask, encoding).map { " at byte \($0)" } ?? ""
    return "[MASK]\(place): \(clipped(printable(whole), to: 60))\n"
  }

  private func table(_ mask: FilledMask) -> String {
    var table = Table([("token", .left), ("probability", .left)])
    for candidate in mask.candidates {
      table.add([candidate.token, probability(candidate.probability)])
    }
    return table.rendered()
  }

  /// The byte of its text at which the mask begins.
  private func byte(_ mask: FilledMask, _ encoding: Encoding) -> Int? {
    guard encoding.offsets.indices.contains(mask.position) else { return nil }
    return Int(encoding.offsets[mask.position].begin)
  }
}

extension String {
  /// Without blanks at either end.
  func trimmingBlanks() -> String {
    var rest = Substring(self)
    while rest.first == " " { rest.removeFirst() }
    while rest.last == " " { rest.removeLast() }
    return String(rest)
  }
}
