public import ClozeONNX

/// How weights and activations are held and multiplied.
public enum Precision: Int32, Sendable, CaseIterable {
  /// Weights in 8 bits per output channel, activations in 8 bits per token, sums in 32 bits.
  case int8 = 1
  /// Weights and activations as they are.
  case float32 = 2
}

/// The instruction set that the kernels of a model are written for.
public enum ISA: String, Sendable, CaseIterable {
  /// Plain C, for every CPU.
  case scalar
  /// x86-64 with AVX2, FMA and F16C.
  case avx2
  /// The same with AVX-VNNI.
  case avxvnni
  /// x86-64 with AVX-512 F, BW, VL, DQ and VNNI.
  case avx512vnni
  /// Arm, 64 bits, with dot products of bytes.
  case neondot
  /// The same with matrix products of bytes.
  case neoni8mm
}

/// What a model can give beside contextual embeddings.
public struct Heads: OptionSet, Hashable, Sendable {
  /// The bits of `cloze_info.heads`.
  public let rawValue: UInt32
  /// Heads of their bits.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// A dense layer with tanh over the last vector of `[CLS]`.
  public static let pooler = Heads(rawValue: 1)
  /// The masked language model.
  public static let mlm = Heads(rawValue: 2)
  /// Next-sentence prediction.
  public static let nsp = Heads(rawValue: 4)
  /// Classes of a text.
  public static let classes = Heads(rawValue: 8)
  /// Tags of words.
  public static let tags = Heads(rawValue: 16)
  /// The part of a passage that answers a question.
  public static let answer = Heads(rawValue: 32)

  init(_ outputs: some Sequence<OutputHead>) { self.init(outputs.map(\.bit)) }
}

/// What a loaded model is: its sizes, how its weights were prepared, and what it can give.
public struct ModelInfo: Hashable, Sendable {
  /// The sizes of the network.
  public let configuration: BERTConfiguration
  /// Where text is cut by default: `max_seq_length` of the model's files, else all positions.
  public let maxTokens: Int
  /// How the weights were prepared.
  public let precision: Precision
  /// The instruction set that was chosen or forced.
  public let isa: ISA
  /// What the model gives beside contextual embeddings.
  public internal(set) var heads: Heads
  /// How embeddings are pooled unless asked otherwise: what the model's files say, else mean.
  public let pooling: Pooling
  /// Whether embeddings are brought to length 1 unless asked otherwise.
  public let normalize: Bool
  /// Memory that the weights take, in bytes.
  public let weightBytes: Int
  /// Elements of a text's vector: D, unless the graph has dense layers after pooling.
  public internal(set) var embeddingSize: Int = 0
  /// The classes or tags of a head; empty where there is none.
  public internal(set) var labels: [String] = []
}

/// The sizes of the network, without the detour over `configuration`.
extension ModelInfo {
  /// Elements of a hidden state, D.
  public var hiddenSize: Int { configuration.hiddenSize }
  /// Encoder layers, L.
  public var numHiddenLayers: Int { configuration.numHiddenLayers }
  /// Attention heads of a layer, H.
  public var numAttentionHeads: Int { configuration.numAttentionHeads }
  /// Elements between the two dense layers of a feed-forward block, F.
  public var intermediateSize: Int { configuration.intermediateSize }
  /// Entries of the vocabulary, V; token ids are 0 to V - 1.
  public var vocabSize: Int { configuration.vocabSize }
  /// The longest sequence, in tokens.
  public var maxPositionEmbeddings: Int { configuration.maxPositionEmbeddings }
  /// Token types; 1 where the model has none.
  public var typeVocabSize: Int { configuration.typeVocabSize }
}
