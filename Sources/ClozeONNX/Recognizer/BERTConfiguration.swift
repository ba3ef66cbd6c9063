package import ClozeIO

/// The sizes and constants of a BERT, named as the keys of a Hugging Face `config.json`.
public struct BERTConfiguration: Hashable, Sendable {
  /// Elements of a hidden state, D.
  public var hiddenSize: Int
  /// Encoder layers, L.
  public var numHiddenLayers: Int
  /// Attention heads of a layer, H.
  public var numAttentionHeads: Int
  /// Elements between the two dense layers of a feed-forward block, F.
  public var intermediateSize: Int
  /// Entries of the vocabulary, V; token ids are 0 to V - 1.
  public var vocabSize: Int
  /// The longest sequence, in tokens, P.
  public var maxPositionEmbeddings: Int
  /// Rows of the segment table. In a graph 1 where the exporter folded one row, 0 without a table; in a loaded
  /// model at least 1.
  public var typeVocabSize: Int
  /// The epsilon of the embeddings' LayerNorm; each `LayerNorm` carries its own.
  public var layerNormEps: Double
  /// The activation of the feed-forward blocks.
  public var hiddenAct: Activation

  package init(
    hiddenSize: Int, numHiddenLayers: Int, numAttentionHeads: Int, intermediateSize: Int, vocabSize: Int,
    maxPositionEmbeddings: Int, typeVocabSize: Int, layerNormEps: Double, hiddenAct: Activation
  ) {
    self.hiddenSize = hiddenSize
    self.numHiddenLayers = numHiddenLayers
    self.numAttentionHeads = numAttentionHeads
    self.intermediateSize = intermediateSize
    self.vocabSize = vocabSize
    self.maxPositionEmbeddings = maxPositionEmbeddings
    self.typeVocabSize = typeVocabSize
    self.layerNormEps = layerNormEps
    self.hiddenAct = hiddenAct
  }

  /// The sizes by key, in the order of files.
  package var sizes: [(key: String, value: Int)] {
    [
      ("hidden_size", hiddenSize), ("num_hidden_layers", numHiddenLayers), ("num_attention_heads", numAttentionHeads),
      ("intermediate_size", intermediateSize), ("vocab_size", vocabSize),
      ("max_position_embeddings", maxPositionEmbeddings), ("type_vocab_size", typeVocabSize),
    ]
  }

  /// A configuration whose sizes `size` returns by key.
  package init(hiddenAct: Activation, layerNormEps: Double, size: (String) throws(ClozeError) -> Int) throws(ClozeError)
  {
    self.init(
      hiddenSize: try size("hidden_size"), numHiddenLayers: try size("num_hidden_layers"),
      numAttentionHeads: try size("num_attention_heads"), intermediateSize: try size("intermediate_size"),
      vocabSize: try size("vocab_size"), maxPositionEmbeddings: try size("max_position_embeddings"),
      typeVocabSize: try size("type_vocab_size"), layerNormEps: layerNormEps, hiddenAct: hiddenAct)
  }
}
