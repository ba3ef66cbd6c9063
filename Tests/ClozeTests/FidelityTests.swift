import ClozeTestSupport
import Testing

@testable import Cloze

/// Every fixture against the numbers that ONNX Runtime computed in float32.
struct FidelityTests {
  /// Outputs of the model beside the arrays of a fixture they must be equal to, rows of real tokens
  /// only where there is one for each token.
  private func pairs(
    _ name: String, _ precision: Precision
  ) throws -> [(name: String, ours: [Float], reference: [Float])] {
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
      pairs.append(
        ("hidden_\(layer)", try session.run(batch, .hidden(layers: [layer])), rows(reference)))
    }
    if let reference = expected["mlm"] {
      pairs.append(("mlm", try session.run(batch, .mlm), rows(reference)))
    }
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
    if let reference = expected["nsp"] {
      pairs.append(("nsp", try session.run(batch, .nsp), reference.floats))
    }
    return pairs
  }

  @Test(arguments: Fixture.all + Fixture.pretrained)
  func float32(_ name: String) throws {
    for (output, ours, reference) in try pairs(name, .float32) {
      try #require(ours.count == reference.count, "\(output)")
      let largest = reference.reduce(0) { max($0, abs($1)) }
      let difference = zip(ours, reference).reduce(0) { max($0, abs($1.0 - $1.1)) }
      #expect(difference <= 2e-5 * largest, "\(output): \(difference) of \(largest)")
    }
  }

  /// In int8 a rounding moves a number by at most half a step, a 255th of a row's range
  /// (activations) or a 127th of a column's largest (weights). Of the root mean square of an output
  /// that makes about 1 % a layer in a model of 20 to 112 channels; several roundings lie between
  /// input and output, so 5 % is allowed.
  @Test(arguments: Fixture.all)
  func int8(_ name: String) throws {
    for (output, ours, reference) in try pairs(name, .int8) {
      try #require(ours.count == reference.count, "\(output)")
      let error = zip(ours, reference).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
      let size = reference.reduce(0.0) { $0 + Double($1 * $1) }
      let relative = (error / size).squareRoot()
      // Of a few numbers the mean says less.
      #expect(relative <= (ours.count < 64 ? 0.1 : 0.05), "\(output): \(relative)")
      #expect(relative > 1e-5, "\(output) is too exact to be int8")
    }
  }

  @Test func thereAreFixtures() { 
    #expect(Fixture.all.count >= 28)
    #expect(Fixture.pretrained.count >= 5)
  }
}
