package import ClozeIO

/// One output of a run, and where it is written.
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
  /// `hidden`: layers as callers number them, 0 the embeddings, negative from the end; nil: the last.
  package var layers: UnsafeBufferPointer<Int32>?
  /// `hidden` and `mlm`: tokens of the batch; nil: all.
  package var positions: UnsafeBufferPointer<Int64>?
  /// `embedding`
  package var pooling: Pooling?
  package var normalize: Bool?
  package var dimensions: Int?
  /// `embedding`: tokens at the start of each sequence that are not pooled, those of a prompt.
  var skippedTokens = 0
  /// `hidden` and `embedding`: of the sum of all states with these factors, those of the model's trained
  /// head; nil: of the last state.
  var mix: UnsafePointer<Float>?
  /// `count(...)` floats; nil only to compute that count.
  package var values: UnsafeMutablePointer<Float>?

  package init(_ kind: Kind, values: UnsafeMutablePointer<Float>? = nil) {
    self.kind = kind
    self.values = values
  }

  /// Embeddings with a caller's options.
  init(_ options: EmbeddingOptions) {
    self.init(Kind.embedding)
    pooling = options.pooling
    normalize = options.normalize
    dimensions = options.dimensions
  }

  /// What a caller asked for, except layers.
  ///
  /// - Throws: `.invalidArgument` for a prompt, which only a text has.
  init(running output: RunOutput) throws(ClozeError) {
    if let prompt = output.embedding.prompt, !prompt.isEmpty {
      throw ClozeError(.invalidArgument, "prompt = \"\(prompt)\", which is for texts, not for token ids")
    }
    self.init(output.embedding)
    kind = output.kind
  }

  /// Floats of the output for a batch of `sequences` sequences and `tokens` tokens; checks every field.
  package func count(_ model: Model, sequences: Int, tokens: Int) throws(ClozeError) -> Int {
    let info = model.info
    let rows = positions?.count ?? tokens
    if let positions {
      guard kind == .hidden || kind == .mlm else {
        throw ClozeError(.invalidArgument, "positions are for the outputs hidden and mlm")
      }
      guard !positions.isEmpty else { throw ClozeError(.invalidArgument, "the list of positions is empty") }
      for (i, position) in positions.enumerated() where position < 0 || position >= tokens {
        throw ClozeError(.invalidArgument, "positions[\(i)] = \(position), the batch has \(tokens) tokens")
      }
    }
    switch kind {
    case .hidden:
      if let layers {
        guard !layers.isEmpty else { throw ClozeError(.invalidArgument, "the list of layers is empty") }
        for layer in layers { _ = try Self.layer(Int(layer), model) }
      }
      return try bytes(rows, layers?.count ?? 1, info.hiddenSize)
    case .embedding:
      if pooling == nil, let reason = model.embeddingUnsupportedReason {
        throw ClozeError(.unsupportedModel, "\(reason); name a pooling")
      }
      let pooling = pooling ?? info.pooling
      if pooling == .pooler { _ = try model.packedHead(.pooler) }
      return try bytes(sequences, width(model))
    case .pooler, .mlm, .nsp, .classes, .tags, .answer:
      let outputs = try kind.head.map { head throws(ClozeError) in try model.packedHead(head).outputs }
      return try bytes(kind.isByToken ? rows : sequences, outputs ?? 0)
    }
  }

  /// Dimensions of an embedding.
  package func width(_ model: Model) throws(ClozeError) -> Int {
    // The model's own dense layers belong to its own pooling.
    let all = pooling == nil ? model.info.embeddingSize : model.info.hiddenSize
    guard let dimensions else { return all }
    guard dimensions > 0, dimensions <= all else {
      throw ClozeError(.invalidArgument, "dimensions = \(dimensions), the model has \(all)")
    }
    return dimensions
  }

  /// The layers before a state, 0 to L, from a layer as callers number them.
  static func layer(_ layer: Int, _ model: Model) throws(ClozeError) -> Int {
    let count = model.info.numHiddenLayers
    let index = layer < 0 ? count &+ 1 &+ layer : layer
    guard index >= 0, index <= count else {
      throw ClozeError(
        .invalidArgument, "layer \(layer), the model has \(count): 0 to \(count), or -1 to -\(count + 1)")
    }
    return index
  }
}

extension Output.Kind {
  /// The head that gives it.
  var head: OutputHead? {
    switch self {
    case .hidden, .embedding: nil
    case .pooler: .pooler
    case .mlm: .maskedLM
    case .nsp: .nextSentence
    case .classes: .classes
    case .tags: .tags
    case .answer: .answer
    }
  }
}
