import Cloze
import ClozeIO
import ClozeTestSupport
import ClozeTokenizer
import Foundation
import Testing

@testable import ClozeTraining

/// Heads judged by labelled examples.
struct EvaluationTests {
  private func expectError(_ status: ClozeError.Status, _ parts: String..., from body: () throws -> Void) {
    do {
      try body()
      Issue.record("no error")
    } catch let error as ClozeError {
      #expect(error.status == status)
      for part in parts { #expect(error.message.contains(part), "\(error.message)") }
    } catch { Issue.record(error) }
  }

  private func trained(_ task: Head.Task, _ model: Model, _ train: Dataset, _ valid: Dataset) throws -> TrainingResult {
    var options = TrainingOptions()
    options.threads = 1
    if task != .classify, task != .multilabel, task != .regress { options.epochs = 2 }
    if task == .answer { (options.maxTokens, options.stride) = (24, 8) }
    return try Trainer(model: model, task: task, options: options).train(train, valid: valid)
  }

  private func session(_ model: Model, _ head: Head) throws -> Session {
    try Session(model: Model(model, head: head), threads: 1)
  }

  /// What a session says of the validation set is what training said of it.
  @Test(arguments: [Head.Task.classify, .classifyPairs, .multilabel, .regress, .tag, .answer, .nsp, .mlm])
  func equalsTraining(_ task: Head.Task) throws {
    let model = try TrainerTests.model()
    let isText = task == .mlm || task == .nsp
    let train = TrainerTests.dataset(task, count: isText ? 20 : 60)
    let valid = TrainerTests.dataset(task, count: isText ? 12 : 40, seed: 2)
    let result = try trained(task, model, train, valid)
    let evaluation = try session(model, result.head).evaluate(valid)
    #expect(evaluation.task == task && evaluation.metric == result.metric)
    #expect(evaluation.examples == result.evaluation.examples)
    #expect(evaluation.metrics.values.map(\.name) == result.metrics.values.map(\.name))
    for (mine, other) in zip(evaluation.metrics.values, result.metrics.values) {
      // Sums of a head's products are in another order, and mlm's decoder is int8.
      let tolerance = task == .mlm ? 0.02 * abs(other.value) : mine.name == "loss" || task == .regress ? 1e-4 : 1e-12
      #expect(abs(mine.value - other.value) <= tolerance, "\(mine.name)")
    }
    #expect(evaluation.confusion == result.evaluation.confusion || task == .mlm)
    #expect(evaluation.mistakes.prefix(3).map(\.example) == result.evaluation.mistakes.prefix(3).map(\.example))
    let (mine, other) = (try #require(evaluation.baseline), try #require(result.evaluation.baseline))
    if task != .mlm { #expect(mine.value == other.value && mine.description == other.description) }
    // JSON is JSON, and the page is one.
    let json = try JSONSerialization.jsonObject(with: Data(evaluation.json.utf8)) as? [String: Any]
    // Foundation reads decimals to within a unit in the last place.
    let read = try #require(json?["baseline"] as? Double)
    #expect(json?["task"] as? String == task.rawValue && abs(read - mine.value) <= mine.value.ulp)
    let page = EvaluationReport(evaluation, title: "<t>", facts: []).html
    #expect(page.contains("&lt;t&gt;") && page.contains("baseline"))
  }

  @Test func equalsPredictions() throws {
    let model = try TrainerTests.model()
    let test = TrainerTests.dataset(.classify, count: 30, seed: 3)
    let session = try session(model, trained(.classify, model, TrainerTests.dataset(.classify, count: 40), test).head)
    let evaluation = try session.evaluate(test)
    var confusion = [[0, 0], [0, 0]]
    for example in test.examples {
      guard case .text(let text, let label?) = example.content else { continue }
      let said = try session.predict([text])[0].label
      confusion[label == "has" ? 0 : 1][said == "has" ? 0 : 1] += 1
    }
    #expect(evaluation.confusion == confusion && evaluation.labels == ["has", "lacks"])
    #expect(evaluation.classes.map(\.support) == confusion.map { $0.reduce(0, +) })
    #expect(evaluation.mistakes.count == confusion[0][1] + confusion[1][0])
  }

  /// Sentences longer than the model are read in windows, as by `predict`.
  @Test func longSentences() throws {
    let model = try TrainerTests.model()
    var head = try trained(.tag, model, TrainerTests.dataset(.tag, count: 40), TrainerTests.dataset(.tag, count: 20))
      .head
    head.maxTokens = 12
    let session = try session(model, head)
    let words = (0..<40).map { ["a", "b", "c"][$0 % 3] }
    let tags = words.map { $0 == "a" ? "B-A" : "O" }
    let said = try session.predict(words: words).tags.map(\.text)
    let evaluation = try session.evaluate(Dataset([Example(.words(words, tags: tags))]))
    #expect(evaluation.metrics["f1"] == Metrics.tags(truth: [tags], predicted: [said])["f1"])
    #expect(evaluation.metrics["accuracy"] == Double(zip(tags, said).count { $0 == $1 }) / 40)
    #expect(evaluation.confusion.joined().reduce(0, +) == 40)
  }

  @Test func baselines() throws {
    let model = try TrainerTests.model()
    func data(_ labels: [String]) -> Dataset {
      Dataset(labels.enumerated().map { Example(.text(Text("b c \($0 % 7)"), label: $1), place: "f.tsv:\($0 + 1)") })
    }
    let train = data(Array(repeating: "x", count: 12) + Array(repeating: "y", count: 5) + ["z"])
    let valid = data(["x", "y", "y", "y"])
    let result = try trained(.classify, model, train, valid)
    let baseline = try #require(result.evaluation.baseline)
    // The majority of the training labels, not of the validation set's.
    #expect(baseline.value == 0.25 && baseline.description == "always \"x\", the most frequent in training")
    // As scikit-learn's of a prediction that is always "x", over the classes that occur or are predicted.
    #expect(baseline.metrics.values.prefix(4).map(\.value) == [0.25, 0.2, 0.25, 0])
    #expect(result.head.labelCounts == [12, 5, 1])
    #expect(result.evaluation.findings.contains("the label \"z\" occurs once in training"))
    // A head's file keeps the counts; one without them is judged by the examples.
    let file = try TemporaryFile([])
    try result.head.save(to: file.path)
    var head = try Head(path: file.path)
    #expect(head.labelCounts == [12, 5, 1])
    #expect(try session(model, head).evaluate(valid).baseline?.description == baseline.description)
    head.labelCounts = [.max, .max, 1]
    #expect(try session(model, head).evaluate(valid).baseline?.value == 0.25)
    head.labelCounts = []
    let own = try session(model, head).evaluate(valid)
    #expect(own.baseline?.value == 0.75)
    #expect(own.baseline?.description == "always \"y\", the most frequent of these examples")
    #expect(own.findings.contains { $0.contains("is not above the baseline, 0.7500") } == (own.value <= 0.75))

    let numbers = Dataset([1, 2, 6].map { Example(.scored(Text("b"), value: $0)) })
    let prior = Prior(numbers, labels: [], isOfTraining: true)
    #expect(prior.mean == 3 && prior.mostFrequent == nil)
  }

  /// As seqeval's classification_report and scikit-learn's precision_recall_fscore_support say.
  @Test func scores() {
    let entities = ClassScore.entities(
      truth: [["O", "O", "O", "B-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]],
      predicted: [["O", "O", "B-MISC", "I-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]])
    #expect(entities.map(\.name) == ["MISC", "PER"] && entities.map(\.f1) == [0, 1])
    #expect(entities.map(\.support) == [1, 1])
    // truth 0 0 0 1 1 2 2 2 2, said 0 0 1 1 2 2 2 0 2
    let classes = ClassScore.classes(["a", "b", "c"], [[2, 1, 0], [0, 1, 1], [1, 0, 3]])
    #expect(classes.map(\.precision) == [2.0 / 3, 0.5, 0.75] && classes.map(\.recall) == [2.0 / 3, 0.5, 0.75])
    let labels = ClassScore.labels(
      ["a", "b"], truth: [true, false, true, true], predicted: [true, true, false, false])
    #expect(labels.map(\.precision) == [1, 0] && labels.map(\.recall) == [0.5, 0] && labels.map(\.support) == [2, 1])
  }

  /// Against the figures of `make_metrics.py`.
  @Test func equalsReferences() throws {
    let path = Fixture.folder + "/../training/metrics.expected"
    let all = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: path)))
    let cases = try #require(all as? [String: [[String: Any]]])
    func check(_ metrics: Metrics, _ scores: [ClassScore], _ expected: [String: Any]) throws {
      for (name, value) in try #require(expected["metrics"] as? [String: Double]) {
        #expect(abs((metrics[name] ?? -9) - value) < 1e-12, "\(name)")
      }
      let table = try #require(expected["scores"] as? [[Double]])
      #expect(scores.count == table.count)
      for (score, row) in zip(scores, table) {
        for (mine, other) in zip([score.precision, score.recall, score.f1, Double(score.support)], row) {
          #expect(abs(mine - other) < 1e-12, "\(score.name)")
        }
      }
    }
    for one in cases["classes"] ?? [] {
      let (truth, said) = (try #require(one["truth"] as? [Int]), try #require(one["predicted"] as? [Int]))
      let count = try #require(one["labels"] as? Int)
      var confusion = Array(repeating: Array(repeating: 0, count: count), count: count)
      for (t, p) in zip(truth, said) { confusion[t][p] += 1 }
      try check(.classes(confusion), ClassScore.classes((0..<count).map { "\($0)" }, confusion), one)
    }
    for one in cases["labels"] ?? [] {
      let (truth, said) = (try #require(one["truth"] as? [[Int]]), try #require(one["predicted"] as? [[Int]]))
      let (t, p) = (truth.joined().map { $0 == 1 }, said.joined().map { $0 == 1 })
      let labels = truth[0].indices.map { "\($0)" }
      try check(
        .labels(truth: t, predicted: p, count: labels.count), ClassScore.labels(labels, truth: t, predicted: p), one)
    }
    for one in cases["tags"] ?? [] {
      let (truth, said) = (try #require(one["truth"] as? [[String]]), try #require(one["predicted"] as? [[String]]))
      let scores = ClassScore.entities(truth: truth, predicted: said)
      #expect(scores.map(\.name) == one["types"] as? [String])
      try check(.tags(truth: truth, predicted: said), scores, one)
    }
    for one in cases["values"] ?? [] {
      let (truth, said) = (try #require(one["truth"] as? [Double]), try #require(one["predicted"] as? [Double]))
      try check(.values(truth: truth.map(Float.init), predicted: said.map(Float.init)), [], one)
    }
  }

  @Test func refusals() throws {
    let model = try TrainerTests.model()
    let data = TrainerTests.dataset(.classify, count: 40)
    let result = try trained(.classify, model, data, data)
    let session = try session(model, result.head)
    expectError(.invalidText, "no example") { _ = try session.evaluate(Dataset()) }
    var odd = data
    odd.examples[3] = Example(.text("b", label: "Has"), place: "test.tsv:4")
    expectError(.invalidText, "test.tsv:4: the head has no label \"Has\"; there is \"has\"") {
      _ = try session.evaluate(odd)
    }
    odd.examples[3] = Example(.text("b", label: "more"), place: "test.tsv:4")
    expectError(.invalidText, "its labels are \"has\", \"lacks\"") { _ = try session.evaluate(odd) }
    let rest = try session.evaluate(odd, skipBad: true)
    #expect(rest.examples == 39 && rest.skipped.count == 1)
    #expect(rest.findings.contains { $0.contains("1 example with unknown labels left out; test.tsv:4") })
    odd.examples = [odd.examples[3]]
    expectError(.invalidText, "no example has labels that the head knows") {
      _ = try session.evaluate(odd, skipBad: true)
    }
    expectError(.invalidText, "example 0: there is no label") {
      _ = try session.evaluate(Dataset([Example(.text("b", label: nil))]))
    }
    expectError(.invalidText, "a pair of texts") {
      _ = try session.evaluate(Dataset([Example(.text(Text("b", "c"), label: "has"))]))
    }
    expectError(.invalidText, "not an example of the task classify") {
      _ = try session.evaluate(TrainerTests.dataset(.regress, count: 3))
    }
    expectError(.invalidArgument, "answers classify, not tag") { _ = try session.evaluate(data, task: .tag) }
    expectError(.noHead, "head to predict with") { _ = try Session(model: model, threads: 1).evaluate(data) }
    expectError(
      .invalidArgument, "trained on \"pretraining-float16.onnx\", another encoder than this model's, \"mpnet.onnx\""
    ) {
      _ = try self.session(TrainerTests.model(.int8, "mpnet"), result.head)
    }
  }

  /// Heads of files take texts and pairs alike.
  @Test func fileHeads() throws {
    let model = try TrainerTests.model(.float32, "classifier")
    let session = try Session(model: model, threads: 1)
    let labels = model.info.labels
    #expect(try model.evaluationTask() == .classify && model.evaluationTask(.classifyPairs) == .classifyPairs)
    var format = DataFormat()
    format.pair = .number(2)
    #expect(try model.evaluationTask(format: format) == .classifyPairs)
    let texts: [Text] = ["a b", Text("c", "d"), "e f g", "h"]
    let said = try session.predict(texts).map { $0.label ?? "" }
    let data = Dataset(zip(texts, said).map { Example(.text($0, label: $1)) })
    let evaluation = try session.evaluate(data)
    #expect(evaluation.value == 1 && evaluation.mistakes.isEmpty && evaluation.labels == labels)
    #expect(evaluation.baseline?.isOfTraining == false)
    expectError(.invalidArgument, "answers classify, not tag") { _ = try session.evaluate(data, task: .tag) }
  }

  /// The heads that a model has of its own.
  @Test(arguments: [Head.Task.mlm, .nsp]) func ownHeads(_ task: Head.Task) throws {
    let session = try Session(model: TrainerTests.model(), threads: 1)
    let evaluation = try session.evaluate(TrainerTests.dataset(task, count: 10), task: task)
    #expect(evaluation.task == task && evaluation.value.isFinite && evaluation.baseline != nil)
    #expect(evaluation.metrics.values.map(\.name) == task.training.metrics + ["loss"])
  }
}
