import Cloze
import ClozeTestSupport
import ClozeTokenizer
import Foundation
import Testing

@testable import ClozeTraining

/// Training from end to end, on a model of random weights: what a text holds can be told from its
/// tokens' vectors all the same.
struct TrainerTests {
  static func model(_ precision: Precision = .int8, _ name: String = "pretraining-float16", _ isa: ISA? = nil) throws
    -> Model
  {
    let letters = (UInt8(ascii: "a")...UInt8(ascii: "z")).map { String(UnicodeScalar($0)) }
    let named = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + letters + letters.map { "##" + $0 }
    let size = name == "pretraining-float16" ? 1003 : name == "mpnet" ? 53 : 103
    let vocabulary = (named + (named.count..<1003).map { "word\($0)" }).prefix(size)
    let tokenizer = try Tokenizer(vocabulary: Array(vocabulary.joined(separator: "\n").utf8))
    return try Model(
      path: Fixture.modelPath(name), options: LoadOptions(precision: precision, isa: isa, tokenizer: tokenizer))
  }

  /// Examples whose label, number or tags depend on their letters.
  static func dataset(_ task: Head.Task, count: Int = 240, seed: UInt64 = 1) -> Dataset {
    var random = TrainingRandom(seed, path: [100])
    let letters = "bcdefghijklmnopqrstuvwxyz".map(String.init)
    return Dataset(
      (0..<count).map { i in
        var words = (0..<(3 + random.below(5))).map { _ in letters[random.below(letters.count)] }
        let isA = random.unit() < 0.5
        if isA { for _ in 0..<3 { words.insert("a", at: random.below(words.count)) } }
        let text = words.joined(separator: " ")
        switch task {
        case .classify: return Example(.text(Text(text), label: isA ? "has" : "lacks"))
        case .classifyPairs: return Example(.text(Text(text, "b c"), label: isA ? "has" : "lacks"))
        case .multilabel:
          let hasB = words.contains("b")
          return Example(.labelled(Text(text), labels: (isA ? ["a"] : []) + (hasB ? ["b"] : [])))
        case .regress: return Example(.scored(Text(text), value: isA ? 3 : -1))
        case .regressPairs: return Example(.scored(Text(text, "z"), value: isA ? 3 : -1))
        case .tag: return Example(.words(words, tags: words.map { $0 == "a" ? "B-A" : "O" }))
        case .answer:
          // Not "a", an article, which does not count in an answer.
          let place = words.firstIndex(of: "a")
          return Example(
            .question(
              "q", passage: words.map { $0 == "a" ? "w" : $0 == "w" ? "v" : $0 }.joined(separator: " "),
              answers: place.map { [Example.Answer(text: "w", offset: 2 * $0)] } ?? [], id: "\(i)"))
        case .mlm, .nsp: return Example(.document(words + words))
        }
      })
  }

  private func train(_ task: Head.Task, _ model: Model, _ set: (inout TrainingOptions) -> Void = { _ in }) throws
    -> TrainingResult
  {
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
    (Head.Task.classify, "accuracy", 0.9), (.classifyPairs, "accuracy", 0.9), (.multilabel, "f1_micro", 0.8),
    (.regress, "pearson", 0.8), (.regressPairs, "pearson", 0.8), (.tag, "f1", 0.9),
  ]) func learns(_ task: Head.Task, _ metric: String, _ least: Double) throws {
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
      guard case .question(let question, let passage, let answers, _) = example.content else { continue }
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

  @Test(arguments: [Head.Task.mlm, .nsp]) func pretrainingHeadsGetBetter(_ task: Head.Task) throws {
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

  @Test(arguments: [(Head.Task.classify, 0), (.classify, 1), (.regressPairs, 1), (.tag, 0), (.answer, 0), (.mlm, 0)])
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
    for (task, unfreeze) in [(Head.Task.classify, 0), (.tag, 0), (.mlm, 0), (.classify, 1), (.tag, .max), (.mlm, .max)]
    {
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
        var values = result.head.layers.flatMap { $0.weight + $0.bias }
        for layer in result.head.encoderLayers { values += EncoderLayerParameter.allCases.flatMap { layer[$0] } }
        if let embeddings = result.head.embeddings { values += EmbeddingParameter.allCases.flatMap { embeddings[$0] } }
        return values.map(\.bitPattern)
      }
      let data = Self.dataset(task, count: 80)
      let whole = try Trainer(model: model, task: task, options: options(nil, resume: false)).train(data)
      for stop in [1, 3] {
        let first = try Trainer(model: model, task: task, options: options(folder, resume: stop > 1))
        #expect(throws: ClozeError.self) {
          try first.train(data) { event in if case .step(let step) = event { step.epoch <= stop } else { true } }
        }
      }
      let rest = try Trainer(model: model, task: task, options: options(folder, resume: true)).train(data)
      #expect(bits(rest) == bits(whole))
      #expect(rest.epochs.count == 4)
      // Another seed is another run.
      var other = options(folder, resume: true)
      other.seed = 5
      let error = #expect(throws: ClozeError.self) { try Trainer(model: model, task: task, options: other).train(data) }
      #expect(error?.status == .invalidArgument)
    }
  }

  @Test func headsComeBackFromTheirFile() throws {
    let model = try Self.model(.float32)
    let path = NSTemporaryDirectory() + "cloze-head-\(UUID().uuidString).safetensors"
    defer { unlink(path) }
    for (task, unfreeze) in [(Head.Task.classify, 0), (.tag, 0), (.classify, 1), (.nsp, 1), (.tag, .max)] {
      let result = try train(task, model) {
        $0.unfreeze = unfreeze
        if unfreeze > 0 { $0.epochs = 2 }
      }
      try result.head.save(to: path)
      let head = try Head(path: path)
      #expect(head.labels == result.head.labels)
      let texts: [Text] = task == .nsp ? [Text("a b", "c d")] : ["a b c", "d e f", ""]
      let ours = try Session(model: Model(model, head: result.head), threads: 1).predict(texts)
      let again = try Session(model: Model(model, head: head), threads: 2).predict(texts)
      #expect(ours.map(\.probabilities) == again.map(\.probabilities))
      #expect(ours.map(\.tags) == again.map(\.tags))
      #expect(head.encoderLayers.count == min(unfreeze, model.info.numHiddenLayers))
      // The model has one layer.
      #expect((head.embeddings != nil) == (unfreeze > 0))
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

  /// All layers and the embeddings learn more than the head alone, and the head's file predicts in
  /// int8 too.
  @Test(arguments: [Head.Task.tag, .classify]) func theWholeEncoderLearns(_ task: Head.Task) throws {
    let model = try Self.model(.float32)
    func options(_ options: inout TrainingOptions) {
      options.optimizer = .adamw
      options.learningRate = 2e-3
      options.epochs = 3
      options.dropout = 0
    }
    let head = try train(task, model, options)
    let all = try train(task, model) {
      options(&$0)
      $0.unfreeze = .max
    }
    #expect(all.epochs[0].loss < head.epochs[0].loss)
    #expect((all.metrics["loss"] ?? 9) < (head.metrics["loss"] ?? 0))
    let embeddings = try #require(all.head.embeddings)
    let before = try #require(model.encoderEmbeddings?.embeddings)
    for parameter in EmbeddingParameter.allCases { #expect(embeddings[parameter] != before[parameter]) }
    let exact = try Model(model, head: all.head)
    let int8 = try Model(Self.model(.int8), head: all.head)
    for example in Self.dataset(task, count: 60, seed: 2).examples {
      guard case .text(let text, _) = example.content else { continue }
      let a = try Session(model: exact, threads: 1).predict([text])[0].probabilities
      let b = try Session(model: int8, threads: 2).predict([text, text])[1].probabilities
      for (x, y) in zip(a, b) { #expect(abs(x - y) < 0.1) }
    }
    // What is judged in training is what is predicted.
    var right = 0
    let session = try Session(model: exact, threads: 1)
    let examples = Self.dataset(task, count: 120, seed: 2).examples
    for case .text(let text, let label) in examples.map(\.content) {
      if try session.predict([text])[0].label == label { right += 1 }
    }
    if task == .classify { #expect(Double(right) / 120 == all.metrics["accuracy"]) }
  }

  /// The head learns at the whole rate, the last layer at its share, the embeddings at the least; and dropout is of the
  /// encoder's layers too.
  @Test func ratesFallWithDepth() throws {
    let model = try Self.model(.float32)
    var options = TrainingOptions()
    options.unfreeze = .max
    options.layerDecay = 0.5
    let setup = try Trainer(model: model, task: .classify, options: options).setup
    #expect(setup.settings.dropout.head == 0.1 && setup.settings.dropout.encoder == 0.1)
    let trained = try TrainableModel(setup, labels: ["a", "b"])
    let rates = trained.rates(layerDecay: options.layerDecay)
    let (layers, parts) = (model.info.numHiddenLayers, EncoderLayerParameter.allCases.count)
    #expect(rates.map(\.count) == trained.blocks.map(\.segments.count))
    #expect(Set(rates[0]) == [1])
    #expect(Set(rates[1].suffix(parts)) == [0.5])
    #expect(Set(rates[1].prefix(parts)) == [pow(0.5, Double(layers))])
    #expect(Set(rates[2]) == [pow(0.5, Double(layers + 1))])
    // What learns at a hundredth of the rate from layer to layer moves less, and training is another with dropout.
    func moved(_ change: (inout TrainingOptions) -> Void) throws -> Float {
      let result = try train(.classify, model) {
        $0.unfreeze = .max
        $0.epochs = 1
        $0.dropout = 0
        change(&$0)
      }
      let before = try #require(model.encoderEmbeddings?.embeddings)
      let after = try #require(result.head.embeddings)
      return zip(after.position, before.position).reduce(0) { $0 + abs($1.0 - $1.1) }
    }
    let whole = try moved { _ in }
    #expect(try moved { $0.layerDecay = 0.1 } < 0.2 * whole)
    #expect(try moved { $0.dropout = 0.3 } != whole)
  }

  /// The bias by relative position, which all layers share, is trained where all of them are.
  @Test(arguments: [1, .max]) func relativePositionsLearn(_ unfreeze: Int) throws {
    let model = try Self.model(.float32, "mpnet")
    let result = try train(.tag, model) {
      $0.unfreeze = unfreeze
      $0.learningRate = 2e-3
      $0.epochs = 3
      $0.dropout = 0
    }
    #expect(result.epochs[2].loss < result.epochs[0].loss)
    let before = try #require(model.attentionBias)
    guard unfreeze > 1 else {
      #expect(result.head.attentionBias == nil)
      return
    }
    let after = try #require(result.head.attentionBias)
    // Of the nearest keys, which every text has.
    for bucket in [0, 1, 2, 17, 18] {
      for i in 0..<5 { #expect(after[5 * bucket + i] != before[5 * bucket + i]) }
    }
    #expect(after.count == 160 && after[5 * 31] == before[5 * 31])
    let path = NSTemporaryDirectory() + "cloze-head-\(UUID().uuidString).safetensors"
    defer { unlink(path) }
    try result.head.save(to: path)
    let head = try Head(path: path)
    #expect(head.attentionBias == after)
    let trained = try Model(model, head: head)
    #expect(trained.attentionBias == after)
    var right = 0.0
    let session = try Session(model: trained, threads: 1)
    let examples = Self.dataset(.tag, count: 120, seed: 2).examples
    for case .words(let words, let tags) in examples.map(\.content) {
      let found = try session.predict([Text(words.joined(separator: " "))])[0].tags.map(\.text)
      if found == tags { right += 1 }
    }
    #expect(right > 60)
    var other = head
    other.attentionBias = nil
    #expect(throws: ClozeError.self) { try Model(model, head: other) }
    other.attentionBias = Array(after.dropLast())
    #expect(throws: ClozeError.self) { try Model(model, head: other) }
  }

  /// A head over all layers comes back from its file, and in int8 says the same of a text whatever
  /// goes with it.
  @Test(arguments: [Head.Task.classify, .regressPairs, .tag, .answer]) func mixedLayersLearn(_ task: Head.Task) throws {
    let model = try Self.model(.int8, "base-3-layers-opset11")
    let folder = NSTemporaryDirectory() + "cloze-training-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let result = try train(task, model) {
      $0.layers = .mix
      $0.learningRate = 0.02
      $0.epochs = 5
      $0.folder = folder
      $0.memoryLimit = 0
    }
    #expect(result.epochs[4].loss < result.epochs[0].loss)
    let mix = try #require(result.head.mix)
    #expect(mix.shares.count == 4)
    #expect(mix.shares.allSatisfy { abs($0 - 0.25) > 1e-4 })
    let path = NSTemporaryDirectory() + "cloze-head-\(UUID().uuidString).safetensors"
    defer { unlink(path) }
    try result.head.save(to: path)
    let head = try Head(path: path)
    #expect(head.mix?.weights == mix.weights)
    let texts = Self.dataset(task, count: 40, seed: 2).examples.map { example in
      switch example.content {
      case .text(let text, _), .scored(let text, _): text
      case .words(let words, _): Text(words.joined(separator: " "))
      case .question(let question, let passage, _, _): Text(question, passage)
      default: Text("")
      }
    }
    func bits(_ predictions: [Prediction]) -> [[UInt32]] {
      predictions.map {
        ($0.probabilities + [$0.value ?? 0, $0.answer?.probability ?? 0] + $0.tags.map(\.probability)).map(\.bitPattern)
      }
    }
    let trained = try Model(model, head: head)
    let together = bits(try Session(model: trained, threads: 3).predict(texts))
    let single = try Session(model: trained, threads: 1)
    #expect(try texts.flatMap { bits(try single.predict([$0])) } == together)
    let narrow = try Session(model: trained, threads: 4)
    #expect(try texts.prefix(5).flatMap { bits(try narrow.predict([$0])) } == Array(together.prefix(5)))
    for isa in ISA.allCases {
      guard let other = try? Self.model(.int8, "base-3-layers-opset11", isa) else { continue }
      let session = try Session(model: Model(other, head: head), threads: 2)
      #expect(bits(try session.predict(texts)) == together, "\(isa)")
    }
    // In float32 the same, but for rounding.
    let exact = try Model(Self.model(.float32, "base-3-layers-opset11"), head: head)
    let near = try Session(model: exact, threads: 2).predict(texts)
    for (a, b) in zip(try single.predict(texts), near) {
      for (x, y) in zip(a.probabilities, b.probabilities) { #expect(abs(x - y) < 0.15) }
    }
    // What is judged is what is predicted.
    if task == .classify {
      var right = 0
      let examples = Self.dataset(task, count: 120, seed: 2).examples
      for case .text(let text, let label) in examples.map(\.content) {
        if try single.predict([text])[0].label == label { right += 1 }
      }
      #expect(abs(Double(right) / 120 - (result.metrics["accuracy"] ?? 0)) < 0.01)
    }
    var damaged = head
    damaged.mix?.shares.removeLast()
    #expect(throws: ClozeError.self) { try Model(model, head: damaged) }
    damaged.mix?.shares[0] = .nan
    #expect(throws: ClozeError.self) { try damaged.check() }
  }

  /// The last two of three layers.
  /// Predictions of the trained model are those of the training's own evaluation, and its features those of `predict`.
  @Test(arguments: [Head.Task.classifyPairs, .regressPairs]) func pairsApartAreLearned(_ task: Head.Task) throws {
    let model = try Self.model()
    let result = try train(task, model) { $0.pairs = .apart }
    #expect(result.head.pairs == .apart && result.head.inputs == 4 * model.info.hiddenSize)
    let name = task == .classifyPairs ? "accuracy" : "pearson"
    #expect(result.metrics[name] ?? 0 > 0.85)
    let evaluation = try Session(model: Model(model, head: result.head), threads: 1).evaluate(
      Self.dataset(task, count: 120, seed: 2))
    #expect(abs((evaluation.metrics[name] ?? 0) - (result.metrics[name] ?? 1)) < 1e-4)
    // The built-in default: a model with a next-sentence head reads pairs together.
    #expect(try train(task, model).head.pairs == .joint)
    for set in [{ $0.unfreeze = 1 }, { $0.layers = .mix }] as [(inout TrainingOptions) -> Void] {
      #expect(throws: ClozeError.self) {
        try train(task, try Self.model(.float32)) {
          $0.pairs = .apart
          set(&$0)
        }
      }
    }
    #expect(throws: ClozeError.self) { try train(.classify, model) { $0.pairs = .joint } }
  }

  @Test(arguments: [Head.Task.mlm, .nsp, .classifyPairs]) func lastLayersLearn(_ task: Head.Task) throws {
    let model = try Self.model(.float32, "base-3-layers-opset11")
    let result = try train(task, model) {
      $0.unfreeze = 2
      $0.epochs = 3
      $0.learningRate = 2e-3
    }
    let losses = result.epochs.map(\.loss)
    #expect(losses[2] < losses[0], "\(losses)")
    #expect(result.head.encoderLayers.count == 2)
    #expect(result.head.embeddings == nil)
    for (i, layer) in result.head.encoderLayers.enumerated() {
      #expect(layer.query.weight != model.encoderLayer(1 + i).query.weight)
    }
    _ = try Model(Self.model(.int8, "base-3-layers-opset11"), head: result.head)
  }

  /// A masked language model that was trained is what fills masks.
  @Test(arguments: [(0, true), (0, false), (Int.max, true), (.max, false)]) func trainedMaskedLMFillsMasks(
    _ unfreeze: Int, _ tied: Bool
  ) throws {
    let model = try Self.model(.float32)
    let dataset = Dataset((0..<40).map { i in Example(.document(["a b c a b c", "d e f d e f"])) })
    var options = TrainingOptions()
    options.unfreeze = unfreeze
    options.tied = tied
    options.learningRate = 5e-3
    options.epochs = 12
    options.batchSize = 8
    let result = try Trainer(model: model, task: .mlm, options: options).train(dataset)
    #expect(result.epochs.last?.loss ?? 9 < result.epochs[0].loss)
    #expect(result.head.encoderLayers.count == min(unfreeze, model.info.numHiddenLayers))
    let isTied = result.head.layers[1].weight == result.head.embeddings?.word
    #expect(isTied == (unfreeze == .max && tied))
    let path = NSTemporaryDirectory() + "cloze-head-\(UUID().uuidString).safetensors"
    defer { unlink(path) }
    try result.head.save(to: path)
    let head = try Head(path: path)
    #expect(head.layers[1].weight == result.head.layers[1].weight)
    for precision in Precision.allCases {
      let trained = try Model(Self.model(precision), head: head)
      let found = try Session(model: trained, threads: 1).fillMask("d e [MASK] d e f", targets: ["a", "b", "f", "x"])
      #expect(found[0].candidates[0].token == "f", "\(precision)")
    }
  }

  @Test func badDataAndOptionsAreErrors() throws {
    let model = try Self.model()
    func fails(
      _ status: ClozeError.Status, _ dataset: Dataset, valid: Dataset? = nil, task: Head.Task = .classify,
      _ set: (inout TrainingOptions) -> Void = { _ in }
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
    fails(.invalidText, Dataset([Example(.words(["a", "b"], tags: ["O"]))] + Self.dataset(.tag).examples), task: .tag)
    fails(.invalidText, Dataset((0..<20).map { _ in Example(.scored("b", value: .nan)) }), task: .regress)
    for offset in [-1, 5, .max] {
      let answer = Example.Answer(text: "b", offset: offset)
      let example = Example(.question("q", passage: "b c", answers: [answer], id: ""))
      fails(.invalidText, Dataset(Array(repeating: example, count: 20)), task: .answer)
    }
    fails(.invalidArgument, good) { $0.metric = "bleu" }
    fails(.invalidArgument, good) { $0.epochs = 0 }
    fails(.invalidArgument, good) { $0.learningRate = .nan }
    fails(.invalidArgument, good) { $0.unfreeze = 1 }
    fails(.invalidArgument, good) { $0.unfreeze = 2 }
    fails(.invalidArgument, good) {
      $0.layers = .mix
      $0.optimizer = .lbfgs
    }
    fails(.invalidArgument, good) {
      $0.layers = .mix
      $0.pooling = .max
    }
    fails(.invalidArgument, Self.dataset(.mlm), task: .mlm) { $0.layers = .mix }
    fails(.invalidArgument, good) { $0.maxTokens = 10_000 }
    fails(.invalidArgument, good) { $0.classWeights = ["none": 1] }
    // Options that would do nothing.
    fails(.invalidArgument, good) { $0.tied = false }
    fails(.invalidArgument, Self.dataset(.mlm, count: 20), task: .mlm) { $0.hidden = [8] }
    fails(.invalidArgument, Self.dataset(.mlm, count: 20), task: .mlm) { $0.optimizer = .lbfgs }
    fails(.invalidArgument, Self.dataset(.regress, count: 20), task: .regress) { $0.balanced = true }
    fails(.invalidArgument, Self.dataset(.regress, count: 20), task: .regress) { $0.labelSmoothing = 0.1 }
    fails(.invalidArgument, good) {
      $0.optimizer = .lbfgs
      $0.dropout = 0.1
    }
  }
}

extension Example.Content {
  fileprivate var label: String? { if case .text(_, let label) = self { label } else { nil } }
}
