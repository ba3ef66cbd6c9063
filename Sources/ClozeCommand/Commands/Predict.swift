import ArgumentParser
import Cloze
import ClozeIO
import ClozeTraining

struct Predict: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Apply a head, trained or of the model's file: labels, numbers, tags or answers.",
    discussion: """
      Prints one line per text: the label and its probability, the number, the entities, or the \
      answer. For answers, the first text is the question and the second the passage.

        cloze predict --head sentiment "What a film!"
        cloze predict --model bert-base-NER --input texts.txt --json
        cloze predict --model nli --pair-arguments "A man sleeps." "Somebody is awake."
      """)

  @Option(
    help: ArgumentHelp(
      "A head that `cloze train` wrote (default: the one that the model's file brings).", valueName: "folder"))
  var head: String?

  @OptionGroup(title: "Input") var input: InputOptions

  @Flag(help: "Take arguments two by two, as pairs of texts.") var pairArguments = false

  @Flag(help: "Print one JSON object per text.") var json = false

  @OptionGroup(title: "Length") var length: LengthLimit
  @OptionGroup(title: "Model") var modelOptions: ModelOptions

  func run() throws {
    let model = try modelOptions.loadModel(head: head)
    let session = try Session(model: model, threads: modelOptions.threads)
    guard let task = model.info.task else {
      // Says why.
      _ = try session.predict([])
      return
    }
    let needsPairs = model.predictsPairsOnly
    let run = TextRun(try input.open(argumentsArePairs: needsPairs || pairArguments, needsPairs: needsPairs))
    let labels = model.info.labels
    try run.forEachBatch(of: 256) { batch in
      let predictions = try run.locating(batch) { try session.predict($0, maxTokens: length.maxTokens) }
      for (text, prediction) in zip(batch, predictions) {
        run.add(truncated: prediction.truncated)
        if json {
          try run.writeObject(text, truncated: prediction.truncated) {
            write(prediction, of: text.text, task, labels, to: &$0)
          }
        } else {
          try run.output.write(line(prediction, task, labels, text.text) + "\n")
        }
      }
    }
    run.reportTruncation(limit: length.maxTokens ?? model.predictionTokens)
  }

  private func write(
    _ prediction: Prediction, of text: Text, _ task: Head.Task, _ labels: [String], to object: inout JSONWriter
  ) {
    func write(_ spans: [Prediction.Span], _ key: String, _ name: String, to object: inout JSONWriter) {
      let places = CharacterOffsets(text.first)
      object.array(key) {
        for span in spans {
          $0.object {
            places.write(span.begin, span.end, to: &$0)
            $0.value(name, span.text)
            $0.value("text", part(span, of: text.first))
            $0.value("probability", span.probability)
          }
        }
      }
    }
    switch task {
    case .regress, .regressPairs:
      object.value("value", prediction.value ?? 0)
      guard prediction.values.count > 1 else { return }
      object.object("values") { for (label, value) in zip(labels, prediction.values) { $0.value(label, value) } }
    case .tag:
      write(prediction.tags, "tags", "tag", to: &object)
      write(prediction.entities, "entities", "type", to: &object)
    case .answer:
      object.value("answer", prediction.answer?.text)
      guard let answer = prediction.answer else { return }
      CharacterOffsets(text.second ?? "").write(answer.begin, answer.end, to: &object)
      object.value("probability", answer.probability)
    default:
      if task == .multilabel {
        object.array("labels", prediction.labels)
      } else {
        object.value("label", prediction.label ?? "")
      }
      object.object("probabilities") {
        for (label, probability) in zip(labels, prediction.probabilities) { $0.value(label, probability) }
      }
    }
  }

  /// The bytes of a span, which begin and end with characters.
  private func part(_ span: Prediction.Span, of text: String) -> String {
    String(decoding: text.utf8.dropFirst(span.begin).prefix(span.end - span.begin), as: UTF8.self)
  }

  /// A label in a list with commas, in quotes as in CSV where it has a comma or a quote itself.
  private func listed(_ label: String) -> String {
    guard label.contains(",") || label.contains("\"") else { return label }
    return "\"" + label.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
  }

  private func line(_ prediction: Prediction, _ task: Head.Task, _ labels: [String], _ text: Text) -> String {
    switch task {
    case .regress, .regressPairs:
      if prediction.values.count == 1 { return "\(prediction.values[0])" }
      return zip(labels, prediction.values).map { "\($0): \($1)" }.joined(separator: "\t")
    case .tag:
      return prediction.entities.map { entity in
        let words = part(entity, of: text.first)
        return entity.text.isEmpty ? words : "\(entity.text): \(words)"
      }.joined(separator: "  ")
    case .answer: return prediction.answer?.text ?? ""
    case .multilabel: return prediction.labels.map(listed).joined(separator: ", ")
    default:
      let best = prediction.probabilities.max() ?? 0
      return "\(prediction.label ?? "")\t\(probability(best))"
    }
  }
}
