public import ClozeONNX

/// How weights and activations are held and multiplied.
public enum Precision: Int32, Sendable, CaseIterable {
  /// Weights in 8 bits per output channel, activations in 8 bits per token, sums in 32 bits.
  case int8 = 1
  /// Weights and activations in 32-bit floats.
  case float32 = 2
}

/// The instruction set that the kernels of a model are written for.
public enum ISA: String, Sendable, CaseIterable {
  /// Plain C, for every CPU.
  case scalar
  /// x86-64 with AVX2, FMA and F16C.
  case avx2
  /// x86-64 with AVX2, FMA, F16C and AVX-VNNI.
  case avxvnni
  /// x86-64 with AVX-512 F, BW, VL, DQ and VNNI.
  case avx512vnni
  /// x86-64 with AMX for int8, and what `avx512vnni` needs.
  case avx512amx
  /// 64-bit Arm with dot products of bytes (DotProd).
  case neondot
  /// 64-bit Arm with matrix products of bytes (I8MM).
  case neoni8mm
}

/// What a model computes besides contextual embeddings.
public struct Heads: OptionSet, Hashable, Sendable {
  /// The bits of `cloze_info.heads`.
  public let rawValue: UInt32
  /// Heads from their bits.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// A dense layer with tanh over the last hidden state of `[CLS]`.
  public static let pooler = Heads(rawValue: 1)
  /// The masked language model.
  public static let mlm = Heads(rawValue: 2)
  /// Next-sentence prediction.
  public static let nsp = Heads(rawValue: 4)
  /// Classes of a text.
  public static let classes = Heads(rawValue: 8)
  /// Tags of words.
  public static let tags = Heads(rawValue: 16)
  /// The span of a passage that answers a question.
  public static let answer = Heads(rawValue: 32)

  init(_ outputs: some Sequence<OutputHead>) { self.init(outputs.map(\.bit)) }
}

/// A loaded model's sizes, precision, instruction set and heads.
public struct ModelInfo: Hashable, Sendable {
  /// The sizes of the network.
  public let configuration: BERTConfiguration
  /// The default truncation length, in tokens: `max_seq_length` or `model_max_length` of the model's files, else
  /// all positions.
  public let maxTokens: Int
  /// The precision of weights and activations.
  public let precision: Precision
  /// The instruction set of the kernels, chosen or forced.
  public let isa: ISA
  /// What the model computes besides contextual embeddings.
  public internal(set) var heads: Heads
  /// The default pooling: that of the model's files, else mean.
  public let pooling: Pooling
  /// Whether embeddings are normalized to length 1 by default.
  public let normalize: Bool
  /// Memory of the weights, in bytes.
  public let weightBytes: Int
  /// Elements of a text's vector: D, unless the model has dense layers after pooling.
  public internal(set) var embeddingSize: Int = 0
  /// The prompts of the model's files.
  public internal(set) var prompts = Prompts()
  /// The classes or tags of a head; empty where there is none.
  public internal(set) var labels: [String] = []
  /// What `Session.predict` answers, with the head of the model's file or a trained one; nil: nothing.
  public internal(set) var task: Head.Task?
}

/// The sizes of the network, those of `configuration`.
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

/// What a token costs.
extension BERTConfiguration {
  /// Multiplications and additions per token in the dense layers of the encoder, two for each parameter; attention's
  /// own products, which grow with the length, are not included. Modulo 2^64, as a file may claim any sizes.
  package var operationsPerToken: Int {
    numHiddenLayers &* 2 &* (4 &* hiddenSize &* hiddenSize &+ 2 &* hiddenSize &* intermediateSize)
  }
}
