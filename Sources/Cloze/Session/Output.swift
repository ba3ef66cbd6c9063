package import ClozeIO

/// One thing a run is to write, and where.
package struct Output {
  package enum Kind: Int32, Sendable {
    case hidden = 1
    case embedding
    case pooler
    case mlm
    case nsp
    case classes
    case tags
    case answer

    /// Whether there is a row for each token, and not for each sequence.
    package var isByToken: Bool {
      switch self {
      case .hidden, .mlm, .tags, .answer: true
      case .embedding, .pooler, .nsp, .classes: false
      }
    }
  }

  package var kind: Kind
  /// `hidden`: layers as a caller counts them, 0 for the embeddings, negative from the end; nil:
  /// the last.
  package var layers: UnsafeBufferPointer<Int32>?
  /// `hidden` and `mlm`: tokens of the batch; nil: all.
  package var positions: UnsafeBufferPointer<Int64>?
  /// `embedding`
  package var pooling: Pooling?
  package var normalize: Bool?
  package var dimensions: Int?
  /// `hidden` and `embedding`: of the mix of layers that the model's head reads, where it reads one.
  package var isMixed = false
  /// Room for `count(...)` floats; nil only to ask for that count.
  package var values: UnsafeMutablePointer<Float>?

  package init(_ kind: Kind, values: UnsafeMutablePointer<Float>? = nil) {
    self.kind = kind
    self.values = values
  }

  /// Embeddings with a caller's options.
  init(_ options: EmbeddingOptions) { self.init(.embedding(options)) }

  /// As a caller asked for it, but for layers.
  init(_ output: RunOutput) {
    self.init(output.kind)
    pooling = output.embedding.pooling
    normalize = output.embedding.normalize
    dimensions = output.embedding.dimensions
  }

  /// Floats that the output takes for a batch of `sequences` sequences and `tokens` tokens, after
  /// checking everything that was asked for.
  package func count(_ model: Model, sequences: Int, tokens: Int) throws(ClozeError) -> Int {
    let info = model.info
    let rows = positions?.count ?? tokens
    if let positions {
      guard kind == .hidden || kind == .mlm else {
        throw ClozeError(.invalidArgument, "positions are for the outputs hidden and mlm")
      }
      guard !positions.isEmpty else {
        throw ClozeError(.invalidArgument, "the list of positions is empty")
      }
      for (i, position) in positions.enumerated() where position < 0 || position >= tokens {
        throw ClozeError(
          .invalidArgument, "positions[\(i)] = \(position), the batch has \(tokens) tokens")
      }
    }
    switch kind {
    case .hidden:
      if let layers {
        guard !layers.isEmpty else {
          throw ClozeError(.invalidArgument, "the list of layers is empty")
        }
        for layer in layers { _ = try Self.layer(Int(layer), model) }
      }
      return try bytes(rows, layers?.count ?? 1, info.hiddenSize)
    case .embedding:
      if pooling == nil, let reason = model.embeddingUnsupportedReason {
        throw ClozeError(.unsupportedModel, "\(reason); name a pooling")
      }
      let pooling = pooling ?? info.pooling
      if pooling == .pooler, !info.heads.contains(.pooler) { throw model.lacks("pooler") }
      return try bytes(sequences, width(model))
    case .pooler:
      guard info.heads.contains(.pooler) else { throw model.lacks("pooler") }
      return try bytes(sequences, info.hiddenSize)
    case .mlm:
      guard info.heads.contains(.mlm) else { throw model.lacks("masked language model") }
      return try bytes(rows, info.vocabSize)
    case .nsp:
      guard info.heads.contains(.nsp) else { throw model.lacks("next-sentence head") }
      return try bytes(sequences, 2)
    case .classes where model.trained != nil, .tags where model.trained != nil,
      .answer where model.trained != nil:
      let wanted: Heads = kind == .classes ? .classes : kind == .tags ? .tags : .answer
      guard let head = model.head, info.heads.contains(wanted), kind.isOf(head.task) else {
        throw model.lacks("such head")
      }
      return try bytes(kind == .classes ? sequences : tokens, head.outputs)
    case .classes:
      guard let head = model.weights.heads.classes else { throw model.lacks("head for classes") }
      return try bytes(sequences, head.output.outputs)
    case .tags:
      guard let head = model.weights.heads.tags else { throw model.lacks("head for tags") }
      return try bytes(tokens, head.outputs)
    case .answer:
      guard model.weights.heads.answer != nil else { throw model.lacks("head for answers") }
      return try bytes(tokens, 2)
    }
  }

  /// Dimensions of an embedding.
  package func width(_ model: Model) throws(ClozeError) -> Int {
    // The graph's own dense layers belong to its own pooling.
    let all = pooling == nil ? model.info.embeddingSize : model.info.hiddenSize
    guard let dimensions else { return all }
    guard dimensions > 0, dimensions <= all else {
      throw ClozeError(.invalidArgument, "dimensions = \(dimensions), the model has \(all)")
    }
    return dimensions
  }

  /// How many layers a state has gone through, of a layer as a caller counts.
  static func layer(_ layer: Int, _ model: Model) throws(ClozeError) -> Int {
    let count = model.info.numHiddenLayers
    let index = layer < 0 ? count &+ 1 &+ layer : layer
    guard index >= 0, index <= count else {
      throw ClozeError(
        .invalidArgument,
        "layer \(layer), the model has \(count): 0 to \(count), or -1 to -\(count + 1)")
    }
    return index
  }
}

extension Output.Kind {
  /// Whether a head that was put on the model may give it.
  var isTrained: Bool { self == .classes || self == .tags || self == .answer }

  /// Whether a head for this task gives the output.
  func isOf(_ task: Head.Task) -> Bool {
    switch task {
    case .classify, .classifyPairs, .multilabel: self == .classes
    case .tag: self == .tags
    case .answer: self == .answer
    case .regress, .regressPairs, .mlm, .nsp: false
    }
  }
}
