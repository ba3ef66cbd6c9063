import ClozeTestSupport
import Testing

@testable import ClozeONNX

/// Every fixture is a BERT in another spelling; each must be recognised completely.
struct RecognizerTests {
  @Test func fixturesAreThere() {
    // An empty list would let the tests below pass without having run.
    #expect(Fixture.all.count >= 30)
  }

  /// A reference encoder with the recognised weights and constants computes what ONNX Runtime computed with the
  /// original: hidden states of every layer, pooler, and all heads.
  @Test(arguments: Fixture.all) func computesTheSameNumbers(_ name: String) throws {
    let graph = try recognizeBERT(in: try ONNXFile(path: Fixture.modelPath(name)))
    let encoder = ReferenceEncoder(graph: graph)
    let expected = try Fixture.expected(name)
    let ids = try #require(expected["input_ids"])
    let mask = try #require(expected["attention_mask"])
    let types = try #require(expected["token_type_ids"])
    let (batch, sequence) = (ids.shape[0], ids.shape[1])
    // A graph in float16 computes with an epsilon of 6e-8, the reference with 1e-12.
    let tolerance = name == "float16-graph" ? 1e-5 : 2e-5

    func compare(_ rows: [[Double]], _ key: String, from row: Int) throws {
      let array = try #require(expected[key], "\(key) of \(name)")
      let width = try #require(array.shape.last)
      let largest = array.floats.reduce(0) { max($0, abs(Double($1))) }
      var worst = 0.0
      for (i, values) in rows.enumerated() {
        #expect(values.count == width)
        for (j, value) in values.enumerated() {
          worst = max(worst, abs(value - Double(array.floats[(row + i) * width + j])))
        }
      }
      #expect(worst <= tolerance * largest, "\(key) of \(name)")
    }

    for b in 0..<batch {
      let range = (b * sequence)..<((b + 1) * sequence)
      let length = mask.ints[range].reduce(0, +)
      let own = range.prefix(length)
      let states = try encoder.hiddenStates(ids: Array(ids.ints[own]), types: Array(types.ints[own]))
      for (layer, state) in states.enumerated() { try compare(state, "hidden_\(layer)", from: b * sequence) }
      let last = try #require(states.last)
      if let pooled = try encoder.pooled(last) {
        if expected["pooler"] != nil { try compare(pooled, "pooler", from: b) }
        if let nsp = graph.nsp { try compare(encoder.linear(nsp, pooled), "nsp", from: b) }
      }
      if let head = graph.classifier { try compare(encoder.classes(head, last), "logits", from: b) }
      if let head = graph.answer {
        let logits = try encoder.linear(head, last)
        for (column, key) in ["start_logits", "end_logits"].enumerated() {
          let array = try #require(expected[key])
          let largest = array.floats.reduce(0) { max($0, abs(Double($1))) }
          for (i, row) in logits.enumerated() {
            let difference = abs(row[column] - Double(array.floats[b * sequence + i]))
            #expect(difference <= tolerance * largest, "\(key) of \(name)")
          }
        }
      }
      if let logits = try encoder.maskedLogits(last) { try compare(logits, "mlm", from: b * sequence) }
      if let head = graph.tokenClassifier { try compare(encoder.linear(head, last), "logits", from: b * sequence) }
    }
    #expect(expected["mlm"] == nil || graph.mlm != nil)
    #expect(expected["nsp"] == nil || graph.nsp != nil)
    #expect(expected["logits"] == nil || graph.classifier != nil || graph.tokenClassifier != nil)
    #expect(expected["start_logits"] == nil || graph.answer != nil)
    #expect(expected["embedding"] == nil || graph.sentence != nil)
    #expect(expected["pooler"] == nil || graph.pooler != nil)
    #expect(graph.outputs.unrecognized.isEmpty)
  }

  @Test func configuration() throws {
    let deep = try Fixture.recognize("base-3-layers-opset11")
    #expect(
      deep.configuration
        == BERTConfiguration(
          hiddenSize: 60, numHiddenLayers: 3, numAttentionHeads: 5, intermediateSize: 100, vocabSize: 103,
          maxPositionEmbeddings: 40, typeVocabSize: 2, layerNormEps: 1e-12, hiddenAct: .gelu))
    #expect(deep.layers[0].attentionScale == Double(Float(1 / 12.0.squareRoot())))
    let wide = try Fixture.recognize("pretraining-sdpa-opset17")
    #expect(wide.configuration.numAttentionHeads == 7)
    #expect(wide.configuration.hiddenSize == 112)
    #expect(wide.configuration.hiddenAct == .geluTanh)
    #expect(abs(wide.layers[0].attentionScale - 0.25) < 1e-7)
    let words = try Fixture.recognize("pretraining-float16")
    #expect(words.configuration.vocabSize == 1003)
    #expect(words.summary.weightTypes == ["float16"])
    #expect(words.embeddings.word.elementType == .float16)
    let separate = try Fixture.recognize("masked-lm-separate")
    #expect(separate.configuration.layerNormEps == 1e-5)
    #expect(separate.layers[0].attentionNorm.epsilon == 1e-5)
  }

  @Test func activations() throws {
    #expect(try Fixture.recognize("masked-lm-opset13").configuration.hiddenAct == .relu)
    #expect(try Fixture.recognize("masked-lm-opset13").mlm?.activation == .relu)
    #expect(try Fixture.recognize("native-gelu-opset20").configuration.hiddenAct == .gelu)
    #expect(try Fixture.recognize("native-gelu-tanh-opset20").configuration.hiddenAct == .geluTanh)
  }

  @Test func decoders() throws {
    for name in ["masked-lm-opset13", "masked-lm-shared", "pretraining-float16", "pretraining-sdpa-opset17"] {
      let mlm = try #require(try Fixture.recognize(name).mlm)
      guard case .tied = mlm.decoder else {
        Issue.record("the decoder of \(name) is the word embeddings")
        continue
      }
    }
    let separate = try #require(try Fixture.recognize("masked-lm-separate").mlm)
    guard case .separate(let matrix) = separate.decoder else {
      Issue.record("this decoder is not the word embeddings")
      return
    }
    #expect(matrix.inputSize == 20)
    #expect(matrix.outputSize == 53)
  }

  @Test func inputsAndOutputs() throws {
    let reordered = try Fixture.recognize("int32-reordered")
    #expect(reordered.summary.inputs.map(\.name) == ["attention_mask", "token_type_ids", "input_ids"])
    #expect(reordered.summary.inputs[0].elementType == "int32")
    #expect(reordered.inputs.inputIDs == "input_ids")
    #expect(reordered.inputs.attentionMask == "attention_mask")
    #expect(reordered.inputs.tokenTypeIDs == "token_type_ids")
    let folded = try Fixture.recognize("no-token-types")
    #expect(folded.inputs.tokenTypeIDs == nil)
    #expect(folded.configuration.typeVocabSize == 1)
    #expect(folded.embeddings.tokenType?.shape == [1, 20])
    let states = try Fixture.recognize("hidden-states")
    #expect(states.outputs.hiddenStates == [0: "state_0"])
    #expect(states.outputs.lastHiddenState == "state_1")
    #expect(try Fixture.recognize("distilbert").embeddings.tokenType == nil)
  }

  @Test func summaryNamesTheForms() throws {
    let eager = try Fixture.recognize("base-3-layers-opset11").summary
    #expect(eager.opset == 11)
    #expect(eager.producer == "pytorch")
    #expect(eager.forms.contains { $0.block == "layer norm" && $0.form.hasPrefix("ReduceMean") })
    #expect(eager.forms.contains { $0.block == "mask" && $0.form.hasPrefix("padding") })
    let fused = try Fixture.recognize("dynamo-opset23").summary
    #expect(fused.forms.contains { $0.block == "attention" && $0.form == "Attention, 5 heads" })
    #expect(fused.forms.contains { $0.block == "layer norm" && $0.form == "LayerNormalization" })
  }

  @Test func newerVersionsAreAWordInTheSummary() throws {
    var bytes = try Fixture.bytes("mask-m2")
    // ir_version and the version of the only operator set, in their fields.
    #expect(bytes[0] == 0x08)
    bytes[1] = 15
    let warnings = try bytes.withUnsafeBytes { raw in try recognizeBERT(in: ONNXFile(borrowing: raw)).summary.warnings }
    #expect(warnings.contains { $0.contains("IR version 15") })
  }

  @Test func summaryNamesFusedFormsAndIntegers() throws {
    let fused = try Fixture.recognize("fused-o2").summary
    #expect(fused.forms.contains { $0.block == "attention" && $0.form == "com.microsoft.Attention, 5 heads" })
    let forms = try Fixture.recognize("int8/dynamic-7-bit").summary.forms
    #expect(
      forms.contains {
        $0.block == "weights" && $0.form == "int8 per channel, zero point 0, 7 bits used, used as stored"
      }, "\(forms)")
    let asymmetric = try Fixture.recognize("int8/dynamic-asymmetric").summary.forms
    #expect(asymmetric.contains { $0.form.hasSuffix("quantized anew for its zero point") })
  }

  /// A model from memory, copied or in place, equals that from its file.
  @Test func fromMemory() throws {
    let bytes = try Fixture.bytes("mask-m2")
    let fromFile = try Fixture.recognize("mask-m2")
    try bytes.withUnsafeBytes { raw in
      let copied = try recognizeBERT(in: try ONNXFile(bytes: raw))
      let borrowed = try recognizeBERT(in: try ONNXFile(borrowing: raw))
      for graph in [copied, borrowed] {
        #expect(graph.configuration == fromFile.configuration)
        #expect(
          try graph.layers[0].query.weight.tensor.bytes().elementsEqual(fromFile.layers[0].query.weight.tensor.bytes()))
      }
    }
  }

  /// A tensor keeps its file's bytes alive.
  @Test func tensorsOutliveTheFile() throws {
    let tensor = try Fixture.recognize("pretraining-float16").embeddings.word
    let elements = try ReferenceEncoder.elements(tensor)
    #expect(elements.count == 1003 * 60)
    #expect(elements.allSatisfy { $0.isFinite })
  }
}
