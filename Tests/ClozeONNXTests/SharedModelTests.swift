import ClozeTestSupport
import Foundation
import Testing

@testable import ClozeONNX

/// Real models, where the environment names a folder of them.
struct SharedModelTests {
  static let folder = ProcessInfo.processInfo.environment["CLOZE_SHARED"]

  @Test(.enabled(if: folder != nil, "CLOZE_SHARED names no folder of real models")) func recognizesMiniLM() throws {
    let folder = try #require(Self.folder)
    let file = try ONNXFile(path: folder + "/models/minilm/model.onnx")
    let graph = try recognizeBERT(in: file)
    let c = graph.configuration
    #expect(c.hiddenSize == 384)
    #expect(c.numHiddenLayers == 6)
    #expect(c.numAttentionHeads == 12)
    #expect(c.intermediateSize == 1536)
    #expect(c.vocabSize == 30522)
    #expect(c.maxPositionEmbeddings == 512)
    #expect(c.typeVocabSize == 2)
    #expect(c.layerNormEps == 1e-12)
    #expect(c.hiddenAct == .gelu)
    #expect(abs(graph.layers[0].attentionScale - 1 / 32.0.squareRoot()) < 1e-7)
    #expect(graph.pooler != nil)
    #expect(graph.mlm == nil)
    #expect(graph.outputs.lastHiddenState == "last_hidden_state")
    #expect(graph.outputs.poolerOutput == "pooler_output")
    #expect(graph.outputs.unrecognized.isEmpty)
  }

  @Test func recognizesTheBuiltInModel() throws {
    let file = try ONNXFile(path: Fixture.builtInModel)
    let graph = try recognizeBERT(in: file)
    let c = graph.configuration
    #expect(c.hiddenSize == 256)
    #expect(c.numHiddenLayers == 4)
    #expect(c.numAttentionHeads == 4)
    #expect(c.vocabSize == 16000)
    #expect(c.maxPositionEmbeddings == 256)
    let mlm = try #require(graph.mlm)
    guard case .tied = mlm.decoder else {
      Issue.record("the decoder is the word embeddings, transposed")
      return
    }
    #expect(mlm.bias?.shape == [16000])
    #expect(graph.nsp?.weight.outputSize == 2)
    #expect(graph.outputs.predictionLogits == "prediction_logits")
    #expect(graph.outputs.seqRelationshipLogits == "seq_relationship_logits")
  }
}
