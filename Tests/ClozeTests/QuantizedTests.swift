import ClozeTestSupport
import Testing

@testable import Cloze
@testable import ClozeONNX

/// Files written by quantizers: results are at least as close to the float32 source as ONNX Runtime's with the same
/// file.
struct QuantizedTests {
  @Test func thereAreFixtures() { #expect(Fixture.quantized.count >= 15) }

  @Test(arguments: Fixture.quantized, [Precision.int8, .float32]) func nearerThanONNXRuntime(
    _ name: String, _ precision: Precision
  ) throws {
    let model = try Model.fixture(name, precision)
    let session = try Session(model: model, threads: 1)
    let expected = try Fixture.expected(name)
    let (batch, places) = try Batch.of(expected, model)
    // All numbers together: a pooler's few rows alone say little.
    var (error, allowed, count) = (0.0, 0.0, 0)
    for (key, value) in expected where key.hasPrefix("error_") {
      let output = String(key.dropFirst(6))
      let reference = try #require(expected[output])
      let width = try #require(reference.shape.last)
      let wanted =
        reference.shape.count == 3
        ? places.flatMap { reference.floats[($0 * width)..<(($0 + 1) * width)] } : reference.floats
      let ours: [Float]
      switch output {
      case "pooler": ours = try session.run(batch, .pooler)
      case "mlm": ours = try session.run(batch, .mlm)
      case "logits": ours = try session.run(batch, .classes)
      default: ours = try session.run(batch)
      }
      try #require(ours.count == wanted.count)
      error += zip(ours, wanted).reduce(0.0) { $0 + Double(abs($1.0 - $1.1)) }
      allowed += Double(value.floats[0]) * Double(wanted.count)
      count += wanted.count
    }
    #expect(error <= 1.05 * allowed, "\(error / allowed) of ONNX Runtime's error")
    #expect(count > 0)
  }

  /// The integers of the file become the encoder's weights, with their scales.
  @Test(arguments: [
    "int8/dynamic", "int8/dynamic-per-channel", "int8/dynamic-uint8-symmetric", "int8/dynamic-fused",
    "int8/q-attention-per-channel", "int8/qdq-per-channel",
  ]) func storedWeightsAreUsed(_ name: String) throws {
    let graph = try recognizeBERT(in: ONNXFile(path: Fixture.path(name)))
    for layer in graph.layers {
      for linear in [layer.query, layer.key, layer.value, layer.attentionOutput, layer.output] {
        let weight = linear.weight
        #expect(weight.isStoredInt8, "\(weight.tensor.label)")
        var rows = [Int8](repeating: 0, count: weight.tensor.count)
        var scales = [Float](repeating: 0, count: weight.outputSize)
        var real = [Float](repeating: 0, count: weight.tensor.count)
        try weight.copyInt8(to: &rows, scales: &scales)
        try real.withUnsafeMutableBufferPointer { try weight.tensor.copyFloat32(to: $0) }
        for o in 0..<weight.outputSize {
          for i in 0..<weight.inputSize {
            let at = weight.layout == .inOut ? i * weight.outputSize + o : o * weight.inputSize + i
            let value = Float(rows[o * weight.inputSize + i]) * scales[o]
            #expect(value == real[at] || rows[o * weight.inputSize + i] == -127)
          }
        }
      }
    }
  }
}
