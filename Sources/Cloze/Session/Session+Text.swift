internal import CClozeSupport
public import ClozeIO
public import ClozeTokenizer

/// The vectors of texts, one row each.
public struct Embeddings: Sendable {
  /// [count, dimensions], row by row
  public let values: [Float]
  /// Texts.
  public let count: Int
  /// Elements of a vector.
  public let dimensions: Int
  /// Whether a text was cut.
  public let truncated: [Bool]

  /// The vector of one text.
  public subscript(index: Int) -> ArraySlice<Float> {
    values[(index * dimensions)..<((index + 1) * dimensions)]
  }
}

/// The vectors of a text's tokens.
public struct Encoded: Sendable {
  /// [tokens, layers, D]
  public let values: [Float]
  /// The tokens, their ids, and where they stand in the text.
  public let encoding: Encoding
  /// The number of tokens.
  public var tokens: Int { encoding.ids.count }
  /// Whether the text was cut.
  public var truncated: Bool { encoding.truncated }
}

extension Session {
  /// One vector for each text.
  ///
  /// Any number of texts in constant scratch memory. A vector depends on nothing but its text.
  ///
  /// - Parameters:
  ///   - text: where texts are cut, and how.
  ///   - embedding: how a vector is made of its tokens' vectors.
  /// - Throws: `.tooLong` (with `truncation: .error`), `.invalidArgument`, `.noTokenizer`,
  ///   `.noHead`, `.unsupportedModel` where the model's files ask for a pooling that is not known,
  ///   `.cancelled`, `.busy`, `.outOfMemory`.
  public func embed(
    _ texts: [Text], text: TextOptions = TextOptions(),
    embedding: EmbeddingOptions = EmbeddingOptions()
  ) throws(ClozeError) -> Embeddings {
    let dimensions = try embeddingWidth(embedding)
    let size = try bytes(texts.count, dimensions)
    var truncated = [UInt8](repeating: 0, count: texts.count)
    let values = try filled(size) { values throws(ClozeError) in
      let failure = truncated.withUnsafeMutableBufferPointer { truncated -> ClozeError? in
        do throws(ClozeError) {
          try embed(
            SwiftTexts(texts: texts), text: text, embedding: embedding, into: values,
            truncated: truncated.baseAddress)
          return nil
        } catch { return error }
      }
      if let failure { throw failure }
    }
    return Embeddings(
      values: values, count: texts.count, dimensions: dimensions,
      truncated: truncated.map { $0 != 0 })
  }

  /// Elements of an embedding made with these options: what `embed` writes for each text.
  ///
  /// - Throws: `.invalidArgument` for more dimensions than the model's embeddings have.
  package func embeddingWidth(_ options: EmbeddingOptions) throws(ClozeError) -> Int {
    var output = Output(.embedding)
    output.set(options)
    return try output.width(model)
  }

  /// The same for texts anywhere in memory, into memory of the caller: [count, embeddingWidth] floats.
  package func embed<Source: TextSource>(
    _ texts: Source, text: TextOptions, embedding: EmbeddingOptions,
    into values: UnsafeMutablePointer<Float>,
    truncated: UnsafeMutablePointer<UInt8>?
  ) throws(ClozeError) {
    try exclusively { () throws(ClozeError) in
      try embedGathered(texts, text, embedding, into: values, truncated: truncated)
    }
  }

  /// Embeds texts; within `exclusively`.
  func embedGathered<Source: TextSource>(
    _ texts: Source, _ text: TextOptions, _ embedding: EmbeddingOptions,
    into values: UnsafeMutablePointer<Float>, truncated: UnsafeMutablePointer<UInt8>?
  ) throws(ClozeError) {
    let tokenizer = try model.requiredTokenizer()
    let limit = try limit(text)
    let width = try embeddingWidth(embedding)
    var output = Output(.embedding)
    output.set(embedding)
    _ = try output.count(model, sequences: 1, tokens: 1)
    var done = 0
    while done < texts.count {
      let next = try gather(
        texts, from: done, tokenizer, limit: limit, truncation: text.truncation, truncated: truncated)
      output.values = values + done * width
      try run(output)
      done = next
    }
  }

  /// The vector of every token of every text.
  ///
  /// - Parameters:
  ///   - text: where texts are cut, and how.
  ///   - layers: which states: 0 the embeddings after their norm, L or -1 the last layer.
  /// - Throws: as `embed`.
  public func encode(
    _ texts: [Text], text: TextOptions = TextOptions(), layers: [Int] = [-1]
  ) throws(ClozeError) -> [Encoded] {
    try exclusively { () throws(ClozeError) in
      let tokenizer = try model.requiredTokenizer()
      let limit = try limit(text)
      let width = try count(of: .hidden(layers: layers), sequences: 1, tokens: 1)
      let wanted = layers.map { Int32(clamping: $0) }
      var results: [Encoded] = []
      for (index, item) in texts.enumerated() {
        guard cloze_team_stopped(encoder.team) == 0 else { throw ClozeError(.cancelled, "cancelled") }
        let encoding: Encoding
        do throws(ClozeError) {
          encoding = try tokenizer.encode(
            item.first, pair: item.second, maxTokens: limit, truncation: text.truncation)
        } catch { throw error.prefixed(texts.count > 1 ? "text \(index): " : "") }
        let values = try filled(bytes(encoding.ids.count, width)) { values throws(ClozeError) in
          try wanted.withUnsafeBufferPointer { layers throws(ClozeError) in
            var output = Output(.hidden, values: values)
            output.layers = layers
            try run(encoding, output)
          }
        }
        results.append(Encoded(values: values, encoding: encoding))
      }
      return results
    }
  }

  /// The same for texts anywhere in memory: [T, layers, D] floats, and where each text's begin.
  ///
  /// - Parameter capacity: floats that `values` has room for; nil: only `offsets` and `truncated`
  ///   are wanted.
  package func encode<Source: TextSource>(
    _ texts: Source, text: TextOptions, layers: UnsafeBufferPointer<Int32>?,
    into values: UnsafeMutablePointer<Float>?, capacity: Int?,
    offsets places: UnsafeMutablePointer<Int64>,
    truncated: UnsafeMutablePointer<UInt8>?
  ) throws(ClozeError) {
    try exclusively { () throws(ClozeError) in
      let tokenizer = try model.requiredTokenizer()
      let limit = try limit(text)
      var output = Output(.hidden)
      output.layers = layers
      let width = try output.count(model, sequences: 1, tokens: 1)
      var total = 0
      // Counted first, so that a buffer too small costs no run and its message gives the whole
      // size.
      for pass in capacity == nil ? 0..<1 : 0..<2 {
        var done = 0
        total = 0
        places[0] = 0
        while done < texts.count {
          let next = try gather(
            texts, from: done, tokenizer, limit: limit, truncation: text.truncation,
            truncated: truncated)
          for i in done..<next { places[i + 1] = Int64(total + offsets[i + 1 - done]) }
          if pass == 1, let values {
            output.values = values + total * width
            try run(output)
          }
          total += tokens.ids.count
          done = next
        }
        if pass == 0, let capacity {
          let needed = try bytes(total, width)
          guard capacity >= needed else {
            throw ClozeError(
              .bufferTooSmall, "hidden has room for \(capacity) elements, \(needed) are needed")
          }
          guard values != nil || total == 0 else {
            throw ClozeError(.invalidArgument, "hidden is NULL")
          }
        }
      }
    }
  }

  /// The probability that the second text of each pair follows the first.
  ///
  /// - Throws: `.invalidArgument` for a text that is no pair, else as `embed`.
  public func nextSentence(
    _ pairs: [Text], text: TextOptions = TextOptions()
  ) throws(ClozeError) -> [NextSentence] {
    var truncated = [UInt8](repeating: 0, count: pairs.count)
    let values = try filled(pairs.count) { values throws(ClozeError) in
      let failure = truncated.withUnsafeMutableBufferPointer { truncated -> ClozeError? in
        do throws(ClozeError) {
          try nextSentence(
            SwiftTexts(texts: pairs), text: text, into: values, truncated: truncated.baseAddress)
          return nil
        } catch { return error }
      }
      if let failure { throw failure }
    }
    return zip(values, truncated).map { NextSentence(probability: $0, truncated: $1 != 0) }
  }

  /// The same for texts anywhere in memory: [count] floats.
  package func nextSentence<Source: TextSource>(
    _ pairs: Source, text: TextOptions, into values: UnsafeMutablePointer<Float>,
    truncated: UnsafeMutablePointer<UInt8>?
  ) throws(ClozeError) {
    try exclusively { () throws(ClozeError) in
      let tokenizer = try model.requiredTokenizer()
      let limit = try limit(text)
      guard model.info.heads.contains(.nsp) else { throw model.lacks("next-sentence head") }
      let room = try AlignedMemory(bytes: 2 * (Self.chunkTokens + 1) * MemoryLayout<Float>.size)
      defer { withExtendedLifetime(room) {} }
      let logits = room.floats()
      var done = 0
      while done < pairs.count {
        let next = try gather(
          pairs, from: done, tokenizer, limit: limit, truncation: text.truncation, pairs: true,
          truncated: truncated)
        try run(Output(.nsp, values: logits))
        for i in 0..<(next - done) {
          model.kernels.rows.softmax(logits + 2 * i, 2)
          values[done + i] = logits[2 * i]
        }
        done = next
      }
    }
  }

  /// Runs the model over what was gathered, for one output.
  func run(_ output: Output) throws(ClozeError) {
    let failure = withUnsafePointer(to: output) { output -> ClozeError? in
      do throws(ClozeError) {
        try runGathered(UnsafeBufferPointer(start: output, count: 1))
        return nil
      } catch { return error }
    }
    if let failure { throw failure }
  }

  /// Runs the model over one text, for one output.
  private func run(_ encoding: Encoding, _ output: Output) throws(ClozeError) {
    let failure = encoding.ids.withUnsafeBufferPointer { ids in
      encoding.typeIDs.withUnsafeBufferPointer { types in
        withUnsafePointer(to: output) { output -> ClozeError? in
          do throws(ClozeError) {
            try run(ids, types, [0, ids.count], UnsafeBufferPointer(start: output, count: 1))
            return nil
          } catch { return error }
        }
      }
    }
    if let failure { throw failure }
  }
}

/// How likely a text follows another.
public struct NextSentence: Hashable, Sendable {
  /// From 0 to 1.
  public let probability: Float
  /// Whether the pair was cut.
  public let truncated: Bool
}

extension Output {
  mutating func set(_ options: EmbeddingOptions) {
    pooling = options.pooling
    normalize = options.normalize
    dimensions = options.dimensions
    isMixed = options.isMixed
  }
}

/// An array of `count` floats that `body` fills.
func filled(
  _ count: Int, _ body: (UnsafeMutablePointer<Float>) throws(ClozeError) -> Void
) throws(ClozeError) -> [Float] {
  var failure: ClozeError?
  let values = [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
    initialized = 0
    guard let base = buffer.baseAddress else { return }
    do throws(ClozeError) {
      try body(base)
      initialized = count
    } catch { failure = error }
  }
  if let failure { throw failure }
  return values
}
