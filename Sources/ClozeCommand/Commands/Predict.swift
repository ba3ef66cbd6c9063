import ArgumentParser
import Cloze
import ClozeIO
import ClozeTraining

struct Predict: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Apply a trained head: labels, numbers, tags or answers.",
    discussion: """
      Prints one line per text: the label and its probability, the number, the entities, or the \
      answer. For answers, the first text is the question and the second the passage.

        cloze predict --head sentiment "What a film!"
        cloze predict --head names --input texts.txt --json
      """)

  @Option(help: ArgumentHelp("A head that `cloze train` wrote.", valueName: "folder")) var head: String

  @OptionGroup(title: "Input") var input: InputOptions

  @Flag(help: "Print one JSON object per text.") var json = false

  @OptionGroup(title: "Model") var modelOptions: ModelOptions

  func run() throws {
    let trained = try Head(path: head)
    guard trained.task != .mlm else {
      throw ClozeError(.noHead, "\(head) is a masked language model: use cloze fill-mask --head")
    }
    let isPair = trained.task.takesPairs
    let run = TextRun(try input.open(argumentsArePairs: isPair, needsPairs: isPair))
    let model = try Model(modelOptions.loadModel(), head: trained)
    let session = try Session(model: model, threads: modelOptions.threads)
    try run.forEachBatch(of: 256) { batch in
      let predictions = try run.locating(batch) { try session.predict($0) }
      for (text, prediction) in zip(batch, predictions) {
        run.add(truncated: prediction.truncated)
        if json {
          try run.writeObject(text, truncated: prediction.truncated) { write(prediction, trained, to: &$0) }
        } else {
          try run.output.write(line(prediction, trained, text.text) + "\n")
        }
      }
    }
    run.reportTruncation(limit: trained.maxTokens)
  }

  private func write(_ prediction: Prediction, _ head: Head, to object: inout JSONWriter) {
    func write(_ spans: [Prediction.Span], _ key: String, _ name: String, to object: inout JSONWriter) {
      object.array(key) {
        for span in spans {
          $0.object {
            $0.value("begin", span.begin)
            $0.value("end", span.end)
            $0.value(name, span.text)
            $0.value("probability", span.probability)
          }
        }
      }
    }
    switch head.task {
    case .regress, .regressPairs: object.value("value", prediction.value ?? 0)
    case .tag:
      write(prediction.tags, "tags", "tag", to: &object)
      write(prediction.entities, "entities", "type", to: &object)
    case .answer:
      object.value("answer", prediction.answer?.text)
      guard let answer = prediction.answer else { return }
      object.value("begin", answer.begin)
      object.value("end", answer.end)
      object.value("probability", answer.probability)
    default:
      if head.task == .multilabel {
        object.array("labels", prediction.labels)
      } else {
        object.value("label", prediction.label ?? "")
      }
      object.object("probabilities") {
        for (label, probability) in zip(head.labels, prediction.probabilities) { $0.value(label, probability) }
      }
    }
  }

  /// A label in a list with commas, in quotes as in CSV where it has a comma or a quote itself.
  private func listed(_ label: String) -> String {
    guard label.contains(",") || label.contains("\"") else { return label }
    return "\"" + label.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
  }

  private func line(_ prediction: Prediction, _ head: Head, _ text: Text) -> String {
    switch head.task {
    case .regress, .regressPairs: return "\(prediction.value ?? 0)"
    case .tag:
      let bytes = Array(text.first.utf8)
      return prediction.entities.map { entity in
        let words = String(decoding: bytes[entity.begin..<entity.end], as: UTF8.self)
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
