internal import CClozeKernels
internal import CClozeSupport
internal import ClozeIO

/// What a thread does with one piece of work.
extension Encoder {
  /// target [D] = norm(word + position + token type) of one token of the chunk.
  func embed(
    _ chunk: Chunk, _ token: Int, _ shared: Scratch.Shared, _ own: Scratch.Own,
    to target: UnsafeMutablePointer<Float>
  ) {
    let weights = model.weights
    let width = weights.embeddingWidth(model.info.hiddenSize)
    let id = Int(chunk.ids[chunk.offsets[0] &+ token])
    let type = Int(chunk.typeIDs?[chunk.offsets[0] &+ token] ?? 0)
    guard let row = weights.word.row(id, width, matrix, own.word) else { return }
    let quantized = weights.word.scale != nil
    kernels.rows.embedding_sum(
      quantized ? row.assumingMemoryBound(to: Int8.self) : nil, weights.word.scale?[id] ?? 1,
      quantized ? nil : row.assumingMemoryBound(to: Float.self),
      weights.position + Int(shared.position[token]) &* width, weights.tokenType + type &* width,
      width, target)
    kernels.rows.layernorm(
      target, width, nil, 0, weights.norm.gamma, weights.norm.beta, weights.norm.epsilon, 1, width,
      target, width)
  }

  /// target [count, D] = the embeddings of tokens from `first` on.
  func embed(
    _ chunk: Chunk, _ first: Int, _ count: Int, _ shared: Scratch.Shared, _ own: Scratch.Own,
    to target: UnsafeMutablePointer<Float>
  ) {
    let width = model.info.hiddenSize
    // Narrower ones wait where the intermediate state will be.
    let narrow = model.weights.projection == nil ? target : own.intermediate
    let step = model.weights.embeddingWidth(width)
    for i in 0..<count { embed(chunk, first &+ i, shared, own, to: narrow + i &* step) }
    if let projection = model.weights.projection {
      apply(projection, .identity, narrow, count, target, width, own)
    }
  }

  /// target [count, outputs] with row stride ld = activation(source [count, inputs] W + b).
  func apply(
    _ dense: Weights.Dense, _ activation: Activation, _ source: UnsafePointer<Float>, _ count: Int,
    _ target: UnsafeMutablePointer<Float>, _ ld: Int, _ own: Scratch.Own
  ) {
    matrix.pack_rows(source, dense.inputs, dense.inverseSmoothing, count, dense.inputs, own.packed)
    matrix.multiply(
      count, dense.outputs, dense.inputs, own.packed, dense.columns,
      cloze_epilogue(bias: dense.bias, activation: activation.kernel), target, ld)
  }

  /// context = softmax(scale q k^T) v, for heads of sequences as long as there are any left.
  func attend(_ layer: Weights.Layer, _ chunk: Chunk, _ shared: Scratch.Shared, _ own: Scratch.Own)
  {
    let width = model.info.hiddenSize
    let heads = model.info.numAttentionHeads
    let size = width / heads
    while cloze_team_stopped(team) == 0 {
      let item = cloze_team_next(team)
      let (sequence, head) = item.quotientAndRemainder(dividingBy: heads)
      if sequence >= chunk.sequences { return }
      let first = chunk.offsets[sequence] &- chunk.offsets[0]
      let length = chunk.offsets[sequence &+ 1] &- chunk.offsets[sequence]
      let offset = first &* 3 &* width &+ head &* size
      let query = UnsafePointer(shared.queryKeyValue + offset)
      let context = shared.context + (first &* width &+ head &* size)
      matrix.attention(
        query, query + width, query + (2 &* width), 3 &* width, length, size, layer.attentionScale,
        0, length,
        context, width, own.attention)
    }
  }

  /// What follows attention in a layer, for `count` rows from `at` on.
  func rows(
    _ layer: Weights.Layer, _ at: Int, _ count: Int, _ shared: Scratch.Shared, _ own: Scratch.Own
  ) {
    let width = model.info.hiddenSize
    let hidden = shared.hidden + at &* width
    apply(layer.attentionOutput, .identity, shared.context + at &* width, count, own.block, width, own)
    normalize(own.block, plus: hidden, layer.attentionNorm, count, to: hidden)
    apply(
      layer.intermediate, layer.activation, hidden, count, own.intermediate,
      layer.intermediate.outputs, own)
    apply(layer.output, .identity, own.intermediate, count, own.block, width, own)
    normalize(own.block, plus: hidden, layer.outputNorm, count, to: hidden)
  }

  /// target = norm(x + residual), rows of D.
  func normalize(
    _ x: UnsafePointer<Float>, plus residual: UnsafePointer<Float>?, _ norm: Weights.Norm,
    _ count: Int,
    to target: UnsafeMutablePointer<Float>
  ) {
    let width = model.info.hiddenSize
    kernels.rows.layernorm(
      x, width, residual, width, norm.gamma, norm.beta, norm.epsilon, count, width, target, width)
  }

  /// Adds the state [count, D] after `layer` layers to the mix, where one is wanted.
  func mix(
    _ layer: Int, _ chunk: Chunk, _ state: UnsafePointer<Float>, _ count: Int,
    to target: UnsafeMutablePointer<Float>
  ) {
    guard let weight = chunk.mix?[layer] else { return }
    let size = count &* model.info.hiddenSize
    if layer == 0 {
      for i in 0..<size { target[i] = weight * state[i] }
    } else {
      for i in 0..<size { target[i] += weight * state[i] }
    }
  }

  /// Copies what is wanted of the state after `layer` layers.
  func capture(_ layer: Int, _ chunk: Chunk, _ shared: Scratch.Shared) {
    let width = model.info.hiddenSize
    let start = chunk.offsets[0]
    let states = layer == Self.mixed ? shared.mixed : shared.hidden
    for wanted in chunk.captures where wanted.layer == layer {
      if let positions = wanted.positions {
        for place in wanted.order {
          let index = chunk.order[place]
          let row = states + (Int(positions[index]) &- start) &* width
          (wanted.target + index &* wanted.stride).update(from: row, count: width)
        }
      } else {
        for token in 0..<chunk.tokens {
          (wanted.target + (start &+ token) &* wanted.stride).update(
            from: states + token &* width, count: width)
        }
      }
    }
  }
}

extension Weights.Dense {
  /// The part of the layer that computes `count` outputs from `first` on, which begins a panel.
  func columns(_ first: Int, _ count: Int, _ matrix: cloze_matrix_kernels) -> Weights.Dense {
    let panel = inputs.roundedUp(to: Int(matrix.kr)) &* Int(matrix.column_element_size)
    return Weights.Dense(
      inputs: inputs, outputs: count,
      columns: cloze_packed_columns(
        panels: columns.panels + first &* panel, scale: columns.scale.map { $0 + first },
        sum: columns.sum.map { $0 + first }),
      bias: bias + first, inverseSmoothing: inverseSmoothing)
  }
}
