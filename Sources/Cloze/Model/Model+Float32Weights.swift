internal import CClozeKernels
internal import ClozeIO
internal import ClozeONNX

/// The weights unpacked to float32, training's initial values: of an int8 model they are the quantized ones.
extension Model {
  /// FNV-1a (64 bits) of float32 parameters that every precision stores unquantized: positions 0 to 7, norms and
  /// biases. Not cryptographic: two encoders that differ in matrices only have the same.
  package var fingerprint: UInt64 {
    var hash = FNV1a()
    func add(_ values: UnsafePointer<Float>, _ count: Int) {
      hash.add(UnsafeBufferPointer(start: values, count: count))
    }
    let width = info.hiddenSize
    let embeddingWidth = weights.embeddingWidth(width)
    add(weights.position, min(info.maxPositionEmbeddings, 8) * embeddingWidth)
    add(weights.norm.gamma, embeddingWidth)
    if let bias = weights.attentionBias { add(bias.table, bias.count) }
    for layer in weights.layers {
      add(layer.queryKeyValue.bias, 3 * width)
      add(layer.output.bias, width)
      add(layer.outputNorm.gamma, width)
      add(layer.outputNorm.beta, width)
    }
    return hash.value
  }

  /// The pooler and the next-sentence layer; nil where the model lacks one.
  package var nextSentenceLayers: [Head.Dense]? { weights.heads[.nextSentence].map(layers) }

  /// Transform and decoder of the masked language model; nil where the model has none.
  package var maskedLMLayers: [Head.Dense]? { weights.heads[.maskedLM].map(layers) }

  /// [V, D], or narrower where the model projects them.
  package var wordEmbeddings: [Float] {
    let width = weights.embeddingWidth(info.hiddenSize)
    var rows: [Float] = []
    rows.reserveCapacity(info.vocabSize * width)
    if let columns = weights.word.columns {
      for id in 0..<info.vocabSize { rows.append(contentsOf: column(columns, id, width)) }
    } else if let table = weights.word.rows {
      for i in 0..<(info.vocabSize * width) {
        if let scale = weights.word.scale {
          rows.append(Float(table.load(fromByteOffset: i, as: Int8.self)) * scale[i / width])
        } else {
          rows.append(table.load(fromByteOffset: 4 * i, as: Float.self))
        }
      }
    }
    return rows
  }

  /// Word, position and type tables, and the norm after their sum; nil where they are narrower than the layers.
  package var encoderEmbeddings: (embeddings: EncoderEmbeddings, epsilon: Float)? {
    guard weights.projection == nil else { return nil }
    func table(_ base: UnsafePointer<Float>, _ rows: Int) -> [Float] {
      Array(UnsafeBufferPointer(start: base, count: rows * info.hiddenSize))
    }
    let embeddings = EncoderEmbeddings(
      word: wordEmbeddings, position: table(weights.position, info.maxPositionEmbeddings),
      tokenType: table(weights.tokenType, max(info.typeVocabSize, 1)), norm: norm(weights.norm))
    return (embeddings, weights.norm.epsilon)
  }

  /// [32, H] the bias of attention scores by the bucket of the relative position; nil where there is none.
  package var attentionBias: [Float]? {
    weights.attentionBias.map { Array(UnsafeBufferPointer(start: $0.table, count: $0.count)) }
  }

  /// The row of `attentionBias` for a key that lies so many tokens after its query.
  package static func relativePositionBucket(_ offset: Int) -> Int { RelativePosition.bucket(offset) }

  /// The trainable parameters of layer `index` of the encoder.
  package func encoderLayer(_ index: Int) -> EncoderLayer {
    let layer = weights.layers[index]
    let width = info.hiddenSize
    let joined = linear(layer.queryKeyValue)
    func part(_ index: Int) -> LinearParameters<[Float]> {
      LinearParameters(
        weight: Array(joined.weight[(index * width * width)..<((index + 1) * width * width)]),
        bias: Array(joined.bias[(index * width)..<((index + 1) * width)]))
    }
    return EncoderLayer(
      query: part(0), key: part(1), value: part(2), attentionOutput: linear(layer.attentionOutput),
      attentionNorm: norm(layer.attentionNorm), intermediate: linear(layer.intermediate), output: linear(layer.output),
      outputNorm: norm(layer.outputNorm))
  }

  /// The constants of layer `index` of the encoder, which training leaves as they are.
  package func encoderLayerConstants(_ index: Int) -> EncoderLayerConstants {
    let layer = weights.layers[index]
    return EncoderLayerConstants(
      activation: layer.activation, attentionScale: layer.attentionScale,
      attentionNormEpsilon: layer.attentionNorm.epsilon, outputNormEpsilon: layer.outputNorm.epsilon)
  }

  private func layers(_ head: PackedHead) -> [Head.Dense] {
    head.layers.map { layer in
      var dense = dense(layer.dense, layer.activation)
      dense.norm = layer.norm.map { source in
        let norm = norm(source)
        return Head.Norm(gamma: norm.gamma, beta: norm.beta, epsilon: source.epsilon)
      }
      return dense
    }
  }

  private func norm(_ norm: Weights.Norm) -> NormParameters<[Float]> {
    let width = info.hiddenSize
    return NormParameters(
      gamma: Array(UnsafeBufferPointer(start: norm.gamma, count: width)),
      beta: Array(UnsafeBufferPointer(start: norm.beta, count: width)))
  }

  private func linear(_ dense: Weights.Dense) -> LinearParameters<[Float]> {
    var weight: [Float] = []
    weight.reserveCapacity(dense.inputs * dense.outputs)
    for output in 0..<dense.outputs {
      var row = column(dense.columns, output, dense.inputs)
      if let inverse = dense.inverseSmoothing { for i in row.indices { row[i] *= inverse[i] } }
      weight.append(contentsOf: row)
    }
    return LinearParameters(weight: weight, bias: Array(UnsafeBufferPointer(start: dense.bias, count: dense.outputs)))
  }

  private func dense(_ dense: Weights.Dense, _ activation: Activation = .identity) -> Head.Dense {
    let linear = linear(dense)
    return Head.Dense(
      inputs: dense.inputs, outputs: dense.outputs, weight: linear.weight, bias: linear.bias, activation: activation)
  }

  private func column(_ columns: cloze_packed_columns, _ index: Int, _ inputs: Int) -> [Float] {
    if let scale = columns.scale {
      var row = [Int8](repeating: 0, count: inputs)
      row.withUnsafeMutableBytes { bytes in
        if let base = bytes.baseAddress { kernels.int8.unpack_column(columns.panels, inputs, index, base) }
      }
      return row.map { Float($0) * scale[index] }
    }
    var row = [Float](repeating: 0, count: inputs)
    row.withUnsafeMutableBytes { bytes in
      if let base = bytes.baseAddress { kernels.float32.unpack_column(columns.panels, inputs, index, base) }
    }
    return row
  }
}

/// What an encoder layer computes with beside its parameters.
package struct EncoderLayerConstants {
  /// Of the feed-forward block.
  package var activation: Activation
  /// The factor of attention scores.
  package var attentionScale: Float
  package var attentionNormEpsilon: Float
  package var outputNormEpsilon: Float
}
