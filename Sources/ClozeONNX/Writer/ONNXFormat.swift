/// The number format of the weights in a written ONNX file.
package enum ONNXFormat: String, Sendable, CaseIterable {
  /// 32-bit floats.
  case float32
  /// Matrices and tables as 16-bit floats, each followed by a Cast to float32; a tensor with an element that
  /// overflows float16 stays float32.
  case float16
  /// Matrices stored as int8, with a scale per output; the graph quantizes activations with a scale per row. Other
  /// matrices stay float32.
  case int8
}

/// A head in addition to those of the graph.
package struct AddedHead: Sendable {
  package enum Source: Sendable {
    case tokens
    case pooled(Pooling)
    /// Of every two sequences the features of their vectors, pooled and scaled to length 1: u, v, |u - v|, u v.
    case pairs(Pooling)
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
    case output(String)
    /// Two columns, which become `start_logits` and `end_logits`.
    case answer
  }

  package var name: String
  package var source: Source
  package var layers: [Layer]
  package var result: Result
  /// Weights of the states after the embeddings and each layer, where the head reads their weighted sum; nil:
  /// the last state.
  package var mix: [Float]?
  /// What the runtime notes about the head in the file's metadata, and gets back as `ExportedHead`; nil: nothing.
  package var description: String?

  package init(name: String, source: Source, layers: [Layer], result: Result, mix: [Float]? = nil) {
    self.name = name
    self.source = source
    self.layers = layers
    self.result = result
    self.mix = mix
  }

  /// The names of the graph's outputs that it gives.
  var outputs: [String] {
    switch result {
    case .output(let name): [name]
    case .answer: ["start_logits", "end_logits"]
    }
  }

  /// The name of the parameters of a layer: as in the classes of transformers, the last has the head's own name.
  static func layer(_ index: Int, of count: Int, _ name: String) -> String {
    index == count - 1 ? name : "\(name).layers.\(index)"
  }
}
