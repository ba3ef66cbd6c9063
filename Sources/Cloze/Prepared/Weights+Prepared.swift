internal import CClozeKernels
internal import ClozeIO
internal import ClozeONNX

/// All weights in a prepared model, written and read in the same order.
extension Weights {
  /// Appends the sections of all weights.
  func add(to image: inout PreparedImage, _ sizes: PreparedConfiguration) throws(ClozeError) {
    let precision = sizes.precision
    let width = sizes.model.hiddenSize
    let embeddingSize = sizes.embeddingSize
    let entries = sizes.model.vocabSize
    if let columns = word.columns {
      try columns.add("word", entries, embeddingSize, to: &image)
    } else if let rows = word.rows {
      let size = try bytes(entries, embeddingSize, precision == .int8 ? 1 : 4)
      image.add("word.rows", UnsafeRawBufferPointer(start: rows, count: size))
      if let scale = word.scale { image.add("word.scales", scale, entries) }
    }
    image.add("position", position, sizes.model.maxPositionEmbeddings * embeddingSize)
    image.add("token_type", tokenType, sizes.model.typeVocabSize * embeddingSize)
    try norm.add("embedding_norm", embeddingSize, to: &image)
    try projection?.add("projection", to: &image)
    try image.add("attention_scales", copying: layers.map(\.attentionScale))
    if let attentionBias { image.add("attention_bias", attentionBias.table, attentionBias.count) }
    for (index, layer) in layers.enumerated() {
      let name = "layer.\(index)"
      try layer.queryKeyValue.add("\(name).query_key_value", to: &image)
      try layer.attentionOutput.add("\(name).attention_output", to: &image)
      try layer.attentionNorm.add("\(name).attention_norm", width, to: &image)
      try layer.intermediate.add("\(name).intermediate", to: &image)
      try layer.output.add("\(name).output", to: &image)
      try layer.outputNorm.add("\(name).output_norm", width, to: &image)
    }
    for output in OutputHead.allCases { try heads[output]?.add(output, isTied: sizes.isTied, to: &image) }
    for (index, step) in sentence.enumerated() {
      switch step {
      case .dense(let layer): try layer.dense.add("sentence.\(index)", to: &image)
      case .norm(let norm): try norm.add("sentence.\(index)", sentence.prefix(index).width(after: width), to: &image)
      case .normalize, .truncate: break
      }
    }
  }

  /// Reads the sections of all weights and uses them in place.
  init(_ file: inout PreparedFile, _ sizes: PreparedConfiguration) throws(ClozeError) {
    let precision = sizes.precision
    let width = sizes.model.hiddenSize
    let embeddingSize = sizes.embeddingSize
    let intermediateSize = sizes.model.intermediateSize
    let entries = sizes.model.vocabSize
    func dense(_ name: String, _ inputs: Int, _ outputs: Int, _ file: inout PreparedFile) throws(ClozeError) -> Dense {
      try Dense(name, precision, inputs, outputs, from: &file)
    }

    let word: WordTable
    if sizes.isTied {
      let columns = try cloze_packed_columns("word", precision, entries, embeddingSize, from: &file)
      word = WordTable(columns: columns, rows: nil, scale: columns.scale)
    } else if precision == .int8 {
      word = WordTable(
        columns: nil, rows: UnsafeRawPointer(try file.numbers("word.rows", entries, embeddingSize, as: Int8.self)),
        scale: try file.floats("word.scales", entries))
    } else {
      word = WordTable(
        columns: nil, rows: UnsafeRawPointer(try file.floats("word.rows", entries, embeddingSize)), scale: nil)
    }
    let position = try file.floats("position", sizes.model.maxPositionEmbeddings, embeddingSize)
    let tokenType = try file.floats("token_type", sizes.model.typeVocabSize, embeddingSize)
    let norm = try Norm("embedding_norm", embeddingSize, from: &file)
    let projection = sizes.isProjected ? try dense("projection", embeddingSize, width, &file) : nil
    let scales = try file.floats("attention_scales", sizes.model.numHiddenLayers)
    let biases =
      sizes.hasAttentionBias
      ? try file.floats("attention_bias", RelativePosition.buckets, sizes.model.numAttentionHeads) : nil
    var layers: [Layer] = []
    for index in 0..<sizes.model.numHiddenLayers {
      let name = "layer.\(index)"
      layers.append(
        Layer(
          queryKeyValue: try dense("\(name).query_key_value", width, bytes(3, width), &file),
          attentionOutput: try dense("\(name).attention_output", width, width, &file),
          attentionNorm: try Norm("\(name).attention_norm", width, from: &file),
          intermediate: try dense("\(name).intermediate", width, intermediateSize, &file),
          output: try dense("\(name).output", intermediateSize, width, &file),
          outputNorm: try Norm("\(name).output_norm", width, from: &file), attentionScale: scales[index],
          activation: sizes.model.hiddenAct))
    }
    let memory = WeightMemory(prepared: file.storage, bytes: file.weightBytes)
    let attentionBias = try biases.map { table throws(ClozeError) in
      try AttentionBias(
        table, heads: sizes.model.numAttentionHeads, positions: sizes.model.maxPositionEmbeddings, memory)
    }
    var heads: [OutputHead: PackedHead] = [:]
    for output in OutputHead.allCases where sizes.heads.contains(output.bit) {
      heads[output] = try PackedHead(output, sizes, pooler: heads[.pooler], word: word, memory: memory, from: &file)
    }
    var sentence: [SentenceStep] = []
    for (index, step) in sizes.sentence.enumerated() {
      let inputs = sentence.width(after: width)
      switch step {
      case .dense(let size, let activation):
        let dense = try Dense("sentence.\(index)", .float32, inputs, size, from: &file)
        sentence.append(.dense(PackedHead.Layer(dense: dense, activation: activation)))
      case .norm: sentence.append(.norm(try Norm("sentence.\(index)", inputs, from: &file)))
      case .normalize: sentence.append(.normalize)
      case .truncate(let kept): sentence.append(.truncate(kept))
      }
    }
    self.init(
      word: word, position: position, tokenType: tokenType, norm: norm, layers: layers, memory: memory, heads: heads,
      sentence: sentence, projection: projection, attentionBias: attentionBias)
  }
}

/// A LayerNorm in a prepared model: section NAME with gamma [D], beta [D], epsilon.
extension Weights.Norm {
  func add(_ name: String, _ width: Int, to image: inout PreparedImage) throws(ClozeError) {
    let memory = try AlignedMemory(bytes: bytes(2 * width + 1, MemoryLayout<Float>.size))
    memory.floats().update(from: gamma, count: width)
    (memory.floats() + width).update(from: beta, count: width)
    memory.floats()[2 * width] = epsilon
    image.add(name, memory)
  }

  init(_ name: String, _ width: Int, from file: inout PreparedFile) throws(ClozeError) {
    let values = try file.floats(name, 2 * width + 1)
    guard values[2 * width] >= 0 else { throw file.damaged("section \"\(name)\" has epsilon \(values[2 * width])") }
    self.init(gamma: values, beta: values + width, epsilon: values[2 * width])
  }
}
