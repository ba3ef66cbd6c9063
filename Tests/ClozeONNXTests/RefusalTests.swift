import ClozeIO
import ClozeTestSupport
import Testing

@testable import ClozeONNX

/// Graphs other than BERTs are refused with the node, the place, and the reason.
struct RefusalTests {
  func refusal(_ name: String) -> ClozeError? {
    do throws(ClozeError) {
      _ = try recognizeBERT(in: try ONNXFile(path: Fixture.path("refused/" + name)))
      return nil
    } catch { return error }
  }

  @Test(arguments: [
    ("convolution", "Conv", "embeddings", "no input indexes a table"),
    ("pre-norm", "Add", "embeddings", "Pre-LayerNorm"),
    ("pre-norm-after-norm", "ReduceMean", "layer 0, attention", "Pre-LayerNorm"),
    ("gpt2", "Add", "embeddings", "Pre-LayerNorm"), ("causal", "Add", "layer 0, attention, softmax", "causal"),
    ("local-attention", "Add", "layer 0, attention, softmax", "local attention"),
    ("inverted-mask", "Add", "layer 0, attention, softmax", "inverted"),
    ("unknown-activation", "Sin", "layer 0, feed-forward", "Sin"),
    ("softmax-axis", "Softmax", "layer 0, attention, softmax", "last axis"),
    ("mpnet-other-buckets", "Add", "layer 0, attention, softmax", "relative_attention_bias"),
  ]) func namesNodePlaceAndReason(_ name: String, _ operation: String, _ place: String, _ reason: String) throws {
    let error = try #require(refusal(name))
    #expect(error.cause == .unsupported)
    #expect(error.node?.hasPrefix(operation + " ") == true, "\(error)")
    #expect(error.place == place, "\(error)")
    #expect(error.message.contains(reason), "\(error)")
    #expect(error.expected != nil)
  }

  @Test(arguments: [
    ("shape-bias", ["query.bias", "[11]", "[12, 12]"]),
    ("shape-position", ["position_embeddings", "[24, 11]", "word_embeddings", "[53, 12]"]),
    ("shape-feed-forward", ["[17, 12]", "16"]),
    ("mpnet-buckets", ["relative_attention_bias", "[40, 3]", "[32, 3]"]),
    ("mpnet-two-tables", ["other_bias", "layer 1", "relative_attention_bias", "layer 0"]),
  ]) func namesContradictingTensors(_ name: String, _ parts: [String]) throws {
    let error = try #require(refusal(name))
    #expect(error.cause == .shape)
    for part in parts { #expect(error.message.contains(part), "\(error)") }
  }

  @Test func versionsOutOfRange() throws {
    for (ir, opset, part) in [(2, 14, "IR version 2"), (8, 8, "operator set 8")] {
      let error = try #require(loadError(TinyModel(ir: ir, opset: opset).bytes))
      #expect(error.cause == .unsupported)
      #expect(error.message.contains(part))
    }
  }

  @Test func missingFileAndFolder() throws {
    func kind(_ path: String) -> ClozeError? {
      do throws(ClozeError) {
        _ = try ONNXFile(path: path)
        return nil
      } catch { return error }
    }
    let missing = try #require(kind(Fixture.folder + "/none.onnx"))
    #expect(missing.status == .notFound)
    #expect(missing.message.contains("none.onnx"))
    #expect(kind(Fixture.folder)?.status == .io)
    #expect(kind("")?.status == .notFound)
    #expect(kind("/dev/null")?.status == .io)
  }
}

func loadError(_ bytes: [UInt8], folder: String? = nil) -> ClozeError? {
  bytes.withUnsafeBytes { raw -> ClozeError? in
    do throws(ClozeError) {
      _ = try recognizeBERT(in: try ONNXFile(borrowing: raw, folder: folder))
      return nil
    } catch { return error }
  }
}
