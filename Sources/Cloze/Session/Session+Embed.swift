public import ClozeIO

/// The vectors of texts, one row each.
public struct Embeddings: Sendable {
  /// [count, dimensions], row by row
  public let values: [Float]
  /// Texts.
  public let count: Int
  /// Elements of a vector.
  public let dimensions: Int
  /// Whether a text was truncated.
  public let truncated: [Bool]

  /// The vector of one text.
  public subscript(index: Int) -> ArraySlice<Float> { values[(index * dimensions)..<((index + 1) * dimensions)] }
}

/// Sentence embeddings.
extension Session {
  /// One vector for each text.
  ///
  /// Any number of texts in constant scratch memory. A vector depends on nothing but its text.
  ///
  /// - Parameters:
  ///   - text: the length limit, and how longer texts are truncated.
  ///   - embedding: how a text's vector is computed from its tokens' vectors.
  /// - Throws: `.tooLong` (with `truncation: .error`), `.invalidArgument`, also for an unknown prompt, `.noTokenizer`,
  ///   `.noHead`, `.unsupportedModel` where the model's files ask for a pooling that is not known,
  ///   `.cancelled`, `.busy`, `.outOfMemory`.
  public func embed(
    _ texts: [Text], text: TextOptions = TextOptions(), embedding: EmbeddingOptions = EmbeddingOptions()
  ) throws(ClozeError) -> Embeddings {
    let dimensions = try embeddingWidth(embedding)
    let size = try bytes(texts.count, dimensions)
    var truncated = [UInt8](repeating: 0, count: texts.count)
    let values = try [Float](count: size) { values throws(ClozeError) in
      try truncated.withUnsafeMutableBufferPointer { truncated throws(ClozeError) in
        try embed(
          SwiftTexts(texts: texts), text: text, embedding: embedding, into: values, truncated: truncated.baseAddress)
      }
    }
    return Embeddings(values: values, count: texts.count, dimensions: dimensions, truncated: truncated.map { $0 != 0 })
  }

  /// Elements of an embedding with these options: what `embed` writes for each text.
  ///
  /// - Throws: `.invalidArgument` for more dimensions than the model's embeddings have.
  package func embeddingWidth(_ options: EmbeddingOptions) throws(ClozeError) -> Int {
    try Output(options).width(model)
  }

  /// The same for texts anywhere in memory, into memory of the caller.
  ///
  /// - Parameter values: [texts.count, embeddingWidth(embedding)]
  package func embed<Source: TextSource>(
    _ texts: Source, text: TextOptions, embedding: EmbeddingOptions, into values: UnsafeMutablePointer<Float>,
    truncated: UnsafeMutablePointer<UInt8>?
  ) throws(ClozeError) {
    let prompt = try model.info.prompts.text(embedding.prompt)
    try exclusively { () throws(ClozeError) in
      var output = Output(embedding)
      let width = try output.count(model, sequences: 1, tokens: 1)
      if !model.info.prompts.isPooled, !prompt.isEmpty { output.skippedTokens = try length(ofPrompt: prompt, text) }
      try forEachBatch(of: PromptedTexts(texts, prompt: prompt), text, truncated: truncated) {
        batch, range throws(ClozeError) in
        output.values = values + range.lowerBound * width
        try run(batch, output)
      }
    }
  }

  /// The tokens that a prompt has at the start of a text: those of the prompt alone, without the special token at its
  /// end. This is how sentence-transformers counts them; a word that a prompt and its text share is not split.
  private func length(ofPrompt prompt: String, _ options: TextOptions) throws(ClozeError) -> Int {
    let tokenizer = try model.requiredTokenizer()
    let ids = try tokenizer.encode(prompt, maxTokens: limit(options), truncation: .longestFirst).ids
    guard let last = ids.last else { return 0 }
    let special = [tokenizer.clsID, tokenizer.sepID, tokenizer.maskID, tokenizer.padID, tokenizer.unknownID]
    return special.contains(last) ? ids.count - 1 : ids.count
  }
}
