import ClozeTestSupport
import Foundation
import Testing

@testable import Cloze

/// The files beside a model.
struct SettingsTests {
  /// The model of a fixture (3 layers, hidden 60, 40 positions) in a folder with other files.
  private func withModel(_ files: [String: String], _ body: (_ load: () throws -> Model) throws -> Void) throws {
    try withFolder { folder in
      try FileManager.default.copyItem(atPath: Fixture.path("base-3-layers-opset11"), toPath: folder + "/model.onnx")
      for (name, text) in files { try write(text, to: folder + "/" + name) }
      try body { try Model(path: folder) }
    }
  }

  private func embed(_ model: Model, _ options: EmbeddingOptions = EmbeddingOptions()) throws -> [Float] {
    try Session(model: model, threads: 1).run(ids: [1, 2, 3], cuSeqlens: [0, 3], output: .embedding(options))
  }

  @Test func config() throws {
    let sound =
      #"{"hidden_size": 60, "num_hidden_layers": 3, "num_attention_heads": 5, "# + #""intermediate_size": 100}"#
    try withModel(["config.json": sound]) { _ = try $0() }
    for (from, to, part) in [
      ("60", "64", "hidden_size is 64; in the model it is 60"), ("3,", "12,", "num_hidden_layers is 12"),
      ("5", "6", "num_attention_heads is 6"), ("100", "1", "intermediate_size is 1"),
    ] {
      try withModel(["config.json": sound.replacingOccurrences(of: from, with: to)]) { load in
        expectError(.invalidModel, "config.json", part) { _ = try load() }
      }
    }
    for broken in ["{", "[]", "", #"{"hidden_size": "x"}"#, #"{"hidden_size": 1e99}"#, "{\"hidden_size\": -1}"] {
      try withModel(["config.json": broken]) { load in expectError(.invalidModel, "config.json") { _ = try load() } }
    }
  }

  @Test(arguments: [("16", 16), ("512", 40), ("null", 40), ("0", 40)]) func maxTokens(_ text: String, _ most: Int)
    throws
  {
    try withModel(["sentence_bert_config.json": "{\"max_seq_length\": \(text)}"]) { load in
      let info = try load().info
      #expect(info.maxTokens == most)
    }
  }

  @Test func pooling() throws {
    let modules =
      #"[{"type": "sentence_transformers.models.Transformer", "path": ""}, "#
      + #"{"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}]"#
    let files = ["modules.json": modules, "1_Pooling/config.json": #"{"pooling_mode_cls_token": true}"#]
    try withModel(files) { load in
      let model = try load()
      #expect(model.info.pooling == .cls)
      #expect(!model.info.normalize)
      let named = EmbeddingOptions(pooling: .cls, normalize: false)
      #expect(try embed(model).bits == embed(model, named).bits)
    }
    let normalized = modules.dropLast() + #", {"type": "sentence_transformers.models.Normalize", "path": "2"}]"#
    try withModel(["modules.json": String(normalized)]) { load in
      let info = try load().info
      #expect(info.pooling == .mean)
      #expect(info.normalize)
    }
  }

  /// Every mode of sentence-transformers, as keys that are true, a word, a list of one word, and both.
  @Test(arguments: [
    ("cls", "pooling_mode_cls_token", Pooling.cls), ("mean", "pooling_mode_mean_tokens", .mean),
    ("max", "pooling_mode_max_tokens", .max), ("lasttoken", "pooling_mode_lasttoken", .lastToken),
    ("mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens", .meanSqrtLen),
    ("weightedmean", "pooling_mode_weightedmean_tokens", .weightedMean),
  ]) func poolingModes(_ word: String, _ key: String, _ pooling: Pooling) throws {
    let other = key == "pooling_mode_cls_token" ? "pooling_mode_mean_tokens" : "pooling_mode_cls_token"
    for text in [
      "\"\(key)\": true, \"\(other)\": false", "\"pooling_mode\": \"\(word)\"", "\"pooling_mode\": [\"\(word)\"]",
      "\"pooling_mode\": \"\(word)\", \"\(key)\": true", "\"pooling_mode\": null, \"\(other)\": null, \"\(key)\": true",
    ] {
      try withModel(["1_Pooling/config.json": "{\"embedding_dimension\": 60, \(text)}"]) { load in
        let model = try load()
        #expect(model.info.pooling == pooling, "\(text)")
        #expect(try embed(model).bits == embed(model, EmbeddingOptions(pooling: pooling)).bits, "\(text)")
      }
    }
  }

  /// A model with an unsupported pooling loads; `embed` requires the caller to name one.
  @Test(arguments: [
    ("modules.json", #"[{"type": "sentence_transformers.models.Dense", "path": "2_Dense"}]"#, "Dense"),
    (
      "1_Pooling/config.json", #"{"pooling_mode_cls_token": true, "pooling_mode_max_tokens": true}"#,
      "concatenation of the pooling modes pooling_mode_cls_token, pooling_mode_max_tokens"
    ),
    ("1_Pooling/config.json", #"{"pooling_mode": ["cls", "mean"]}"#, "concatenation of the pooling modes cls, mean"),
    ("1_Pooling/config.json", #"{"pooling_mode": ["cls", "cls"]}"#, "concatenation of the pooling modes cls, cls"),
    (
      "1_Pooling/config.json", #"{"pooling_mode": "cls", "pooling_mode_mean_tokens": true}"#,
      "concatenation of the pooling modes cls, pooling_mode_mean_tokens"
    ),
    ("1_Pooling/config.json", #"{"pooling_mode": "attention"}"#, "pooling mode attention is not supported"),
    ("1_Pooling/config.json", #"{"pooling_mode": ["Mean"]}"#, "pooling mode Mean is not supported"),
    ("1_Pooling/config.json", #"{"pooling_mode": []}"#, "pooling_mode lists no mode"),
    ("1_Pooling/config.json", #"{"pooling_mode_attention": true}"#, "pooling mode pooling_mode_attention is not"),
  ]) func unknownPooling(_ file: String, _ text: String, _ reason: String) throws {
    try withModel([file: text]) { load in
      let model = try load()
      expectError(.unsupportedModel, reason, "name a pooling") { _ = try embed(model) }
      #expect(try embed(model, EmbeddingOptions(pooling: .mean)).count == 60)
    }
  }

  @Test(arguments: ["3", "[3]", "{}", "true"]) func brokenPooling(_ mode: String) throws {
    try withModel(["1_Pooling/config.json": "{\"pooling_mode\": \(mode)}"]) { load in
      expectError(.invalidModel, "1_Pooling/config.json", "pooling_mode") { _ = try load() }
    }
  }

  /// The tokenizer of the options takes precedence over the files'.
  @Test func tokenizer() throws {
    let words = TextTests.vocabulary.prefix(103).joined(separator: "\n")
    try withModel(["vocab.txt": words]) { load in
      let model = try load()
      #expect(model.tokenizer?.vocabularySize == 103)
      #expect(try Session(model: model, threads: 1).embed(["ab"]).count == 1)
    }
    try withModel(["vocab.txt": words, "tokenizer.json": "{"]) { load in
      expectError(.invalidModel, "tokenizer.json") { _ = try load() }
    }
    try withModel([:]) { load in
      let model = try load()
      #expect(model.tokenizer == nil)
    }
  }
}
