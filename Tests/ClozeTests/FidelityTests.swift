import ClozeTestSupport
import Testing

@testable import Cloze

/// Every fixture against ONNX Runtime's results in float32.
struct FidelityTests {
  /// The outputs of the model, with the arrays of the fixture that they must equal; of arrays per token only the
  /// rows of real tokens.
  private func pairs(_ name: String, _ precision: Precision) throws -> [(
    name: String, ours: [Float], reference: [Float]
  )] {
    let model = try Model.fixture(name, precision)
    let session = try Session(model: model, threads: 2)
    let expected = try Fixture.expected(name)
    let (batch, places) = try Batch.of(expected, model)
    func rows(_ array: Fixture.Array) -> [Float] {
      let width = array.shape[2]
      return places.flatMap { array.floats[($0 * width)..<(($0 + 1) * width)] }
    }
    var pairs: [(String, [Float], [Float])] = []
    for layer in 0...model.info.numHiddenLayers {
      let reference = try #require(expected["hidden_\(layer)"])
      pairs.append(("hidden_\(layer)", try session.run(batch, .hidden(layers: [layer])), rows(reference)))
    }
    if let reference = expected["mlm"] { pairs.append(("mlm", try session.run(batch, .mlm), rows(reference))) }
    if let reference = expected["pooler"] {
      pairs.append(("pooler", try session.run(batch, .pooler), reference.floats))
    }
    if let reference = expected["logits"] {
      let tags = model.info.heads.contains(.tags)
      pairs.append(
        ("logits", try session.run(batch, tags ? .tags : .classes), tags ? rows(reference) : reference.floats))
    }
    if let start = expected["start_logits"], let end = expected["end_logits"] {
      let reference = places.flatMap { [start.floats[$0], end.floats[$0]] }
      pairs.append(("answer", try session.run(batch, .answer), reference))
    }
    if let reference = expected["embedding"] {
      pairs.append(("embedding", try session.run(batch, .embedding), reference.floats))
    }
    if let reference = expected["nsp"] { pairs.append(("nsp", try session.run(batch, .nsp), reference.floats)) }
    return pairs
  }

  @Test(arguments: Fixture.all + Fixture.pretrained) func float32(_ name: String) throws {
    for (output, ours, reference) in try pairs(name, .float32) {
      try #require(ours.count == reference.count, "\(output)")
      let largest = reference.reduce(0) { max($0, abs($1)) }
      let difference = zip(ours, reference).reduce(0) { max($0, abs($1.0 - $1.1)) }
      #expect(difference <= 2e-5 * largest, "\(output): \(difference) of \(largest)")
    }
  }

  /// In int8 a rounding changes a number by at most half a step: 1/255 of a row's range (activations) or 1/127 of a
  /// column's largest magnitude (weights). In a model of 20 to 112 channels that is about 1 % of an output's root
  /// mean square per layer; the tolerance for several layers is 5 %.
  @Test(arguments: Fixture.all) func int8(_ name: String) throws {
    for (output, ours, reference) in try pairs(name, .int8) {
      try #require(ours.count == reference.count, "\(output)")
      let error = zip(ours, reference).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
      let size = reference.reduce(0.0) { $0 + Double($1 * $1) }
      let relative = (error / size).squareRoot()
      // The mean of few numbers varies more.
      #expect(relative <= (ours.count < 64 ? 0.1 : 0.05), "\(output): \(relative)")
      // Word vectors that the file has in 8 bits, with a scale each, stay what they are.
      let isStored = name == "stored-in-8-bits" && output == "hidden_0"
      #expect(relative > 1e-5 || isStored, "\(output) is too exact to be int8")
    }
  }

  @Test func thereAreFixtures() {
    #expect(Fixture.all.count >= 28)
    #expect(Fixture.pretrained.count >= 5)
  }
}
