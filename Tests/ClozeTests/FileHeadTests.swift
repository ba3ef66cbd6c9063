import ClozeIO
import ClozeTestSupport
import ClozeTokenizer
import Foundation
import Testing

@testable import Cloze

/// Predictions of heads that a model's file brings.
struct FileHeadTests {
  /// A fixture with a vocabulary of letters.
  private func model(_ name: String, _ precision: Precision = .float32) throws -> Model {
    let entries = try Model.fixture(name, precision).info.vocabSize
    let vocabulary = TextTests.vocabulary.prefix(entries).joined(separator: "\n")
    let tokenizer = try Tokenizer(vocabulary: Array(vocabulary.utf8))
    return try Model(
      path: Fixture.modelPath(name), options: LoadOptions(precision: precision, tokenizer: tokenizer))
  }

  private static let texts: [Text] = ["a b", Text("c", "d e"), "", "abc x abc"]

  /// The softmax in Double.
  private func softmax(_ logits: ArraySlice<Float>) -> [Double] {
    let numbers = logits.map { exp(Double($0) - Double(logits.max() ?? 0)) }
    return numbers.map { $0 / numbers.reduce(0, +) }
  }

  @Test(
    arguments: ["classifier", "classifier-of-two", "distilbert-classifier", "int8/qoperator-classifier"],
    Precision.allCases)
  func classes(_ name: String, _ precision: Precision) throws {
    let model = try model(name, precision)
    let session = try Session(model: model, threads: 2)
    let tokenizer = try #require(model.tokenizer)
    let labels = model.info.labels
    #expect(model.info.task == .classify && labels.count > 1)
    let said = try session.predict(Self.texts)
    for (text, prediction) in zip(Self.texts, said) {
      let encoding = try tokenizer.encode(text.first, pair: text.second)
      let types = model.info.typeVocabSize > 1 ? encoding.typeIDs : nil
      let logits = try session.run(
        ids: encoding.ids, cuSeqlens: [0, Int32(encoding.ids.count)], typeIDs: types, output: .classes)
      let right = softmax(logits[...])
      #expect(prediction.probabilities.count == labels.count && !prediction.truncated)
      // A softmax of few numbers is right to some units in the last place.
      for (a, b) in zip(prediction.probabilities, right) { #expect(abs(Double(a) - b) < 1e-6) }
      let best = right.indices.max { right[$0] < right[$1] } ?? 0
      #expect(prediction.label == labels[best])
      #expect(try session.predict([text])[0].bits == prediction.bits)
    }
    if labels.count == 2 {
      let ranked = try session.rerank("a", ["b", "c d", "b"])
      let second = try session.predict([Text("a", "b"), Text("a", "c d"), Text("a", "b")]).map { $0.probabilities[1] }
      #expect(ranked.map(\.score) == ranked.map { second[$0.index] })
      let order = ranked.map(\.index)
      #expect(order == [0, 2, 1] || order == [1, 0, 2])
      #expect(try session.rerank("a", ["b", "c d", "b"], topK: 1).map(\.index) == [order[0]])
      expectError(.invalidArgument, "top_k") { _ = try session.rerank("a", ["b"], topK: 0) }
    } else {
      expectError(.noHead, "one output or of two classes") { _ = try session.rerank("a", ["b"]) }
    }
  }

  @Test(arguments: ["token-classifier", "../pretrained/tags"], Precision.allCases)
  func tags(_ name: String, _ precision: Precision) throws {
    let model = try model(name, precision)
    let session = try Session(model: model, threads: 2)
    #expect(model.info.task == .tag)
    let limit = model.info.maxTokens
    let long = (0..<(3 * limit)).map { ["a", "b", "cd", "x"][$0 * $0 % 7 % 4] }
    let texts = [Text("a b"), Text(""), Text(long.joined(separator: " "))]
    let said = try session.predict(texts)
    #expect(said.map(\.tags.count) == [2, 0, long.count])
    #expect(said.allSatisfy { !$0.truncated })
    for span in said[2].tags {
      #expect(model.info.labels.contains(span.text) && span.probability > 0 && span.probability <= 1)
    }
    for (text, prediction) in zip(texts, said) { #expect(try session.predict([text])[0].bits == prediction.bits) }
    let words = try session.predict(words: long)
    #expect(words.tags.map(\.text) == said[2].tags.map(\.text))
    #expect(words.tags.map(\.probability).bits == said[2].tags.map(\.probability).bits)
    expectError(.noHead, "tag") { _ = try session.rerank("a", ["b"]) }
  }

  @Test(arguments: Precision.allCases) func answers(_ precision: Precision) throws {
    let model = try model("answers", precision)
    let session = try Session(model: model, threads: 2)
    #expect(model.info.task == .answer && model.info.labels.isEmpty)
    let passage = Array(repeating: "ab c", count: 3 * model.info.maxTokens).joined(separator: " ")
    let pairs = [Text("a", "b c"), Text("a", passage), Text("a", "")]
    let said = try session.predict(pairs)
    for (pair, prediction) in zip(pairs, said) {
      #expect(try session.predict([pair])[0].bits == prediction.bits)
      #expect((prediction.answer == nil) == (pair.second == ""))
      guard let answer = prediction.answer else { continue }
      #expect(answer.probability > 0 && answer.probability <= 1)
      let bytes = Array((pair.second ?? "").utf8)
      #expect(answer.text == String(decoding: bytes[answer.begin..<answer.end], as: UTF8.self))
    }
    expectError(.invalidArgument, "not a pair") { _ = try session.predict(["a"]) }
  }

  /// The prepared form and exported files say the same, with bits of the same logits.
  @Test(arguments: [
    "classifier", "classifier-of-two", "distilbert-classifier", "token-classifier", "answers",
    "../pretrained/tags",
  ]) func otherForms(_ name: String) throws {
    try withFolder { folder in
      let source = try model(name)
      let options = LoadOptions(precision: .float32, tokenizer: source.tokenizer)
      try Model.convert(Fixture.modelPath(name), to: folder + "/a.cloze", options: options)
      try Model.export(Fixture.modelPath(name), to: folder + "/a.onnx", options: options)
      try Model.export(folder + "/a.cloze", to: folder + "/b.onnx")
      let texts = source.info.task == .answer ? [Text("a", "b c d")] : Self.texts
      let right = try Session(model: source, threads: 1).predict(texts).map(\.bits)
      for file in ["a.cloze", "a.onnx", "b.onnx"] {
        let found = try Model(path: folder + "/" + file, options: options)
        #expect(found.info.task == source.info.task && found.info.labels == source.info.labels, "\(file)")
        #expect(try Session(model: found, threads: 1).predict(texts).map(\.bits) == right, "\(file)")
      }
    }
  }
}

/// What config.json says about a head.
struct HeadSettingsTests {
  private func settings(_ config: String) throws -> HeadSettings {
    try HeadSettings(JSONField(parsing: Array(config.utf8), name: "config.json"))
  }

  @Test(arguments: [
    ("{}", 3, Head.Task.classify), ("{}", 1, .regress), (#"{"problem_type": null}"#, 2, .classify),
    (#"{"problem_type": "single_label_classification"}"#, 2, .classify),
    (#"{"problem_type": "multi_label_classification"}"#, 2, .multilabel),
    (#"{"problem_type": "multi_label_classification"}"#, 1, .multilabel),
    (#"{"problem_type": "regression"}"#, 1, .regress), (#"{"problem_type": "regression"}"#, 4, .regress),
    (#"{"sentence_transformers": {"activation_fn": "custom.Function"}}"#, 3, .classify),
  ]) func task(_ config: String, _ outputs: Int, _ task: Head.Task) throws {
    let settings = try settings(config)
    #expect(settings.task(of: .classes, outputs: outputs) == task)
    #expect(settings.unsupportedReason(classes: outputs) == nil)
    #expect(settings.task(of: .tags, outputs: outputs) == .tag)
    #expect(settings.task(of: .answer, outputs: 2) == .answer)
    #expect(settings.task(of: .nextSentence, outputs: 2) == nil)
  }

  @Test(arguments: [
    ("{}", true), (#"{"problem_type": "regression"}"#, false),
    (#"{"sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"}}"#, false),
    (#"{"sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Sigmoid"}}"#, true),
    (#"{"sentence_transformers": {"activation_fn": null}}"#, true), (#"{"sentence_transformers": {}}"#, true),
    (#"{"sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity"}"#, false),
    (#"{"sbert_ce_default_activation_function": null}"#, true),
    (#"{"problem_type": "regression", "sentence_transformers": {"activation_fn": "torch.nn.Sigmoid"}}"#, true),
  ]) func function(_ config: String, _ hasSigmoid: Bool) throws {
    #expect(try settings(config).hasSigmoid == hasSigmoid)
  }

  @Test(arguments: [
    (#"{"problem_type": "ranking"}"#, "ranking"),
    (#"{"sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Tanh"}}"#, "Tanh"),
    (#"{"sbert_ce_default_activation_function": ""}"#, "activation_fn"),
  ]) func unsupported(_ config: String, _ part: String) throws {
    let settings = try settings(config)
    #expect(settings.task(of: .classes, outputs: 1) == nil)
    #expect(try #require(settings.unsupportedReason(classes: 1)).contains(part))
    #expect(settings.task(of: .tags, outputs: 1) == .tag)
  }

  @Test func labels() throws {
    let settings = try settings(#"{"id2label": {"0": "a", "2": 7, "x": "y", "-1": "z", "3": null, "9": "q"}}"#)
    #expect(settings.labels(4) == ["a", "LABEL_1", "7", "LABEL_3"])
    #expect(settings.labels(0).isEmpty)
    for broken in [#"{"id2label": ["a"]}"#, #"{"id2label": {"0": {}}}"#, #"{"problem_type": 3}"#] {
      expectError(.invalidModel, "config.json") { _ = try self.settings(broken) }
    }
  }

  /// Metadata counts in files that Cloze wrote only.
  @Test func metadata() throws {
    let entries = [(key: "id2label", value: #"{"0": "no", "1": "yes"}"#), (key: "problem_type", value: "regression")]
    let own = try #require(try HeadSettings(metadata: entries, producer: "cloze"))
    #expect(own.labels(2) == ["no", "yes"] && own.task(of: .classes, outputs: 1) == .regress)
    #expect(try HeadSettings(metadata: entries, producer: "pytorch") == nil)
    #expect(try HeadSettings(metadata: [(key: "task", value: "x")], producer: "cloze") == nil)
  }
}

/// Windows over long texts.
struct WordWindowTests {
  @Test func eachWordIsReadWhereItHasMostContext() throws {
    let tokenizer = try Tokenizer(vocabulary: Array(TextTests.vocabulary.joined(separator: "\n").utf8))
    var random = Random(state: 5)
    for maxTokens in [3, 4, 5, 8, 17, 40] {
      for stride in Set([0, 1, maxTokens / 2, maxTokens, 200]) {
        let count = Int.random(in: 0...60, using: &random)
        let text = (0..<count).map { _ in ["a", "bcd", "abcdefghij"][Int(random.next() % 3)] }.joined(separator: " ")
        let encoding = try tokenizer.encode(text)
        let firsts = encoding.ids.indices.filter {
          encoding.offsets[$0].end > encoding.offsets[$0].begin
            && !(tokenizer.token(for: encoding.ids[$0])?.hasPrefix("##") ?? false)
        }
        let windows = try WordWindows(encoding, firsts: firsts, maxTokens: maxTokens, stride: stride).windows
        #expect(windows.allSatisfy { $0.ids.count <= maxTokens && $0.typeIDs.count == $0.ids.count })
        let words = windows.flatMap(\.words)
        #expect(words.map(\.word).sorted() == Array(firsts.indices))
        for window in windows {
          #expect(window.ids.first == tokenizer.clsID && window.ids.last == tokenizer.sepID)
          for (word, token) in window.words { #expect(window.ids[token] == encoding.ids[firsts[word]]) }
        }
      }
    }
    let encoding = try tokenizer.encode("a b c")
    expectError(.tooLong, "no room") { _ = try WordWindows(encoding, firsts: [1, 2, 3], maxTokens: 2, stride: 0) }
  }
}
