internal import ClozeIO

/// Heads.
extension Pretrained {
  /// Adds the heads, found by their names in transformers, to a graph.
  func readHeads(_ graph: inout BERTGraph) throws(ClozeError) {
    let width = graph.configuration.hiddenSize
    if has(prefix + "pooler.dense.weight") {
      graph.pooler = try linear(prefix + "pooler.dense", inputs: width, outputs: width)
    }
    if let pooler = graph.pooler {
      if has("cls.seq_relationship.weight") {
        graph.nsp = try linear("cls.seq_relationship", inputs: width, outputs: 2)
      }
      if has("classifier.weight"), !isForTokens {
        graph.classifier = BERTGraph.SequenceHead(
          transform: pooler, activation: .tanh, output: try linear("classifier", inputs: width))
      }
    }
    if isForTokens, has("classifier.weight") { graph.tokenClassifier = try linear("classifier", inputs: width) }
    if has("classifier.out_proj.weight") {
      graph.classifier = BERTGraph.SequenceHead(
        transform: try linear("classifier.dense", inputs: width, outputs: width),
        activation: configuration.modelType == "electra" ? .gelu : .tanh,
        output: try linear("classifier.out_proj", inputs: width))
    } else if has("pre_classifier.weight"), has("classifier.weight") {
      graph.classifier = BERTGraph.SequenceHead(
        transform: try linear("pre_classifier", inputs: width, outputs: width), activation: .relu,
        output: try linear("classifier", inputs: width))
    }
    if has("qa_outputs.weight") { graph.answer = try linear("qa_outputs", inputs: width, outputs: 2) }
    graph.mlm = try maskedLM(graph)
  }

  /// Whether "classifier" is applied to every token: as config.json says, or where there is nothing below it that
  /// classes of a sequence have.
  private var isForTokens: Bool {
    if configuration.architecture?.hasSuffix("ForTokenClassification") ?? false { return true }
    return !has(prefix + "pooler.dense.weight") && !has("pre_classifier.weight")
  }

  private func maskedLM(_ graph: BERTGraph) throws(ClozeError) -> BERTGraph.MaskedLMHead? {
    // Names of the transform, its norm, the decoder and its bias.
    let forms = [
      (
        "cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions.decoder",
        "cls.predictions.bias"
      ), ("vocab_transform", "vocab_layer_norm", "vocab_projector", "vocab_projector.bias"),
      ("lm_head.dense", "lm_head.layer_norm", "lm_head.decoder", "lm_head.bias"),
    ]
    guard let form = forms.first(where: { has($0.0 + ".weight") }), graph.embeddings.projection == nil else {
      return nil
    }
    let width = graph.configuration.hiddenSize
    let count = graph.configuration.vocabSize
    var decoder = BERTGraph.Decoder.tied
    if has(form.2 + ".weight") {
      let matrix = try linear(form.2, inputs: width, outputs: count).weight
      if try !Recognizer.isSameMatrix(matrix, graph.embeddings.word) { decoder = .separate(matrix) }
    }
    let bias = [form.3, form.2 + ".bias"].first { has($0) }
    // RoBERTa's masked LM always uses gelu.
    let function = form.0.utf8.starts(with: "lm_head".utf8) ? "gelu" : configuration.hiddenAct
    return BERTGraph.MaskedLMHead(
      transform: try linear(form.0, inputs: width, outputs: width), activation: try activation(function),
      norm: try norm(form.1, width), decoder: decoder,
      bias: try bias.map { name throws(ClozeError) in try tensor(name, [count]) })
  }
}
