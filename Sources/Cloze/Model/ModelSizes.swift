internal import ClozeONNX

/// The sizes of a model, by the keys of a Hugging Face `config.json`, and its activation.
struct ModelSizes {
  var hiddenSize: Int
  var numHiddenLayers: Int
  var numAttentionHeads: Int
  var intermediateSize: Int
  var vocabSize: Int
  var maxPositionEmbeddings: Int
  /// Rows of the table of token types, at least 1.
  var typeVocabSize: Int
  var hiddenAct: Activation
}

extension ModelSizes {
  init(_ configuration: BERTGraph.Configuration) {
    self.init(
      hiddenSize: configuration.hiddenSize, numHiddenLayers: configuration.numHiddenLayers,
      numAttentionHeads: configuration.numAttentionHeads,
      intermediateSize: configuration.intermediateSize, vocabSize: configuration.vocabSize,
      maxPositionEmbeddings: configuration.maxPositionEmbeddings,
      typeVocabSize: max(configuration.typeVocabSize, 1), hiddenAct: configuration.hiddenAct)
  }
}
