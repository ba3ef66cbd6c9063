import Cloze
import Testing

@testable import ClozeTraining

/// Predictions of trained heads for many texts at once.
struct PredictionTests {
  private func head(_ task: Head.Task, _ model: Model, maxTokens: Int) throws -> Head {
    var options = TrainingOptions()
    options.threads = 1
    options.epochs = 12
    options.maxTokens = maxTokens
    options.stride = 4
    return try Trainer(model: model, task: task, options: options).train(TrainerTests.dataset(task, count: 120)).head
  }

  /// More tokens than go through the encoder at once, texts without a word, texts longer than a window.
  private static let texts: [String] = (0..<400).map { i in
    var random = TrainingRandom(7, path: [UInt64(i)])
    let count = i % 50 == 3 ? 0 : 1 + random.below(i % 40 == 0 ? 40 : 9)
    return (0..<count).map { _ in "abwxyz".map(String.init)[random.below(6)] }.joined(separator: " ")
  }

  @Test(arguments: [Precision.int8, .float32]) func tagsDependOnTheirTextOnly(_ precision: Precision) throws {
    let model = try TrainerTests.model(precision)
    let trained = try Model(model, head: head(.tag, model, maxTokens: 20))
    let session = try Session(model: trained, threads: 3)
    let single = try Session(model: trained, threads: 1)
    let all = try session.predict(Self.texts.map { Text($0) })
    #expect(all.count == Self.texts.count)
    #expect(all.contains { $0.tags.count > 20 } && all.contains { $0.entities.count > 1 })
    for (text, prediction) in zip(Self.texts, all) {
      let alone = try single.predict([Text(text)])[0]
      #expect(prediction.tags == alone.tags && prediction.entities == alone.entities)
      #expect(!prediction.truncated && prediction.tags.count == text.split(separator: " ").count)
    }
    #expect(try session.predict([]).isEmpty)
    #expect(try session.predict(["", " "]).map(\.tags.count) == [0, 0])
  }

  /// A length limit of a call is as one of the head, in predictions and in evaluations.
  @Test(arguments: [Head.Task.classify, .tag, .answer]) func takesALimit(_ task: Head.Task) throws {
    let model = try TrainerTests.model()
    var head = try head(task, model, maxTokens: 20)
    let long = try Session(model: Model(model, head: head), threads: 1)
    head.maxTokens = 12
    let short = try Session(model: Model(model, head: head), threads: 1)
    let texts = Self.texts.map { task == .answer ? Text("q", $0) : Text($0) }
    let limited = try long.predict(texts, maxTokens: 12)
    func said(_ predictions: [Prediction]) -> [String] { predictions.map { "\($0)" } }
    #expect(try said(limited) == said(short.predict(texts)))
    if task != .answer { #expect(try said(limited) != said(long.predict(texts))) }
    #expect(limited.contains { $0.truncated } == (task == .classify))
    let data = TrainerTests.dataset(task, count: 20)
    let judged = try long.evaluate(data, maxTokens: 12)
    #expect(try judged.json == short.evaluate(data).json)
    for limit in [0, -1, model.info.maxPositionEmbeddings + 1] {
      #expect(throws: ClozeError.self) { try long.predict(texts, maxTokens: limit) }
      #expect(throws: ClozeError.self) { try long.evaluate(data, maxTokens: limit) }
    }
    // Nothing is left of the texts, or no room for them.
    func status(_ body: () throws -> Void) -> ClozeError.Status? {
      do { try body() } catch { return (error as? ClozeError)?.status ?? .internal }
      return nil
    }
    let expected: [ClozeError.Status?] = [nil, .tooLong, .invalidText]
    for limit in 1...4 {
      #expect(expected.contains(status { _ = try long.predict(texts, maxTokens: limit) }))
      #expect(expected.contains(status { _ = try long.evaluate(data, maxTokens: limit) }))
    }
  }

  @Test(arguments: [Precision.int8, .float32]) func answersDependOnTheirTextOnly(_ precision: Precision) throws {
    let model = try TrainerTests.model(precision)
    let trained = try Model(model, head: head(.answer, model, maxTokens: 16))
    let session = try Session(model: trained, threads: 3)
    let single = try Session(model: trained, threads: 1)
    let pairs = Self.texts.map { Text("q", $0) }
    let all = try session.predict(pairs)
    #expect(all.count == pairs.count && all.contains { $0.answer != nil })
    for (pair, prediction) in zip(pairs, all) { #expect(try single.predict([pair])[0].answer == prediction.answer) }
    #expect(try session.predict([]).isEmpty)
    #expect(throws: ClozeError.self) { try session.predict([pairs[0], "no pair"]) }
  }
}
