/// A BERT: its configuration and its weights, as tensors of a file.
///
/// Shape letters: D hidden size, H heads, F intermediate size, V vocabulary, P positions, L layers. Every `Tensor`
/// keeps the file's bytes alive.
public struct BERTGraph: Sendable {
  public var configuration: BERTConfiguration
  public var embeddings: Embeddings
  /// L encoder layers, first to last.
  public var layers: [Layer]
  /// [32, H] bias of attention scores by the bucket of the relative position (MPNet), shared by all layers; nil: none.
  public var attentionBias: Tensor?
  /// Linear D -> D, applied to the first token and followed by tanh.
  public var pooler: Linear?
  /// Masked-language-model head.
  public var mlm: MaskedLMHead?
  /// Next-sentence head: Linear D -> 2 on the pooler's output; class 0 = is next.
  public var nsp: Linear?
  /// Classes of a sequence, from its first token.
  public var classifier: SequenceHead?
  /// Linear D -> C on every token.
  public var tokenClassifier: Linear?
  /// Linear D -> 2 on every token: scores for the start and the end of an answer.
  public var answer: Linear?
  /// The sentence embedding that the graph computes.
  public var sentence: SentenceHead?
  /// The trained head of a file that this library exported; its outputs are none of the graph's heads.
  package var exportedHead: ExportedHead?
  /// The names of the graph's inputs and outputs.
  public var inputs: InputNames
  public var outputs: OutputNames
  public var summary: GraphSummary

  /// The encoder, without heads and with an empty summary.
  package init(configuration: BERTConfiguration, embeddings: Embeddings, layers: [Layer]) {
    self.init(
      configuration: configuration, embeddings: embeddings, layers: layers, inputs: InputNames(inputIDs: "input_ids"),
      outputs: OutputNames(),
      summary: GraphSummary(
        producer: "", producerVersion: "", irVersion: 0, opset: 0, otherOpsets: [], nodeCount: 0, inputs: [],
        outputs: [], forms: [], weightTypes: [], tensorBytes: 0, warnings: []))
  }

  init(
    configuration: BERTConfiguration, embeddings: Embeddings, layers: [Layer], inputs: InputNames, outputs: OutputNames,
    summary: GraphSummary
  ) {
    self.configuration = configuration
    self.embeddings = embeddings
    self.layers = layers
    self.inputs = inputs
    self.outputs = outputs
    self.summary = summary
  }

  /// x = norm(word[id] + position[0, 1, ...] + tokenType[type])
  public struct Embeddings: Sendable {
    /// [V, D]
    public var word: Tensor
    /// [P, D]
    public var position: Tensor
    /// [types, D]; one row where the exporter folded type 0 into a constant; nil where the model adds none.
    public var tokenType: Tensor?
    public var norm: LayerNorm
    /// E -> D, where the tables have E < D columns (ELECTRA); else nil.
    public var projection: Linear?

    /// Columns of the tables.
    public var width: Int { norm.gamma?.count ?? word.shape.last ?? 0 }

    package init(word: Tensor, position: Tensor, tokenType: Tensor?, norm: LayerNorm, projection: Linear? = nil) {
      self.word = word
      self.position = position
      self.tokenType = tokenType
      self.norm = norm
      self.projection = projection
    }
  }

  /// x = attentionNorm(x + attentionOutput(attention(query x, key x, value x)))
  /// x = outputNorm(x + output(act(intermediate x)))
  public struct Layer: Sendable {
    /// D -> D each; heads are contiguous in the output: head h owns columns h D/H ..< (h + 1) D/H.
    public var query: Linear
    public var key: Linear
    public var value: Linear
    /// D -> D
    public var attentionOutput: Linear
    public var attentionNorm: LayerNorm
    /// D -> F
    public var intermediate: Linear
    /// F -> D
    public var output: Linear
    public var outputNorm: LayerNorm
    /// The factor of the scores before the softmax, in most models 1 / sqrt(D / H).
    public var attentionScale: Double

    package init(
      query: Linear, key: Linear, value: Linear, attentionOutput: Linear, attentionNorm: LayerNorm,
      intermediate: Linear, output: Linear, outputNorm: LayerNorm, attentionScale: Double
    ) {
      self.query = query
      self.key = key
      self.value = value
      self.attentionOutput = attentionOutput
      self.attentionNorm = attentionNorm
      self.intermediate = intermediate
      self.output = output
      self.outputNorm = outputNorm
      self.attentionScale = attentionScale
    }
  }

  /// logits = decoder(norm(act(transform x))) + bias
  public struct MaskedLMHead: Sendable {
    /// D -> D
    public var transform: Linear
    public var activation: Activation
    public var norm: LayerNorm
    public var decoder: Decoder
    /// [V]
    public var bias: Tensor?

    package init(transform: Linear, activation: Activation, norm: LayerNorm, decoder: Decoder, bias: Tensor?) {
      self.transform = transform
      self.activation = activation
      self.norm = norm
      self.decoder = decoder
      self.bias = bias
    }
  }

  /// logits = output(activation(transform(first token)))
  public struct SequenceHead: Sendable {
    /// D -> D; nil: none. Equal to the pooler where the head is on it.
    public var transform: Linear?
    public var activation: Activation
    /// D -> C
    public var output: Linear

    package init(transform: Linear?, activation: Activation, output: Linear) {
      self.transform = transform
      self.activation = activation
      self.output = output
    }
  }

  /// vector = normalize(steps(pooling(last hidden state)))
  public struct SentenceHead: Sendable {
    /// What is done to a pooled vector.
    public enum Step: Sendable {
      /// A linear layer and the activation after it.
      case dense(Linear, Activation)
      case norm(LayerNorm)
      /// Scaling to length 1, before a further step.
      case normalize
      /// The first so many elements are kept.
      case truncate(Int)
    }

    public var pooling: Pooling
    public var steps: [Step]
    /// Whether the vector is normalized to length 1 in the end.
    public var normalize: Bool

    package init(pooling: Pooling, steps: [Step], normalize: Bool) {
      self.pooling = pooling
      self.steps = steps
      self.normalize = normalize
    }
  }

  public enum Decoder: Sendable {
    /// The word table; compared by elements, however the file stores it.
    case tied
    /// A separate matrix D -> V.
    case separate(Matrix)
  }

  public struct InputNames: Sendable, Equatable {
    public var inputIDs: String
    public var attentionMask: String?
    public var tokenTypeIDs: String?
    public var positionIDs: String?
  }

  /// The graph output of each result; nil where the graph has none.
  public struct OutputNames: Sendable, Equatable {
    public var lastHiddenState: String?
    /// The states after layer `key` (0: the embeddings), except the last layer's.
    public var hiddenStates: [Int: String] = [:]
    public var poolerOutput: String?
    public var predictionLogits: String?
    public var seqRelationshipLogits: String?
    public var classLogits: String?
    public var tokenLogits: String?
    public var startLogits: String?
    public var endLogits: String?
    public var sentenceEmbedding: String?

    /// All recognised outputs.
    var all: [String] {
      [
        lastHiddenState, poolerOutput, predictionLogits, seqRelationshipLogits, classLogits, tokenLogits, startLogits,
        endLogits, sentenceEmbedding,
      ].compactMap { $0 } + hiddenStates.values
    }
    /// Outputs that this library does not compute.
    public var unrecognized: [String] = []
  }
}

/// y = x W + b
public struct Linear: Sendable {
  public var weight: Matrix
  /// [outputSize]
  public var bias: Tensor?

  public init(weight: Matrix, bias: Tensor?) {
    self.weight = weight
    self.bias = bias
  }
}

/// A weight matrix and the order of its elements.
public struct Matrix: Sendable {
  public enum Layout: Sendable, Equatable {
    /// Element (i, o) at i * outputSize + o: ONNX `MatMul`.
    case inOut
    /// Element (i, o) at o * inputSize + i: `Gemm` with `transB = 1`, PyTorch's `Linear.weight`.
    case outIn
  }

  public var tensor: Tensor
  public var layout: Layout
  public var inputSize: Int
  public var outputSize: Int

  public init(tensor: Tensor, layout: Layout, inputSize: Int, outputSize: Int) {
    self.tensor = tensor
    self.layout = layout
    self.inputSize = inputSize
    self.outputSize = outputSize
  }
}

/// y = (x - mean) / sqrt(variance + epsilon) * gamma + beta
public struct LayerNorm: Sendable {
  /// [D]; nil: 1
  public var gamma: Tensor?
  /// [D]; nil: 0
  public var beta: Tensor?
  public var epsilon: Double

  package init(gamma: Tensor?, beta: Tensor?, epsilon: Double) {
    self.gamma = gamma
    self.beta = beta
    self.epsilon = epsilon
  }
}
