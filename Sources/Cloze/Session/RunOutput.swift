/// An output of a run on token ids. B sequences, T tokens of all of them, D hidden size, V vocabulary
/// size.
public struct RunOutput: Sendable {
  let kind: Output.Kind
  /// As the caller counts them; nil: the last.
  let layers: [Int]?
  let embedding: EmbeddingOptions

  private init(_ kind: Output.Kind, layers: [Int]? = nil, embedding: EmbeddingOptions = EmbeddingOptions()) {
    self.kind = kind
    self.layers = layers
    self.embedding = embedding
  }

  /// [T, D] the last layer's vector of every token.
  public static let hidden = RunOutput(.hidden)

  /// [T, layers, D] the vectors of every token after some of the layers: 0 the embeddings after
  /// their norm, L or -1 the last layer.
  public static func hidden(layers: [Int]) -> RunOutput { RunOutput(.hidden, layers: layers) }

  /// [B, E] one vector for each sequence, E `ModelInfo.embeddingSize`, pooled as the model's files say.
  public static let embedding = RunOutput(.embedding)

  /// [B, D], or [B, dimensions], one vector for each sequence. Token ids have no prompt.
  public static func embedding(_ options: EmbeddingOptions) -> RunOutput { RunOutput(.embedding, embedding: options) }

  /// [B, D] the pooler's vector of each sequence.
  public static let pooler = RunOutput(.pooler)
  /// [T, V] logits of the masked language model.
  public static let mlm = RunOutput(.mlm)
  /// [B, 2] logits of next-sentence prediction; class 0: the second text follows the first.
  public static let nsp = RunOutput(.nsp)
  /// [B, C] logits of the model's classes, `ModelInfo.labels`.
  public static let classes = RunOutput(.classes)
  /// [T, C] logits of the model's tags, `ModelInfo.labels`.
  public static let tags = RunOutput(.tags)
  /// [T, 2] logits of where an answer starts, column 0, and ends, column 1.
  public static let answer = RunOutput(.answer)
}
