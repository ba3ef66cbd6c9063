internal import Cloze
internal import ClozeIO

/// Writing a model as a folder of Hugging Face's transformers: `BertForPreTraining.from_pretrained` reads it.
extension PretrainingModel {
  /// The architecture in config.json.
  private var architecture: String { nextSentence == nil ? "BertForMaskedLM" : "BertForPreTraining" }

  /// config.json.
  ///
  /// - Parameter padID: the id of [PAD].
  func configurationJSON(padID: Int) -> [UInt8] {
    JSONWriter.line {
      $0.array("architectures", [architecture])
      $0.value("attention_probs_dropout_prob", 0.1)
      $0.value("hidden_act", configuration.activation.configKey)
      $0.value("hidden_dropout_prob", 0.1)
      $0.value("hidden_size", configuration.hidden)
      $0.value("initializer_range", 0.02)
      $0.value("intermediate_size", configuration.intermediate)
      $0.value("layer_norm_eps", Double("\(configuration.epsilon)") ?? 1e-12)
      $0.value("max_position_embeddings", configuration.positions)
      $0.value("model_type", "bert")
      $0.value("num_attention_heads", configuration.heads)
      $0.value("num_hidden_layers", configuration.layers)
      $0.value("pad_token_id", padID)
      $0.value("position_embedding_type", "absolute")
      $0.value("tie_word_embeddings", true)
      $0.value("type_vocab_size", configuration.types)
      $0.value("vocab_size", configuration.vocabulary)
    }
  }

  /// model.safetensors, with the names of transformers. The decoder is the word table, and not stored again.
  var tensorFile: TensorFile {
    let (d, f, vocabulary) = (configuration.hidden, configuration.intermediate, configuration.vocabulary)
    var file = TensorFile()
    file.metadata = [("format", "pt")]
    func copy(_ base: UnsafeMutablePointer<Float>, _ count: Int) -> [Float] {
      Array(UnsafeBufferPointer(start: base, count: count))
    }
    func add(_ name: String, _ rows: Int, _ columns: Int, _ base: UnsafeMutablePointer<Float>) {
      file.add(name, [rows, columns], copy(base, rows * columns))
    }
    func add(_ name: String, _ linear: LinearParameters<UnsafeMutablePointer<Float>>, _ outputs: Int, _ inputs: Int) {
      add(name + ".weight", outputs, inputs, linear.weight)
      file.add(name + ".bias", [outputs], copy(linear.bias, outputs))
    }
    func add(_ name: String, _ norm: NormParameters<UnsafeMutablePointer<Float>>) {
      file.add(name + ".weight", [d], copy(norm.gamma, d))
      file.add(name + ".bias", [d], copy(norm.beta, d))
    }
    let embeddings = "bert.embeddings."
    add(embeddings + "word_embeddings.weight", vocabulary, d, input.values.word)
    add(embeddings + "position_embeddings.weight", configuration.positions, d, input.values.position)
    add(embeddings + "token_type_embeddings.weight", configuration.types, d, input.values.tokenType)
    add(embeddings + "LayerNorm", input.values.norm)
    for (number, layer) in stack.layerValues.enumerated() {
      let stem = "bert.encoder.layer.\(number)."
      add(stem + "attention.self.query", layer.query, d, d)
      add(stem + "attention.self.key", layer.key, d, d)
      add(stem + "attention.self.value", layer.value, d, d)
      add(stem + "attention.output.dense", layer.attentionOutput, d, d)
      add(stem + "attention.output.LayerNorm", layer.attentionNorm)
      add(stem + "intermediate.dense", layer.intermediate, f, d)
      add(stem + "output.dense", layer.output, d, f)
      add(stem + "output.LayerNorm", layer.outputNorm)
    }
    let words = maskedLM.layerValues
    add("cls.predictions.transform.dense", words[0].linear, d, d)
    add("cls.predictions.transform.LayerNorm", words[0].norm)
    file.add("cls.predictions.bias", [vocabulary], copy(words[1].linear.bias, vocabulary))
    if let pair = nextSentence?.layerValues {
      add("bert.pooler.dense", pair[0].linear, d, d)
      add("cls.seq_relationship", pair[1].linear, 2, d)
    }
    return file
  }
}

extension PretrainingModel.Configuration {
  /// The configuration of a new model.
  ///
  /// - Throws: `.invalidArgument` where heads do not divide the hidden size.
  init(_ shape: PretrainingOptions.Shape, vocabulary: Int, length: Int) throws(ClozeError) {
    let heads = shape.heads ?? max(1, shape.hidden / 64)
    guard shape.hidden % heads == 0 else {
      throw ClozeError(
        .invalidArgument, "\(heads) attention heads do not divide the hidden size \(shape.hidden): name heads that do")
    }
    self.init(
      vocabulary: vocabulary, hidden: shape.hidden, layers: shape.layers, heads: heads,
      intermediate: shape.intermediate ?? 4 * shape.hidden, positions: shape.positions ?? length)
  }
}
