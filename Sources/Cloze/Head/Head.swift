package import ClozeIO

/// What stands on top of an encoder and answers one task's question: a few dense layers over the
/// last vectors of a text or of its tokens, the names of the labels, and how texts were prepared.
///
/// Weights are plain float32, as they were trained; `PackedHead` is what runs.
public struct Head: Sendable {
  /// The question that a head answers.
  public enum Task: String, Sendable, CaseIterable {
    /// One class for a text.
    case classify
    /// One class for two texts.
    case classifyPairs = "classify-pairs"
    /// Any number of labels for a text.
    case multilabel
    /// A number for a text.
    case regress
    /// A number for two texts.
    case regressPairs = "regress-pairs"
    /// A tag for every word.
    case tag
    /// The part of a passage that answers a question.
    case answer
    /// The token that was masked.
    case mlm
    /// Whether the second text follows the first.
    case nsp

    /// Whether an example is two texts.
    public var takesPairs: Bool { self == .classifyPairs || self == .regressPairs || self == .answer || self == .nsp }
  }

  /// How the two texts of a pair are read.
  public enum Pairs: String, Sendable, CaseIterable {
    /// Together, as one sequence: `[CLS] first [SEP] second [SEP]`.
    case joint
    /// Each by itself, as sentence encoders are trained; the head reads `pairFeatures` of both vectors.
    case apart
  }

  /// A LayerNorm.
  public struct Norm: Sendable {
    /// [D]
    public var gamma: [Float]
    /// [D]
    public var beta: [Float]
    /// Added to the variance.
    public var epsilon: Float

    /// Of its parts.
    public init(gamma: [Float], beta: [Float], epsilon: Float) {
      self.gamma = gamma
      self.beta = beta
      self.epsilon = epsilon
    }
  }

  /// y = norm(activation(W x + b))
  public struct Dense: Sendable {
    /// Elements of x.
    public var inputs: Int
    /// Elements of y.
    public var outputs: Int
    /// [outputs, inputs]
    public var weight: [Float]
    /// [outputs]
    public var bias: [Float]
    /// The identity where there is none.
    public var activation: Activation
    /// nil: none.
    public var norm: Norm?

    /// Of its parts.
    public init(
      inputs: Int, outputs: Int, weight: [Float], bias: [Float], activation: Activation = .identity, norm: Norm? = nil
    ) {
      self.inputs = inputs
      self.outputs = outputs
      self.weight = weight
      self.bias = bias
      self.activation = activation
      self.norm = norm
    }
  }

  /// What it answers.
  public var task: Task
  /// The names of its outputs; empty where they have none: regression, answers, and mlm.
  public var labels: [String]
  /// What the first layer reads: the last state of the encoder, or a mix of all.
  public var mix: LayerMix?
  /// First to last; the last one's outputs are logits, or values.
  public var layers: [Dense]
  /// How a text's vectors become the one that the first layer reads; unused by `tag`, `answer` and
  /// `mlm`, which read each token's.
  public var pooling: Pooling
  /// How the texts of a pair are read; `apart` for `classifyPairs` and `regressPairs` only.
  public var pairs: Pairs
  /// Where texts were cut in training.
  public var maxTokens: Int
  /// `answer`: tokens that two windows over one passage share.
  public var stride: Int
  /// `answer`: a passage is said to hold no answer where that scores higher by more than this than
  /// the best span; nil: it always holds one.
  public var noAnswerThreshold: Float?
  /// The last layers of the encoder, where they were trained too, in the encoder's order.
  public var encoderLayers: [EncoderLayer]
  /// The embeddings, where they were trained too; then all encoder layers were.
  public var embeddings: EncoderEmbeddings?
  /// [32, H] the bias of attention scores by relative position, where the model has one and the embeddings were trained
  /// too.
  public var attentionBias: [Float]?
  /// A number that tells encoders apart: of the one the head was trained on.
  public var encoder: UInt64
  /// The name of the model that it was trained on, for messages; nil: not known.
  public var model: String?
  /// How often each of `labels` occurs in the training examples, for baselines; empty: unknown.
  public var labelCounts: [Int]
  /// `regress`: the mean of the training values, for baselines; nil: unknown.
  public var meanValue: Float?

  /// Of its parts.
  public init(
    task: Task, labels: [String], layers: [Dense], pooling: Pooling = .mean, pairs: Pairs = .joint, maxTokens: Int,
    stride: Int = 0, noAnswerThreshold: Float? = nil, encoderLayers: [EncoderLayer] = [],
    embeddings: EncoderEmbeddings? = nil, attentionBias: [Float]? = nil, mix: LayerMix? = nil, encoder: UInt64 = 0,
    model: String? = nil, labelCounts: [Int] = [], meanValue: Float? = nil
  ) {
    self.task = task
    self.labels = labels
    self.layers = layers
    self.pooling = pooling
    self.pairs = pairs
    self.maxTokens = maxTokens
    self.stride = stride
    self.noAnswerThreshold = noAnswerThreshold
    self.encoderLayers = encoderLayers
    self.embeddings = embeddings
    self.attentionBias = attentionBias
    self.mix = mix
    self.encoder = encoder
    self.model = model
    self.labelCounts = labelCounts
    self.meanValue = meanValue
  }

  /// Elements that its first layer reads.
  public var inputs: Int { layers.first?.inputs ?? 0 }
  /// D, elements of a text's vector: its inputs, or a quarter of them for pairs that are read apart.
  public var vectorSize: Int { pairs == .apart ? inputs / PairFeatures.count : inputs }
  /// Logits, or values, that it gives for each of them.
  public var outputs: Int { layers.last?.outputs ?? 0 }

  /// Makes sure that sizes agree with each other and with the labels, and that weights are numbers.
  package func check() throws(ClozeError) {
    func fail(_ reason: String) -> ClozeError { ClozeError(.invalidModel, "the head's \(reason)") }
    guard !layers.isEmpty else { throw fail("list of layers is empty") }
    var width = inputs
    for (i, layer) in layers.enumerated() {
      guard layer.inputs == width, layer.inputs > 0, layer.outputs > 0 else {
        throw fail("layer \(i) reads \(layer.inputs) numbers where \(width) come")
      }
      let (size, overflow) = layer.inputs.multipliedReportingOverflow(by: layer.outputs)
      guard !overflow, layer.weight.count == size, layer.bias.count == layer.outputs else {
        throw fail("layer \(i) has weights of another size than \(layer.outputs) x \(layer.inputs)")
      }
      if let norm = layer.norm {
        guard norm.gamma.count == layer.outputs, norm.beta.count == layer.outputs else {
          throw fail("layer \(i) has a norm of another size than \(layer.outputs)")
        }
      }
      let all = [layer.weight, layer.bias, layer.norm?.gamma ?? [], layer.norm?.beta ?? []]
      guard all.allSatisfy({ $0.allSatisfy(\.isFinite) }) else {
        throw fail("layer \(i) has a value that is not finite")
      }
      width = layer.outputs
    }
    if let mix {
      guard !mix.shares.isEmpty, mix.shares.allSatisfy({ $0.isFinite }), mix.factor.isFinite else {
        throw fail("mix of layers has a value that is not finite")
      }
      guard pooling != .pooler, task != .mlm, task != .nsp else {
        throw fail("mix of layers does not go with the pooler")
      }
    }
    if pairs == .apart {
      guard task == .classifyPairs || task == .regressPairs, inputs % PairFeatures.count == 0 else {
        throw fail("first layer reads \(inputs) numbers, which are no features of two texts")
      }
      guard mix == nil, encoderLayers.isEmpty, embeddings == nil else {
        throw fail("pairs are read apart, which does not go with trained encoder layers or a mix of layers")
      }
    }
    let needed: Int? =
      switch task {
      case .regress, .regressPairs: 1
      case .answer, .nsp: 2
      case .mlm: nil
      case .classify, .classifyPairs, .multilabel, .tag: labels.count
      }
    if let needed, outputs != needed { throw fail("last layer gives \(outputs) numbers, \(needed) are needed") }
    guard labelCounts.isEmpty || labelCounts.count == labels.count, labelCounts.allSatisfy({ $0 >= 0 }) else {
      throw fail("label_counts have other labels than it has")
    }
    guard maxTokens > 0, stride >= 0, stride < maxTokens else {
      throw fail("stride is \(stride), expected 0 to \(maxTokens - 1), below max_tokens")
    }
  }
}
