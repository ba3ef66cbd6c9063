import ClozeIO
import ClozeTestSupport
import Foundation
import Testing

@testable import Cloze

/// Modules of sentence-transformers after the pooling, on a fixture: 3 layers, hidden 60, 40 positions.
struct ModulesTests {
  private static let width = 60

  /// The fixture in a folder, with modules after the pooling: a name, a config.json and tensors each.
  private func withModules(
    _ modules: [(name: String, config: String, tensors: [(name: String, shape: [Int], values: [Float])])],
    _ files: [String: String] = [:], _ body: (_ folder: String) throws -> Void
  ) throws {
    try withFolder { folder in
      try FileManager.default.copyItem(atPath: Fixture.path("base-3-layers-opset11"), toPath: folder + "/model.onnx")
      var entries = [#"{"type": "a.Transformer", "path": ""}"#, #"{"type": "b.Pooling", "path": "1_Pooling"}"#]
      for (index, module) in modules.enumerated() {
        let path = "\(index + 2)_\(module.name)"
        entries.append("{\"type\": \"c.d.\(module.name)\", \"path\": \"\(path)\"}")
        try write(module.config, to: "\(folder)/\(path)/config.json")
        if module.tensors.isEmpty { continue }
        var file = TensorFile()
        for tensor in module.tensors { file.add(tensor.name, tensor.shape, tensor.values) }
        try file.write(to: "\(folder)/\(path)/model.safetensors")
      }
      try write("[\(entries.joined(separator: ", "))]", to: folder + "/modules.json")
      try write(#"{"pooling_mode": "mean"}"#, to: folder + "/1_Pooling/config.json")
      for (name, text) in files { try write(text, to: "\(folder)/\(name)") }
      try body(folder)
    }
  }

  private func random(_ count: Int, _ seed: UInt64) -> [Float] {
    var random = Random(state: seed)
    return (0..<count).map { _ in .random(in: -0.5...0.5, using: &random) }
  }

  /// Layer norm, dense with tanh, normalization, dense; then what of `truncate_dim`.
  private func withLayers(_ body: (_ folder: String, _ function: ([Double]) -> [Double]) throws -> Void) throws {
    let d = Self.width
    let (gamma, beta) = (random(d, 1), random(d, 2))
    let (first, bias, second) = (random(90 * d, 3), random(90, 4), random(7 * 90, 5))
    try withModules(
      [
        ("LayerNorm", "{\"dimension\": \(d)}", [("norm.weight", [d], gamma), ("norm.bias", [d], beta)]),
        (
          "Dense", "{\"in_features\": \(d), \"out_features\": 90, \"bias\": true}",
          [("linear.weight", [90, d], first), ("linear.bias", [90], bias)]
        ), ("Normalize", "{}", []),
        (
          "Dense",
          #"{"in_features": 90, "out_features": 7, "activation_function": "torch.nn.modules.linear.Identity"}"#,
          [("linear.weight", [7, 90], second)]
        ),
      ], ["config_sentence_transformers.json": #"{"truncate_dim": 5}"#]
    ) { folder in
      func dense(_ x: [Double], _ weight: [Float], _ outputs: Int) -> [Double] {
        (0..<outputs).map { o in x.indices.reduce(0) { $0 + x[$1] * Double(weight[o * x.count + $1]) } }
      }
      try body(folder) { x in
        let mean = x.reduce(0, +) / Double(d)
        let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(d)
        let normed = x.indices.map {
          (x[$0] - mean) / (variance + 1e-5).squareRoot() * Double(gamma[$0]) + Double(beta[$0])
        }
        let hidden = zip(dense(normed, first, 90), bias).map { tanh($0 + Double($1)) }
        let length = hidden.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return Array(dense(hidden.map { $0 / length }, second, 7).prefix(5))
      }
    }
  }

  private func embed(_ model: Model, _ options: EmbeddingOptions = EmbeddingOptions()) throws -> [Float] {
    let session = try Session(model: model, threads: 2)
    return try session.run(ids: [1, 2, 3, 4, 5], cuSeqlens: [0, 3, 5], output: .embedding(options))
  }

  @Test func layers() throws {
    try withLayers { folder, function in
      let model = try Model(path: folder, options: LoadOptions(precision: .float32))
      #expect(model.info.embeddingSize == 5 && !model.info.normalize)
      let pooled = try embed(model, EmbeddingOptions(pooling: .mean, normalize: false))
      let found = try embed(model)
      #expect(found.count == 10)
      for i in 0..<2 {
        let expected = function(pooled[(i * Self.width)..<((i + 1) * Self.width)].map { Double($0) })
        for (value, exact) in zip(found[(i * 5)...], expected) {
          // Sums of at most 90 products of elements below 4, each rounded to 2^-24, through two more layers.
          #expect(abs(Double(value) - exact) <= 3 * 90 * 4 * 0x1p-24)
        }
      }
    }
  }

  /// In the prepared form and as ONNX, read back, vectors have the same bits.
  @Test(arguments: Precision.allCases) func layersInOtherForms(_ precision: Precision) throws {
    try withLayers { folder, _ in
      let options = LoadOptions(precision: precision)
      let expected = try embed(Model(path: folder, options: options)).bits
      let (prepared, path) = (folder + "/model.cloze", folder + "/out/model.onnx")
      try Model.convert(folder, to: prepared, options: options)
      #expect(try embed(Model(path: prepared)).bits == expected)
      try FileManager.default.createDirectory(atPath: folder + "/out", withIntermediateDirectories: true)
      for source in [folder, prepared] {
        try Model.export(source, to: path, format: precision == .int8 ? .int8 : .float32)
        let read = try Model(path: path, options: options)
        #expect(read.info.embeddingSize == 5)
        #expect(try embed(read).bits == expected)
      }
      #expect(
        try Inspection(path: folder).description.contains("LayerNorm, Dense to 90 with tanh, Normalize, Dense to 7"))
      #expect(try Inspection(path: prepared).description.contains("the first 5, not normalized; 5 numbers"))
    }
  }

  /// Token ids have no prompt; its text alone decides what is skipped.
  @Test func promptsAreForTexts() throws {
    let file = #"{"prompts": {"query": "a "}, "default_prompt_name": "query"}"#
    try withModules([], ["config_sentence_transformers.json": file]) { folder in
      let model = try Model(path: folder)
      #expect(model.info.prompts["query"] == "a " && model.info.prompts.defaultName == "query")
      #expect(try embed(model).count == 2 * Self.width)
      expectError(.invalidArgument, "query", "not for token ids") {
        _ = try embed(model, EmbeddingOptions(prompt: "query"))
      }
    }
  }
}
