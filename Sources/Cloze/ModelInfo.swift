/// How weights and activations are held and multiplied.
public enum Precision: Int32, Sendable, CaseIterable {
  /// Weights in 8 bits per output channel, activations in 8 bits per token, sums in 32 bits.
  case int8 = 1
  case float32 = 2
}

/// The instruction set that the kernels of a model are written for.
public enum ISA: String, Sendable, CaseIterable {
  case scalar
  case avx2
  case avx512vnni
}

/// What a model can give beside contextual embeddings.
public struct Heads: OptionSet, Hashable, Sendable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// A dense layer with tanh over the last vector of `[CLS]`.
  public static let pooler = Heads(rawValue: 1)
  /// The masked language model.
  public static let mlm = Heads(rawValue: 2)
  /// Next-sentence prediction.
  public static let nsp = Heads(rawValue: 4)
}

/// The configuration of a loaded model. Names are those of a Hugging Face `config.json`.
public struct ModelInfo: Hashable, Sendable {
  public let hiddenSize: Int
  public let numHiddenLayers: Int
  public let numAttentionHeads: Int
  public let intermediateSize: Int
  public let vocabSize: Int
  public let maxPositionEmbeddings: Int
  public let typeVocabSize: Int
  /// Where text is cut by default: `max_seq_length` of the model's files, else all positions.
  public let maxTokens: Int
  public let precision: Precision
  public let isa: ISA
  public let heads: Heads
  /// How embeddings are pooled unless asked otherwise: what the model's files say, else mean.
  public let pooling: Pooling
  /// Whether embeddings are brought to length 1 unless asked otherwise.
  public let normalize: Bool
  /// Memory that the weights take, in bytes.
  public let weightBytes: Int
}
