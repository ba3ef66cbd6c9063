import ClozeIO
import ClozeTestSupport
import Testing

@testable import ClozeONNX

/// Forms of files met in practice, beyond the numbers that `RecognizerTests` compares.
struct PracticeTests {
  private func forms(_ name: String) throws -> [String] {
    try Fixture.recognize(name).summary.forms.map { "\($0.block): \($0.form)" }
  }

  /// Integers are kept as stored, with the scales that the graph multiplies by.
  @Test func storedInFewBits() throws {
    let graph = try Fixture.recognize("stored-in-8-bits")
    let word = graph.embeddings.word
    #expect(word.elementType == .int8 && word.quantization?.axis == 0 && word.quantization?.scales.count == 53)
    #expect(graph.embeddings.position.quantization?.isUniform == true)
    #expect(graph.embeddings.tokenType?.elementType == .float16)
    let layer = graph.layers[0]
    let linears = [layer.query, layer.key, layer.value, layer.attentionOutput, layer.intermediate, layer.output]
    let matrices = linears.map(\.weight)
    #expect(matrices.allSatisfy { $0.isStoredInt8 })
    #expect(Set(matrices.map(\.tensor.elementType)) == [.int8, .uint8])
    #expect(matrices.filter { $0.layout == .outIn }.count == 1)
    #expect(try forms("stored-in-8-bits").contains { $0.hasSuffix("used as stored") })
  }

  @Test func boundsThatNoNumberPasses() throws {
    let graph = try Fixture.recognize("bounds-infinite")
    let plain = try Fixture.recognize("sdpa-opset14")
    #expect(graph.configuration == plain.configuration)
    // A bound that numbers do pass is not ignored.
    let bytes = try Fixture.bytes("bounds-infinite")
    let places = bytes.indices.filter { bytes[$0...].starts(with: [0, 0, 0x80, 0x7f]) }
    try #require(places.count == 1)
    var changed = bytes
    changed.replaceSubrange(places[0]..<(places[0] + 4), with: [0, 0, 0x80, 0x3f])
    let error = try #require(loadError(changed))
    #expect(error.cause == .unsupported)
    #expect(error.message.contains("Min"), "\(error)")
  }

  @Test func inputsThatPassThrough() throws {
    let graph = try Fixture.recognize("passed-through")
    #expect(graph.inputs.inputIDs == "input_ids" && graph.inputs.attentionMask == "attention_mask")
    #expect(graph.inputs.tokenTypeIDs == "token_type_ids")
    #expect(graph.outputs.unrecognized == ["returned_ids:0"])
    do throws(ClozeError) {
      _ = try recognizeBERT(in: ONNXFile(path: Fixture.path("refused/extra-input")))
      Issue.record("an input that the graph uses is not left out")
    } catch {
      #expect(error.message.contains("unexpected input \"unique_ids:0\""), "\(error)")
      #expect(error.node?.contains("negated") == true, "\(error)")
    }
  }

  /// Scales that are no numbers are weights that are none.
  @Test(arguments: [Float.infinity, -.infinity, .nan]) func infiniteScales(_ value: Float) throws {
    let bytes = try Fixture.bytes("stored-in-8-bits")
    let graph = try Fixture.recognize("stored-in-8-bits")
    let scale = try #require(graph.layers[0].query.weight.tensor.quantization?.scales.first)
    let mark = withUnsafeBytes(of: scale.bitPattern.littleEndian) { Array($0) }
    let places = bytes.indices.filter { bytes[$0...].starts(with: mark) }
    try #require(!places.isEmpty)
    var changed = bytes
    let bits = withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) }
    for place in places { changed.replaceSubrange(place..<(place + 4), with: bits) }
    let error = try #require(loadError(changed))
    #expect(error.cause == .notFinite)
    #expect(error.message.contains("_scale"), "\(error)")
  }
}
