internal import CClozeKernels

/// Weights as plain float32, for training to begin with: in int8 as near to the file's as 8 bits are.
extension Model {
  /// A number that tells encoders apart; the same in every precision.
  package var fingerprint: UInt64 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    func add(_ values: UnsafePointer<Float>, _ count: Int) {
      for i in 0..<count {
        hash = (hash ^ UInt64(values[i].bitPattern)) &* 0x0000_0100_0000_01B3
      }
    }
    let width = info.hiddenSize
    let narrow = weights.embeddingWidth(width)
    add(weights.position, min(info.maxPositionEmbeddings, 8) * narrow)
    add(weights.norm.gamma, narrow)
    for layer in weights.layers {
      add(layer.queryKeyValue.bias, 3 * width)
      add(layer.output.bias, width)
      add(layer.outputNorm.gamma, width)
      add(layer.outputNorm.beta, width)
    }
    return hash
  }

  /// The pooler and the next-sentence layer; nil where the model lacks one.
  package var nextSentenceLayers: [Head.Dense]? { weights.heads[.nextSentence].map(plain) }

  /// Transform and decoder of the masked language model; nil where the model has none.
  package var maskedLMLayers: [Head.Dense]? { weights.heads[.maskedLM].map(plain) }

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

  /// Word, position and type tables, and the norm after their sum; nil where they are narrower than
  /// the layers.
  package var encoderEmbeddings: (embeddings: EncoderEmbeddings, epsilon: Float)? {
    guard weights.projection == nil else { return nil }
    let norm = plain(weights.norm)
    func floats(_ base: UnsafePointer<Float>, _ rows: Int) -> [Float] {
      Array(UnsafeBufferPointer(start: base, count: rows * info.hiddenSize))
    }
    let arrays = [
      wordEmbeddings, floats(weights.position, info.maxPositionEmbeddings),
      floats(weights.tokenType, max(info.typeVocabSize, 1)), norm.gamma, norm.beta,
    ]
    return (EncoderEmbeddings(arrays: arrays), norm.epsilon)
  }

  /// Layer `index` of the encoder.
  package func encoderLayer(_ index: Int) -> EncoderLayer {
    let layer = weights.layers[index]
    let width = info.hiddenSize
    let joined = plain(layer.queryKeyValue)
    var arrays: [[Float]] = []
    for part in 0..<3 {
      arrays.append(Array(joined.weight[(part * width * width)..<((part + 1) * width * width)]))
      arrays.append(Array(joined.bias[(part * width)..<((part + 1) * width)]))
    }
    let output = plain(layer.attentionOutput)
    let norm = plain(layer.attentionNorm)
    let (up, down) = (plain(layer.intermediate), plain(layer.output))
    let last = plain(layer.outputNorm)
    arrays += [output.weight, output.bias, norm.gamma, norm.beta]
    arrays += [up.weight, up.bias, down.weight, down.bias, last.gamma, last.beta]
    return EncoderLayer(arrays: arrays)
  }

  /// What is not trained of layer `index`: the activation of its feed-forward block, the factor of attention scores, and the epsilons of both norms.
  package func encoderLayerSettings(
    _ index: Int
  ) -> (activation: Activation, scale: Float, epsilons: (Float, Float)) {
    let layer = weights.layers[index]
    return (
      layer.activation, layer.attentionScale,
      (layer.attentionNorm.epsilon, layer.outputNorm.epsilon)
    )
  }

  private func plain(_ head: PackedHead) -> [Head.Dense] {
    head.layers.map { layer in
      var dense = plain(layer.dense, layer.activation)
      dense.norm = layer.norm.map { plain($0) }
      return dense
    }
  }

  private func plain(_ norm: Weights.Norm) -> Head.Norm {
    let width = info.hiddenSize
    return Head.Norm(
      gamma: Array(UnsafeBufferPointer(start: norm.gamma, count: width)),
      beta: Array(UnsafeBufferPointer(start: norm.beta, count: width)), epsilon: norm.epsilon)
  }

  private func plain(_ dense: Weights.Dense, _ activation: Activation = .identity) -> Head.Dense {
    var weight: [Float] = []
    weight.reserveCapacity(dense.inputs * dense.outputs)
    for output in 0..<dense.outputs {
      var row = column(dense.columns, output, dense.inputs)
      if let inverse = dense.inverseSmoothing { for i in row.indices { row[i] *= inverse[i] } }
      weight.append(contentsOf: row)
    }
    return Head.Dense(
      inputs: dense.inputs, outputs: dense.outputs, weight: weight,
      bias: Array(UnsafeBufferPointer(start: dense.bias, count: dense.outputs)),
      activation: activation)
  }

  private func column(_ columns: cloze_packed_columns, _ index: Int, _ inputs: Int) -> [Float] {
    if let scale = columns.scale {
      var row = [Int8](repeating: 0, count: inputs)
      row.withUnsafeMutableBytes { bytes in
        if let base = bytes.baseAddress {
          kernels.int8.unpack_column(columns.panels, inputs, index, base)
        }
      }
      return row.map { Float($0) * scale[index] }
    }
    var row = [Float](repeating: 0, count: inputs)
    row.withUnsafeMutableBytes { bytes in
      if let base = bytes.baseAddress {
        kernels.float32.unpack_column(columns.panels, inputs, index, base)
      }
    }
    return row
  }
}
