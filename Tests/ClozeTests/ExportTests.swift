import ClozeTestSupport
import ClozeTokenizer
import Foundation
import Testing

@testable import Cloze

/// Models written as ONNX and read back.
@Suite struct ExportTests {
  /// Outputs of a model on random sequences.
  private func results(_ model: Model) throws -> [[UInt32]] {
    let session = try Session(model: model, threads: 1)
    let batch = Batch(model, lengths: [1, 5, min(11, model.info.maxPositionEmbeddings)])
    return try model.outputs.map { try session.run(batch, $0).bits }
  }

  private func load(_ path: String, _ precision: Precision) throws -> Model {
    try Model(path: path, options: LoadOptions(precision: precision))
  }

  @Test(arguments: Fixture.all + Fixture.quantized) func comesBack(_ name: String) throws {
    try withFolder { folder in
      let source = Fixture.modelPath(name)
      let (first, second) = (folder + "/a.onnx", folder + "/b.onnx")
      for format in ExportFormat.allCases {
        try Model.export(source, to: first, format: format)
        try Model.export(first, to: second, format: format)
        #expect(FileManager.default.contentsEqual(atPath: first, andPath: second), "\(format) again")
        if format == .float16 { continue }
        // Weights and outputs equal those of the source to the bit.
        let precision: Precision = format == .int8 ? .int8 : .float32
        let (model, found) = (try load(source, precision), try load(first, precision))
        #expect(found.info.heads == model.info.heads, "\(format)")
        #expect(found.info.embeddingSize == model.info.embeddingSize, "\(format)")
        #expect(try results(found) == results(model), "\(format)")
      }
    }
  }

  /// A trained head in an exported or prepared file is what it was: task, labels, limits and numbers.
  @Test(
    arguments: Head.Task.allCases.filter { $0 != .mlm }.map { ($0, Head.Pairs.joint) }
      + [(.classifyPairs, .apart), (.regressPairs, .apart)], Precision.allCases)
  func trainedHeadsComeBack(_ kind: (task: Head.Task, pairs: Head.Pairs), _ precision: Precision) throws {
    let task = kind.task
    try withFolder { folder in
      let source = Fixture.modelPath("pretraining-float16")
      let vocabulary = TextTests.vocabulary.joined(separator: "\n")
      let options = LoadOptions(
        precision: precision, tokenizer: try Tokenizer(vocabulary: Array(vocabulary.utf8)))
      let base = try Model(path: source, options: options)
      var head = Head.random(task, on: base, pairs: kind.pairs)
      if task == .answer { head.noAnswerThreshold = 0.25 }
      let format: ExportFormat = precision == .int8 ? .int8 : .float32
      let (graph, again, prepared) = (folder + "/a.onnx", folder + "/b.onnx", folder + "/a.cloze")
      try Model.export(source, to: graph, format: format, head: head, options: options)
      try Model.export(graph, to: again, format: format, options: options)
      #expect(FileManager.default.contentsEqual(atPath: graph, andPath: again))
      try Model.convert(source, to: prepared, head: head, options: options)
      let (fromGraph, fromPrepared) = (folder + "/c.cloze", folder + "/c.onnx")
      try Model.convert(graph, to: fromGraph, options: options)
      try Model.export(prepared, to: fromPrepared, format: format, options: options)

      let texts: [Text] =
        task.takesPairs ? [Text("a", "b cd"), Text("ab", "c d a b c")] : ["a b", "abc x abc", "a b c d a b c d"]
      let right = try Model(base, head: head)
      let predictions = try Session(model: right, threads: 1).predict(texts)
      for path in [graph, prepared, fromGraph, fromPrepared] {
        let model = try Model(path: path, options: options)
        #expect(model.info.task == task && model.info.labels == head.labels, "\(path)")
        #expect(model.info.heads == right.info.heads, "\(path)")
        let found = try #require(model.head)
        #expect(found.pairs == kind.pairs)
        #expect(found.noAnswerThreshold == head.noAnswerThreshold && found.stride == head.stride)
        let said = try Session(model: model, threads: 1).predict(texts)
        #expect(said.map(\.bits) == predictions.map(\.bits), "\(path)")
        #expect(said.map(\.label) == predictions.map(\.label) && said.map(\.labels) == predictions.map(\.labels))
        let text = try Inspection(path: path).json
        #expect(text.contains("\"task\":\"\(task.rawValue)\""), "\(text)")
      }
    }
  }

  @Test(arguments: ["pretraining-sdpa-opset17", "masked-lm-separate", "classifier", "electra", "mpnet"])
  func throughThePreparedForm(_ name: String) throws {
    try withFolder { folder in
      for precision in Precision.allCases {
        let (prepared, path) = (folder + "/a.cloze", folder + "/a.onnx")
        let options = LoadOptions(precision: precision)
        try Model.convert(Fixture.modelPath(name), to: prepared, options: options)
        let expected = try results(Model(path: prepared))
        try Model.export(prepared, to: path, format: precision == .int8 ? .int8 : .float32)
        #expect(try results(load(path, precision)) == expected)
        // The other way, from memory.
        let other = folder + "/b.onnx"
        try Model(path: prepared).export(to: other, format: precision == .int8 ? .int8 : .float32)
        #expect(FileManager.default.contentsEqual(atPath: path, andPath: other))
        // Weights of 8 bits, as floats; and floats, quantized now.
        try Model.export(prepared, to: path, format: precision == .int8 ? .float32 : .int8)
        #expect(try load(path, .int8).info.numHiddenLayers > 0)
      }
    }
  }

  @Test func theBuiltInModel() throws {
    try withFolder { folder in
      let path = folder + "/model.onnx"
      let builtIn = try Model()
      let tokens = try #require(builtIn.tokenizer)
      let options = LoadOptions(tokenizer: tokens)
      for (format, precision) in [(ExportFormat.float32, Precision.float32), (.float16, .float32), (.int8, .int8)] {
        try Model.export(to: path, format: format)
        let found = try Model(path: path, options: LoadOptions(precision: precision, tokenizer: tokens))
        let expected = try Model(options: LoadOptions(precision: precision))
        #expect(found.info.heads == expected.info.heads)
        // Its weights are float16, but for none that float16 changes.
        #expect(try results(found) == results(expected), "\(format)")
      }
      #expect(try Model(path: path, options: options).info.precision == .int8)
    }
  }

  @Test func metadata() throws {
    try withFolder { folder in
      let path = folder + "/model.onnx"
      try Model.export(to: path)
      let text = String(decoding: try Data(contentsOf: URL(filePath: path)).prefix(2000), as: UTF8.self)
      for word in ["wordpiece", "do_lower_case", "strip_accents", "cloze"] { #expect(text.contains(word), "\(word)") }
    }
  }

  @Test func sumsThatAreWrongAreRefused() throws {
    try withFolder { folder in
      let path = folder + "/model.onnx"
      try Model.export(Fixture.modelPath("sdpa-opset14"), to: path, format: .int8)
      var data = try Data(contentsOf: URL(filePath: path))
      let name = Data("encoder.layer.0.attention.self.key.weight.sum".utf8)
      let last = try #require(data.range(of: name, options: .backwards))
      data[last.upperBound + 20] ^= 1
      try data.write(to: URL(filePath: path))
      expectError(.unsupportedModel, "layer 0") { _ = try Model(path: path) }
    }
  }

  @Test func failuresLeaveNothing() throws {
    try withFolder { folder in
      let path = folder + "/a.onnx"
      try write("before", to: path)
      expectError(.unsupportedModel) { try Model.export(Fixture.path("refused/causal"), to: path) }
      expectError(.notFound, "nowhere") { try Model.export(folder + "/nowhere", to: path) }
      let source = Fixture.modelPath("sdpa-opset14")
      expectError(.io, folder) { try Model.export(source, to: folder) }
      expectError(.io, "nowhere") { try Model.export(source, to: folder + "/nowhere/a.onnx") }
      expectError(.invalidArgument, "path") { try Model.export(source, to: "") }
      // Every byte of /dev/full's folder is taken, but no file may be made there either.
      expectError(.io, "/proc") { try Model.export(source, to: "/proc/a.onnx") }
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["a.onnx"])
      #expect(try String(contentsOfFile: path, encoding: .utf8) == "before")
      // An existing file is replaced.
      try Model.export(source, to: path)
      #expect(try load(path, .float32).info.numHiddenLayers > 0)
    }
  }
}
