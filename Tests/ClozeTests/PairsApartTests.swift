import ClozeIO
import ClozeTestSupport
import ClozeTokenizer
import Testing

@testable import Cloze

/// Heads of pairs whose texts are encoded apart.
@Suite struct PairsApartTests {
  private let base: Model

  init() throws {
    let vocabulary = TextTests.vocabulary.joined(separator: "\n")
    let tokenizer = try Tokenizer(vocabulary: Array(vocabulary.utf8))
    base = try Model(
      path: Fixture.modelPath("pretraining-float16"),
      options: LoadOptions(precision: .float32, tokenizer: tokenizer))
  }

  private func texts(_ count: Int) -> [Text] {
    (0..<count).map { i in
      Text(
        String(repeating: "a b ", count: i % 5) + "c",
        String(repeating: "d ", count: i * i % 7) + (i % 3 == 0 ? "" : "e"))
    }
  }

  @Test func aNumberIsALinearFunctionOfTheFeatures() throws {
    let width = base.info.hiddenSize
    var random = Random(state: 3)
    let weight = (0..<(4 * width)).map { _ in Float.random(in: -1...1, using: &random) }
    let head = Head(
      task: .regressPairs, labels: [],
      layers: [Head.Dense(inputs: 4 * width, outputs: 1, weight: weight, bias: [0.25])], pairs: .apart, maxTokens: 20,
      encoder: base.fingerprint)
    let given = texts(9)
    let said = try Session(model: Model(base, head: head), threads: 2).predict(given)
    let encoder = try Session(model: base, threads: 1)
    let options = EmbeddingOptions(pooling: .mean, normalize: true)
    for (text, prediction) in zip(given, said) {
      let vectors = try encoder.embed([Text(text.first), Text(text.second ?? "")], embedding: options)
      let (u, v) = (vectors[0].map(Double.init), vectors[1].map(Double.init))
      let features = u + v + zip(u, v).map { abs($0 - $1) } + zip(u, v).map { $0 * $1 }
      let value = zip(features, weight).reduce(0.25) { $0 + $1.0 * Double($1.1) }
      // 2 eps (k + 1) max|a| max|b|, of a sum of 4 D products; features are at most 2.
      let bound = 2 * Double(Float.ulpOfOne) * Double(4 * width + 1) * 2
      #expect(abs(Double(prediction.value ?? .nan) - value) <= bound)
    }
  }

  @Test(arguments: Precision.allCases) func aPairDependsOnNoOther(_ precision: Precision) throws {
    let model = try HeadedSessions(precision).apart.model
    let session = try Session(model: model, threads: 2)
    let given = texts(400)
    let said = try session.predict(given)
    #expect(said.count == given.count)
    for i in [0, 1, 2, 57, 133, 398, 399] { #expect(try session.predict([given[i]])[0].bits == said[i].bits) }
  }

  @Test func whatIsRefusedAndTruncated() throws {
    let model = try HeadedSessions(.float32).apart.model
    let session = try Session(model: model, threads: 1)
    let long = String(repeating: "a ", count: 40)
    #expect(
      try session.predict([Text("a", "b"), Text("a", long), Text(long, "b")]).map(\.truncated) == [false, true, true])
    expectError(.invalidArgument, "text 1 is not a pair") { _ = try session.predict([Text("a", "b"), Text("a")]) }
    #expect(try session.predict([]).isEmpty)
    // Its input is no row of one sequence.
    #expect(!model.info.heads.contains(.classes))
    expectError(.noHead, "classification head") {
      _ = try session.run(ids: [2, 3], cuSeqlens: [0, 2], output: .classes)
    }
    var head = Head.random(.classifyPairs, on: base, pairs: .apart)
    head.task = .classify
    expectError(.invalidModel, "features of two texts") { _ = try Model(base, head: head) }
    head.task = .classifyPairs
    head.layers[0].inputs -= 1
    expectError(.invalidModel, "head's") { _ = try Model(base, head: head) }
  }
}
