internal import ClozeIO

/// What a model gives beside hidden states and embeddings; each has a head of its own.
enum OutputHead: CaseIterable, Hashable, Sendable {
  case pooler
  case maskedLM
  case nextSentence
  case classes
  case tags
  case answer

  /// In messages.
  var name: String {
    switch self {
    case .pooler: "pooler"
    case .maskedLM: "masked language model"
    case .nextSentence: "next-sentence head"
    case .classes: "classification head"
    case .tags: "tagging head"
    case .answer: "answering head"
    }
  }

  /// Its bit in `ModelInfo.heads`.
  var bit: Heads {
    switch self {
    case .pooler: .pooler
    case .maskedLM: .mlm
    case .nextSentence: .nsp
    case .classes: .classes
    case .tags: .tags
    case .answer: .answer
    }
  }
}

/// A head as the kernels run it, from a model file or trained: dense layers over rows of hidden states.
///
///     x[i + 1] = norm(activation(W x[i] + b))
struct PackedHead: @unchecked Sendable {
  /// The rows that the first layer reads.
  enum Rows: Sendable {
    /// The state of every token.
    case tokens
    /// One vector for each sequence.
    case pooled(Pooling)
  }

  /// How its layers are multiplied.
  enum Arithmetic: Sendable {
    /// Each layer in the precision of its weights, by all threads of the session.
    case model
    /// In float32, by the calling thread.
    case float32
  }

  struct Layer {
    let dense: Weights.Dense
    var activation = Activation.identity
    var norm: Weights.Norm?
  }

  let rows: Rows
  /// First to last; at least one.
  let layers: [Layer]
  var arithmetic = Arithmetic.model
  /// [L + 1] The factors of a weighted sum of the states after all layers, which the head reads in
  /// place of the last; nil: the last.
  var mix: UnsafePointer<Float>?
  /// What the pointers lead into.
  let memory: WeightMemory

  /// Elements of each row of its result.
  var outputs: Int { layers.last?.dense.outputs ?? 0 }
}
