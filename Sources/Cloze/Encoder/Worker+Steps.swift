internal import CClozeKernels
internal import ClozeIO

/// The steps of a layer, each for one item of work.
extension Worker {
  /// target [count, D] = the embeddings of tokens `first` and following of the chunk.
  func embed(_ chunk: Chunk, _ first: Int, _ count: Int, to target: UnsafeMutablePointer<Float>) {
    guard let projection = model.weights.projection else {
      embedTokens(chunk, first, count, to: target)
      return
    }
    // Embeddings narrower than the layers wait where the intermediate states will be.
    embedTokens(chunk, first, count, to: perThread.intermediate)
    apply(projection, .identity, perThread.intermediate, rows: count, to: target, stride: width)
  }

  /// target [count, E] = norm(word + position + token type).
  private func embedTokens(_ chunk: Chunk, _ first: Int, _ count: Int, to target: UnsafeMutablePointer<Float>) {
    let weights = model.weights
    let width = weights.embeddingWidth(width)
    let isQuantized = weights.word.scale != nil
    for token in first..<(first &+ count) {
      let target = target + (token &- first) &* width
      let id = Int(chunk.ids[chunk.offsets[0] &+ token])
      let type = Int(chunk.typeIDs?[chunk.offsets[0] &+ token] ?? 0)
      guard let row = weights.word.row(id, width, matrix, perThread.word) else { return }
      kernels.rows.embedding_sum(
        isQuantized ? row.assumingMemoryBound(to: Int8.self) : nil, weights.word.scale?[id] ?? 1,
        isQuantized ? nil : row.assumingMemoryBound(to: Float.self),
        weights.position + Int(shared.position[token]) &* width, weights.tokenType + type &* width, width, target)
      kernels.normalize(target, weights.norm, rows: 1, width: width, to: target)
    }
  }

  /// target [rows, outputs] with row stride `stride` = activation(source [rows, inputs] W + b).
  func apply(
    _ dense: Weights.Dense, _ activation: Activation, _ source: UnsafePointer<Float>, rows: Int,
    to target: UnsafeMutablePointer<Float>, stride: Int
  ) {
    let matrix = kernels.matrix(dense.precision)
    matrix.pack_rows(source, dense.inputs, dense.inverseSmoothing, rows, dense.inputs, perThread.packed)
    matrix.multiply(
      rows, dense.outputs, dense.inputs, perThread.packed, dense.columns,
      cloze_epilogue(bias: dense.bias, activation: activation.kernel), target, stride)
  }

  /// Queries, keys and values of the hidden states of `count` rows from `at` on.
  func projectQueryKeyValue(_ layer: Weights.Layer, _ at: Int, _ count: Int) {
    apply(
      layer.queryKeyValue, .identity, shared.hidden + at &* width, rows: count,
      to: shared.queryKeyValue + at &* (3 &* width), stride: 3 &* width)
  }

  /// context = softmax(scale q k^T + bias) v, for heads of sequences until none is left.
  ///
  /// Where a head comes on two threads or more, it is divided by its queries; each part packs the keys and values for
  /// itself.
  func attend(_ layer: Weights.Layer, _ chunk: Chunk) {
    let width = width
    let heads = model.info.numAttentionHeads
    let size = width / heads
    let all = chunk.sequences &* heads
    let parts = 2 &* all <= team.threads ? (2 &* team.threads &+ all &- 1) / all : 1
    while !team.isStopped {
      let (item, part) = team.next().quotientAndRemainder(dividingBy: parts)
      let (sequence, head) = item.quotientAndRemainder(dividingBy: heads)
      if sequence >= chunk.sequences { return }
      let start = chunk.offsets[sequence] &- chunk.offsets[0]
      let length = chunk.offsets[sequence &+ 1] &- chunk.offsets[sequence]
      let rows = parts == 1 ? length : ((length &+ parts &- 1) / parts).roundedUp(to: Int(matrix.mr))
      let first = part &* rows
      if first >= length { continue }
      let query = UnsafePointer(shared.queryKeyValue + (start &* 3 &* width &+ head &* size))
      matrix.attention(
        query, query + width, query + (2 &* width), 3 &* width, length, size, layer.attentionScale,
        model.weights.attentionBias?.ofHead(head), first, min(first &+ rows, length),
        shared.context + (start &* width &+ head &* size), width, perThread.attention)
    }
  }

  /// What follows attention in a layer, for `count` rows from `at` on.
  func rows(_ layer: Weights.Layer, _ at: Int, _ count: Int) {
    let width = width
    let hidden = shared.hidden + at &* width
    apply(
      layer.attentionOutput, .identity, shared.context + at &* width, rows: count, to: perThread.block, stride: width)
    normalize(perThread.block, plus: hidden, layer.attentionNorm, count, to: hidden)
    apply(
      layer.intermediate, layer.activation, hidden, rows: count, to: perThread.intermediate,
      stride: layer.intermediate.outputs)
    apply(layer.output, .identity, perThread.intermediate, rows: count, to: perThread.block, stride: width)
    normalize(perThread.block, plus: hidden, layer.outputNorm, count, to: hidden)
  }

  /// target = norm(x + residual), rows of D.
  func normalize(
    _ x: UnsafePointer<Float>, plus residual: UnsafePointer<Float>, _ norm: Weights.Norm, _ count: Int,
    to target: UnsafeMutablePointer<Float>
  ) { kernels.normalize(x, plus: residual, norm, rows: count, width: width, to: target) }

  /// Adds the state [count, D] after `layer` layers to the mix, where one is wanted.
  func mix(
    _ layer: Int, _ chunk: Chunk, _ state: UnsafePointer<Float>, _ count: Int, to target: UnsafeMutablePointer<Float>
  ) {
    guard let weight = chunk.mix?[layer] else { return }
    let size = count &* width
    if layer == 0 {
      for i in 0..<size { target[i] = weight * state[i] }
    } else {
      for i in 0..<size { target[i] += weight * state[i] }
    }
  }
}
