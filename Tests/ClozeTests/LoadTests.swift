import ClozeONNX
import ClozeTestSupport
import Foundation
import Testing

@testable import Cloze

/// Models that load, and files that are refused.
struct LoadTests {
  private func load(_ bytes: [UInt8], _ precision: Precision = .int8) throws -> Model {
    try bytes.withUnsafeBytes { try Model(bytes: $0, options: LoadOptions(precision: precision)) }
  }

  @Test(arguments: Precision.allCases) func fromMemory(_ precision: Precision) throws {
    let path = try Session(model: .fixture("identity-aliases", precision), threads: 1)
    // The bytes are freed before the model runs.
    let memory = try Session(model: load(Fixture.bytes("identity-aliases"), precision), threads: 1)
    let batch = Batch(path.model, lengths: [5, 24])
    #expect(path.model.info == memory.model.info)
    for output in path.model.outputs { #expect(try path.run(batch, output).bits == memory.run(batch, output).bits) }
  }

  @Test func information() throws {
    let info = try Model.fixture("pretraining-sdpa-opset17", .int8, isa: .scalar).info
    #expect(info.hiddenSize == 112)
    #expect(info.numHiddenLayers == 1)
    #expect(info.numAttentionHeads == 7)
    #expect(info.intermediateSize == 100)
    #expect(info.vocabSize == 103)
    #expect(info.maxPositionEmbeddings == 32)
    #expect(info.typeVocabSize == 2)
    #expect(info.maxTokens == 32)
    #expect(info.precision == .int8)
    #expect(info.isa == .scalar)
    #expect(info.heads == [.pooler, .mlm, .nsp])
    #expect(info.pooling == .mean)
    #expect(info.normalize)
    let wide = try Model.fixture("pretraining-sdpa-opset17").info
    #expect(info.weightBytes > 0)
    #expect(info.weightBytes < wide.weightBytes / 2)
  }

  /// The weights of a tied decoder are in memory once.
  @Test func tiedDecoderIsOneMatrix() throws {
    let tied = try Model.fixture("masked-lm-opset13").info.weightBytes
    let separate = try Model.fixture("masked-lm-separate").info.weightBytes
    #expect(separate - tied >= 53 * 20 * 4)
  }

  @Test func nothingThere() throws {
    try withFolder { folder in
      expectError(.notFound, "\(folder)/none") { _ = try Model(path: folder + "/none") }
      expectError(.notFound, folder, "model.onnx", "onnx/model.onnx") { _ = try Model(path: folder) }
    }
    expectError(.invalidArgument, "path") { _ = try Model(path: "") }
    expectError(.invalidArgument, "path") { _ = try Model(path: "a\0b") }
    expectError(.io, "/dev/null") { _ = try Model(path: "/dev/null") }
    let long = String(repeating: "a", count: 100_000)
    #expect(throws: ClozeError.self) { try Model(path: long) }
  }

  @Test func folders() throws {
    let expected = try Model.fixture("sdpa-opset14").info
    try withFolder { folder in
      let manager = FileManager.default
      try manager.createDirectory(atPath: folder + "/onnx", withIntermediateDirectories: true)
      try manager.copyItem(atPath: Fixture.path("sdpa-opset14"), toPath: folder + "/onnx/model.onnx")
      let options = LoadOptions(precision: .float32)
      #expect(try Model(path: folder, options: options).info == expected)
      #expect(try Model(path: folder + "/", options: options).info == expected)
      #expect(try Model(path: folder + "/onnx/model.onnx", options: options).info == expected)
      #expect(try Model(path: folder + "/onnx", options: options).info == expected)
    }
  }

  @Test func damagedFiles() throws {
    let sound = try Fixture.bytes("sdpa-opset14")
    for length in stride(from: 0, to: sound.count, by: 1009) {
      expectError(.invalidModel) { _ = try load(Array(sound.prefix(length))) }
    }
    var random = Random(state: 3)
    let noise = (0..<5000).map { _ in UInt8.random(in: 0...255, using: &random) }
    #expect(throws: ClozeError.self) { try load(noise) }
    expectError(.invalidModel) { _ = try load([]) }
    try withFolder { folder in
      try Data(sound.prefix(20_000)).write(to: URL(filePath: folder + "/model.onnx"))
      expectError(.invalidModel, "model.onnx") { _ = try Model(path: folder) }
    }
  }

  @Test func noBERT() {
    expectError(.unsupportedModel, "causal") { _ = try Model(path: Fixture.path("refused/causal")) }
    for name in ["shape-bias", "shape-position", "shape-feed-forward"] {
      expectError(.invalidModel, "[") { _ = try Model(path: Fixture.path("refused/" + name)) }
    }
  }

  @Test func externalDataNeedsAFolder() throws {
    let bytes = [UInt8](try Data(contentsOf: URL(filePath: Fixture.modelPath("external-one-file"))))
    expectError(.invalidModel, "weights.bin") { _ = try load(bytes) }
  }

  /// Every kind of weight, in both precisions.
  @Test(arguments: [Float.nan, .infinity, -.infinity], Precision.allCases) func weightsThatAreNoNumbers(
    _ value: Float, _ precision: Precision
  ) throws {
    for name in ["masked-lm-opset13", "next-sentence-opset12"] {
      let sound = try Fixture.bytes(name)
      for mark in try marks(sound) {
        let places = sound.indices.filter { sound[$0...].starts(with: mark) }
        try #require(places.count == 1)
        var bytes = sound
        withUnsafeBytes(of: value.bitPattern.littleEndian) {
          bytes.replaceSubrange((places[0] + 4)..<(places[0] + 8), with: $0)
        }
        expectError(.invalidModel, "element 1 of", "NaN or infinite") { _ = try load(bytes, precision) }
      }
    }
  }

  /// The first bytes of a tensor of each kind, by which it is found in the file.
  private func marks(_ file: [UInt8]) throws -> [[UInt8]] {
    try file.withUnsafeBytes { bytes in
      let graph = try recognizeBERT(in: ONNXFile(borrowing: bytes))
      let layer = graph.layers[0]
      let tensors: [Tensor?] = [
        graph.embeddings.word, graph.embeddings.position, graph.embeddings.tokenType, graph.embeddings.norm.gamma,
        layer.query.weight.tensor, layer.value.bias, layer.attentionOutput.weight.tensor, layer.outputNorm.beta,
        layer.intermediate.weight.tensor, graph.pooler?.weight.tensor, graph.mlm?.transform.weight.tensor,
        graph.mlm?.norm.gamma, graph.mlm?.bias, graph.nsp?.weight.tensor,
      ]
      return try tensors.compactMap { $0 }.map { Array(try $0.bytes().prefix(8)) }
    }
  }

  @Test(.enabled(if: availableISAs.count < ISA.allCases.count, "this CPU runs every instruction set")) func missingISA()
    throws
  {
    let missing = try #require(ISA.allCases.first { !availableISAs.contains($0) })
    expectError(.unsupportedISA, missing.rawValue, "scalar") { _ = try Model.fixture("sdpa-opset14", isa: missing) }
  }

  @Test func isaOfTheEnvironment() async throws {
    await #expect(processExitsWith: .success) {
      setenv("CLOZE_ISA", "avx9000", 1)
      expectError(.unsupportedISA, "avx9000", "scalar") { _ = try Model.fixture("sdpa-opset14") }
      // The caller's choice takes precedence.
      let forced = try Model.fixture("sdpa-opset14", isa: .scalar)
      #expect(forced.info.isa == .scalar)
      setenv("CLOZE_ISA", "scalar", 1)
      let named = try Model.fixture("sdpa-opset14")
      #expect(named.info.isa == .scalar)
      setenv("CLOZE_ISA", "", 1)
      let best = try Model.fixture("sdpa-opset14")
      #expect(best.info.isa == availableISAs.last)
    }
  }

  /// Another program truncates a model while it loads: an error, or a model where that is too late.
  @Test func aFileThatIsCutShort() throws {
    let bytes = try Data(contentsOf: URL(filePath: Fixture.builtInModel))
    let path = FileManager.default.temporaryDirectory.appending(path: "cloze-\(UUID().uuidString)").path
    defer { unlink(path) }
    var failures = 0
    for round in 0..<24 {
      try bytes.write(to: URL(filePath: path))
      let graph = try recognizeBERT(in: ONNXFile(path: path))
      let isCut = DispatchGroup()
      DispatchQueue.global().async(group: isCut) {
        usleep(UInt32(round / 2 * 1000))
        truncate(path, off_t(bytes.count / 24 * round))
      }
      // Every other time before the weights are read.
      if round % 2 == 0 { isCut.wait() }
      let options = LoadOptions(precision: round % 3 == 0 ? .float32 : .int8)
      let loaded = Result { try Model(graph, tokenizer: nil, settings: ModelSettings(), options: options) }
      isCut.wait()
      guard case .failure(let error) = loaded else { continue }
      failures += 1
      #expect((error as? ClozeError)?.status == .io)
      #expect("\(error)".contains("became shorter"))
    }
    #expect(failures >= 12)
  }
}
