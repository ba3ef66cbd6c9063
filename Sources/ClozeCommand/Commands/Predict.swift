import ArgumentParser
import Cloze
import ClozeTraining

struct Predict: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Ask a trained head: a label, number, tags or an answer for each text.",
    discussion: """
      Prints a line a text: the label and its probability, the number, the entities, or the answer. \
      For answers, the first text is the question and the second the passage.

        cloze predict --head sentiment "What a film!"
        cloze predict --head names --input texts.txt --json
      """)

  @Option(help: ArgumentHelp("What `cloze train` wrote.", valueName: "folder"))
  var head: String

  @OptionGroup(title: "Input") var input: InputOptions

  @Flag(help: "Print one JSON object a text.")
  var json = false

  @OptionGroup(title: "Model") var modelOptions: ModelOptions

  func run() throws {
    let trained = try Head(path: head)
    guard trained.task != .mlm else {
      throw WorkFailure("\(head): a head for masked words; cloze fill-mask --head asks it")
    }
    let isPair = trained.task.takesPairs
    var source = try input.source(argumentsArePairs: isPair, needsPairs: isPair)
    let model = try Model(modelOptions.loadModel(), head: trained)
    let session = try Session(model: model, threads: modelOptions.threads)
    let printer = ByteWriter.standardOutput()
    var progress = Progress(
      total: source.file?.size, hasOwnScreen: !ByteWriter.standardOutputIsTerminal)
    defer { progress.clear() }
    var count = TruncationCount()
    while true {
      let batch = try source.batch(count: 256)
      if batch.isEmpty { break }
      let predictions = try withPlaces(batch, in: source) { try session.predict($0) }
      for (text, prediction) in zip(batch, predictions) {
        count.add(prediction.truncated)
        if json {
          try printer.write(
            JSONValue.object(
              JSONValue.members(of: text) + members(prediction, trained)
            ).line)
        } else {
          try printer.write(line(prediction, trained, text.text) + "\n")
        }
      }
      try printer.flush()
      progress.show(texts: count.texts, bytes: source.bytesConsumed)
    }
    progress.clear()
    count.report(limit: trained.maxTokens)
  }

  private func members(_ prediction: Prediction, _ head: Head) -> [(String, JSONValue)] {
    var members: [(String, JSONValue)] = []
    func spans(_ spans: [Prediction.Span], _ name: String) -> JSONValue {
      .array(
        spans.map {
          .object([
            ("begin", .int($0.begin)), ("end", .int($0.end)), (name, .string($0.text)),
            ("probability", .float($0.probability)),
          ])
        })
    }
    switch head.task {
    case .regress, .regressPairs: members.append(("value", .float(prediction.value ?? 0)))
    case .tag:
      members.append(("tags", spans(prediction.tags, "tag")))
      members.append(("entities", spans(prediction.entities, "type")))
    case .answer:
      guard let answer = prediction.answer else {
        members.append(("answer", .null))
        break
      }
      members += [
        ("answer", .string(answer.text)), ("begin", .int(answer.begin)), ("end", .int(answer.end)),
        ("probability", .float(answer.probability)),
      ]
    default:
      if head.task == .multilabel {
        members.append(("labels", .strings(prediction.labels)))
      } else {
        members.append(("label", .string(prediction.label ?? "")))
      }
      let shares = zip(head.labels, prediction.probabilities).map { ($0, JSONValue.float($1)) }
      members.append(("probabilities", .object(shares)))
    }
    members.append(("truncated", .bool(prediction.truncated)))
    return members
  }

  private func line(_ prediction: Prediction, _ head: Head, _ text: Text) -> String {
    switch head.task {
    case .regress, .regressPairs: return "\(prediction.value ?? 0)"
    case .tag:
      let bytes = Array(text.first.utf8)
      return prediction.entities.map {
        "\($0.text): \(String(decoding: bytes[$0.begin..<$0.end], as: UTF8.self))"
      }.joined(separator: "  ")
    case .answer: return prediction.answer?.text ?? ""
    case .multilabel: return prediction.labels.joined(separator: ", ")
    default:
      let best = prediction.probabilities.max() ?? 0
      return "\(prediction.label ?? "")\t\(probability(best))"
    }
  }
}
