/// How the weights of an ONNX file that is written are held.
package enum ONNXFormat: String, Sendable, CaseIterable {
  /// As they are.
  case float32
  /// Matrices and tables in 16 bits, each with a Cast to float32 behind it; a tensor with a number
  /// that 16 bits can't hold stays float32.
  case float16
  /// Matrices that are held as int8 stay so, with a scale for each output; rows of activations are
  /// quantized in the graph, each with its own scale. What is not held as int8 stays float32.
  case int8
}

/// A head that stands on an encoder beside those that were recognised in its file.
package struct AddedHead: Sendable {
  package enum Source: Sendable {
    case tokens
    case pooled(BERTGraph.SentenceHead.Pooling)
  }

  package struct Layer: Sendable {
    package var linear: Linear
    package var activation: Activation
    package var norm: LayerNorm?

    package init(linear: Linear, activation: Activation, norm: LayerNorm? = nil) {
      self.linear = linear
      self.activation = activation
      self.norm = norm
    }
  }

  package enum Result: Sendable {
    /// One output of this name.
    case whole(String)
    /// Two columns, which become `start_logits` and `end_logits`.
    case answer
  }

  package var name: String
  package var source: Source
  package var layers: [Layer]
  package var result: Result
  /// What the states after the embeddings and each layer are multiplied by, where the head reads
  /// their sum instead of the last state.
  package var mix: [Float]?

  package init(name: String, source: Source, layers: [Layer], result: Result, mix: [Float]? = nil) {
    self.name = name
    self.source = source
    self.layers = layers
    self.result = result
    self.mix = mix
  }
}
