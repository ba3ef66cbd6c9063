import Cloze
import ClozeTestSupport
import ClozeTokenizer
import Foundation
import Testing

@testable import ClozeTraining

/// Training from end to end, on a model of random weights: what a text holds can be told from its
/// tokens' vectors all the same.
struct TrainerTests {
  static func model(_ precision: Precision = .int8) throws -> Model {
    let letters = (UInt8(ascii: "a")...UInt8(ascii: "z")).map { String(UnicodeScalar($0)) }
    let named =
      ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + letters + letters.map { "##" + $0 }
    let vocabulary = named + (named.count..<1003).map { "word\($0)" }
    let tokenizer = try Tokenizer(vocabulary: Array(vocabulary.joined(separator: "\n").utf8))
    return try Model(
      path: Fixture.modelPath("pretraining-float16"),
      options: LoadOptions(precision: precision, tokenizer: tokenizer))
  }

  /// Examples whose label, number or tags depend on their letters.
  static func dataset(_ task: Head.Task, count: Int = 240, seed: UInt64 = 1) -> Dataset {
    var random = TrainingRandom(seed, 100)
    let letters = "bcdefghijklmnopqrstuvwxyz".map(String.init)
    return Dataset(
      (0..<count).map { i in
        var words = (0..<(3 + random.below(5))).map { _ in letters[random.below(letters.count)] }
        let isA = random.unit() < 0.5
        if isA { for _ in 0..<3 { words.insert("a", at: random.below(words.count)) } }
        let text = words.joined(separator: " ")
        switch task {
        case .classify: return Example(.text(Text(text), label: isA ? "has" : "lacks"))
        case .classifyPairs:
          return Example(.text(Text(text, "b c"), label: isA ? "has" : "lacks"))
        case .multilabel:
          let hasB = words.contains("b")
          return Example(
            .labelled(Text(text), labels: (isA ? ["a"] : []) + (hasB ? ["b"] : [])))
        case .regress: return Example(.scored(Text(text), value: isA ? 3 : -1))
        case .regressPairs: return Example(.scored(Text(text, "z"), value: isA ? 3 : -1))
        case .tag:
          return Example(.words(words, tags: words.map { $0 == "a" ? "B-A" : "O" }))
        case .answer:
          // Not "a", an article, which does not count in an answer.
          let place = words.firstIndex(of: "a")
          return Example(
            .question(
              "q",
              passage: words.map { $0 == "a" ? "w" : $0 == "w" ? "v" : $0 }.joined(separator: " "),
              answers: place.map { [Example.Answer(text: "w", offset: 2 * $0)] } ?? [], id: "\(i)"))
        case .mlm, .nsp: return Example(.document(words + words))
        }
      })
  }

  private func train(
    _ task: Head.Task, _ model: Model, _ set: (inout TrainingOptions) -> Void = { _ in }
  ) throws -> TrainingResult {
    var options = TrainingOptions()
    options.threads = 1
    if task == .answer {
      options.maxTokens = 24
      options.stride = 8
    }
    set(&options)
    return try Trainer(model: model, task: task, options: options).train(
      Self.dataset(task), valid: Self.dataset(task, count: 120, seed: 2))
  }

  @Test(arguments: [
    (Head.Task.classify, "accuracy", 0.9), (.classifyPairs, "accuracy", 0.9),
    (.multilabel, "f1_micro", 0.8), (.regress, "pearson", 0.8), (.regressPairs, "pearson", 0.8),
    (.tag, "f1", 0.9),
  ])
  func learns(_ task: Head.Task, _ metric: String, _ least: Double) throws {
    let model = try Self.model()
    let result = try train(task, model) { if task == .tag { $0.learningRate = 0.02 } }
    #expect((result.metrics[metric] ?? 0) > least, "\(result.metrics.values)")
    #expect(TrainingReport(result: result, title: "<t>", facts: []).html.contains("&lt;t&gt;"))
  }

  @Test func answersAreFoundInWindows() throws {
    let model = try Self.model()
    let result = try train(.answer, model) {
      $0.learningRate = 0.02
      $0.epochs = 30
      $0.maxTokens = 12
      $0.stride = 3
    }
    #expect((result.metrics["exact_match"] ?? 0) > 0.8, "\(result.metrics.values)")
    let session = try Session(model: Model(model, head: result.head), threads: 1)
    // What the session says of the same questions is what was judged.
    var right = 0
    let examples = Self.dataset(.answer, count: 120, seed: 2).examples
    for example in examples {
      guard case .question(let question, let passage, let answers, _) = example.content else {
        continue
      }
      let answer = try session.predict([Text(question, passage)])[0].answer
      if answer?.text == answers.first?.text { right += 1 }
      if let answer {
        let bytes = Array(passage.utf8)[answer.begin..<answer.end]
        #expect(answer.text == String(decoding: bytes, as: UTF8.self))
      }
    }
    #expect(Double(right) / 120 == result.metrics["exact_match"])
    #expect(throws: ClozeError.self) { try session.predict(["no pair"]) }
  }

  @Test(arguments: [Head.Task.mlm, .nsp])
  func pretrainingHeadsGetBetter(_ task: Head.Task) throws {
    let result = try train(task, try Self.model()) {
      $0.epochs = 3
      $0.learningRate = 3e-3
    }
    let losses = result.epochs.map(\.loss)
    #expect(losses.count == 3)
    #expect(losses[2] < losses[0], "\(losses)")
    #expect(result.head.task == task)
    guard task == .mlm else { return }
    // Masked words are filled in by the trained head, whatever the model had.
    let model = try Self.model()
    let session = try Session(model: Model(model, head: result.head), threads: 1)
    let trained = try session.fillMask("a b [MASK] d")[0].candidates
    #expect(trained.count == 5)
    let first = try Session(model: model, threads: 1).fillMask("a b [MASK] d")[0].candidates
    #expect(trained.map(\.probability) != first.map(\.probability))
    var narrow = result.head
    for i in narrow.layers.indices where i == 1 {
      narrow.layers[i].outputs -= 1
      narrow.layers[i].bias.removeLast()
      narrow.layers[i].weight.removeLast(narrow.layers[i].inputs)
    }
    #expect(throws: ClozeError.self) { try Model(model, head: narrow) }
  }

  @Test(arguments: [
    (Head.Task.classify, 0), (.classify, 1), (.regressPairs, 1), (.tag, 0), (.answer, 0), (.mlm, 0),
  ])
  func sameBitsOnAnyNumberOfThreads(_ task: Head.Task, _ kind: Int) throws {
    func run(_ threads: Int) throws -> [UInt32] {
      let result = try train(task, try Self.model()) {
        $0.threads = threads
        if kind == 1 {
          $0.hidden = [8]
          $0.dropout = 0.2
        }
        if task != .classify || kind == 1 { $0.epochs = 2 }
      }
      return result.head.layers.flatMap { ($0.weight + $0.bias).map(\.bitPattern) }
    }
    #expect(try run(1) == run(3))
  }

  @Test func interruptedRunsGoOnToTheSameBits() throws {
    for (task, unfreeze) in [(Head.Task.classify, 0), (.tag, 0), (.mlm, 0), (.classify, 1)] {
      let model = try Self.model(unfreeze > 0 ? .float32 : .int8)
      let folder = NSTemporaryDirectory() + "cloze-training-\(UUID().uuidString)"
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      defer { try? FileManager.default.removeItem(atPath: folder) }
      func options(_ folder: String?, resume: Bool) -> TrainingOptions {
        var options = TrainingOptions()
        options.threads = 2
        options.optimizer = .adamw
        options.epochs = 4
        options.patience = 0
        options.unfreeze = unfreeze
        options.folder = folder
        options.resume = resume
        return options
      }
      func bits(_ result: TrainingResult) -> [UInt32] {
        (result.head.layers.flatMap { $0.weight + $0.bias }
          + result.head.encoderLayers.flatMap { $0.arrays.flatMap { $0 } }).map(\.bitPattern)
      }
      let data = Self.dataset(task, count: 80)
      let whole = try Trainer(model: model, task: task, options: options(nil, resume: false))
        .train(data)
      for stop in [1, 3] {
        let first = try Trainer(
          model: model, task: task, options: options(folder, resume: stop > 1))
        #expect(throws: ClozeError.self) {
          try first.train(data) { event in
            if case .step(let step) = event { step.epoch <= stop } else { true }
          }
        }
      }
      let rest = try Trainer(model: model, task: task, options: options(folder, resume: true))
        .train(data)
      #expect(bits(rest) == bits(whole))
      #expect(rest.epochs.count == 4)
      // Another seed is another run.
      var other = options(folder, resume: true)
      other.seed = 5
      let error = #expect(throws: ClozeError.self) {
        try Trainer(model: model, task: task, options: other).train(data)
      }
      #expect(error?.status == .invalidArgument)
    }
  }

  @Test func headsComeBackFromTheirFile() throws {
    let model = try Self.model(.float32)
    let path = NSTemporaryDirectory() + "cloze-head-\(UUID().uuidString).safetensors"
    defer { unlink(path) }
    for (task, unfreeze) in [(Head.Task.classify, 0), (.tag, 0), (.classify, 1)] {
      let result = try train(task, model) {
        $0.unfreeze = unfreeze
        if unfreeze > 0 { $0.epochs = 2 }
      }
      try result.head.save(to: path)
      let head = try Head(path: path)
      #expect(head.labels == result.head.labels)
      let texts: [Text] = ["a b c", "d e f", ""]
      let ours = try Session(model: Model(model, head: result.head), threads: 1).predict(texts)
      let again = try Session(model: Model(model, head: head), threads: 2).predict(texts)
      #expect(ours.map(\.probabilities) == again.map(\.probabilities))
      #expect(ours.map(\.tags) == again.map(\.tags))
      if unfreeze > 0 { #expect(head.encoderLayers.count == 1) }
    }
    // Every prefix of the file is refused.
    let bytes = try [UInt8](Data(contentsOf: URL(filePath: path)))
    for length in [0, 7, 8, 100, bytes.count - 1] {
      try Data(bytes.prefix(length)).write(to: URL(filePath: path))
      #expect(throws: ClozeError.self) { try Head(path: path) }
    }
    let other = try Model(path: Fixture.modelPath("identity-aliases"))
    let head = try train(.classify, model).head
    #expect(throws: ClozeError.self) { try Model(other, head: head) }
  }

  @Test func badDataAndOptionsAreErrors() throws {
    let model = try Self.model()
    func fails(
      _ status: ClozeError.Status, _ dataset: Dataset, valid: Dataset? = nil,
      task: Head.Task = .classify, _ set: (inout TrainingOptions) -> Void = { _ in }
    ) {
      var options = TrainingOptions()
      set(&options)
      let error = #expect(throws: ClozeError.self) {
        try Trainer(model: model, task: task, options: options).train(dataset, valid: valid)
      }
      #expect(error?.status == status, "\(error?.message ?? "")")
    }
    let good = Self.dataset(.classify, count: 20)
    fails(.invalidText, Dataset())
    fails(.invalidText, Dataset(good.examples.filter { $0.content.label == "has" }))
    fails(.invalidText, good, valid: Dataset([Example(.text("b", label: "new"))]))
    fails(.invalidText, good, task: .tag)
    fails(.invalidText, good, task: .classifyPairs)
    fails(
      .invalidText,
      Dataset([Example(.words(["a", "b"], tags: ["O"]))] + Self.dataset(.tag).examples), task: .tag)
    fails(
      .invalidText,
      Dataset((0..<20).map { _ in Example(.scored("b", value: .nan)) }), task: .regress)
    for offset in [-1, 5, .max] {
      let answer = Example.Answer(text: "b", offset: offset)
      let example = Example(.question("q", passage: "b c", answers: [answer], id: ""))
      fails(.invalidText, Dataset(Array(repeating: example, count: 20)), task: .answer)
    }
    fails(.invalidArgument, good) { $0.metric = "bleu" }
    fails(.invalidArgument, good) { $0.epochs = 0 }
    fails(.invalidArgument, good) { $0.learningRate = .nan }
    fails(.invalidArgument, good) { $0.unfreeze = 1 }
    fails(.invalidArgument, good) { $0.maxTokens = 10_000 }
    fails(.invalidArgument, good) { $0.classWeights = ["none": 1] }
    // Options that would do nothing.
    fails(.invalidArgument, good) { $0.tied = false }
    fails(.invalidArgument, Self.dataset(.mlm, count: 20), task: .mlm) { $0.hidden = [8] }
    fails(.invalidArgument, Self.dataset(.mlm, count: 20), task: .mlm) { $0.optimizer = .lbfgs }
    fails(.invalidArgument, Self.dataset(.regress, count: 20), task: .regress) {
      $0.balanced = true
    }
    fails(.invalidArgument, Self.dataset(.regress, count: 20), task: .regress) {
      $0.labelSmoothing = 0.1
    }
    fails(.invalidArgument, good) {
      $0.optimizer = .lbfgs
      $0.dropout = 0.1
    }
  }
}

extension Example.Content {
  fileprivate var label: String? { if case .text(_, let label) = self { label } else { nil } }
}
