internal import CClozeKernels
internal import ClozeIO

/// Outputs that are computed from the states of a chunk, once its layers have run.
extension Session {
  /// Writes an output of a chunk; hidden states were copied while the layers ran.
  func write(_ output: Output, _ chunk: Chunk, firstSequence: Int) throws(ClozeError) {
    guard let values = output.values, let shared = encoder.scratch.shared else { return }
    if output.kind == .embedding {
      return try embed(output, chunk, shared, to: values + firstSequence * output.width(model))
    }
    guard let kind = output.kind.head else { return }
    let head = try model.packedHead(kind)
    let states = head.mix == nil ? shared.hidden : shared.mixed
    switch head.rows {
    case .pooled(let pooling):
      try pool(pooling, states, chunk, shared, columns: model.info.hiddenSize, to: shared.headInput)
      try apply(head, shared.headInput, chunk.sequences, to: values + firstSequence * head.outputs)
    case .tokens:
      if let positions = output.positions {
        try apply(head, states, chunk, shared, at: positions, to: values)
      } else {
        try apply(head, states, chunk.tokens, to: values + chunk.offsets[0] * head.outputs)
      }
    }
  }

  /// Applies a head to those of the batch's tokens at `positions` that are in the chunk.
  private func apply(
    _ head: PackedHead, _ states: UnsafePointer<Float>, _ chunk: Chunk, _ shared: Scratch.Shared,
    at positions: UnsafeBufferPointer<Int64>, to values: UnsafeMutablePointer<Float>
  ) throws(ClozeError) {
    let width = model.info.hiddenSize
    let start = chunk.offsets[0]
    let tokens = start..<(start + chunk.tokens)
    var at = 0
    while at < positions.count {
      // Neighbours in the output go through the head together, as many as scratch has rows for.
      var count = 0
      while at + count < positions.count, count < chunk.tokens, tokens.contains(Int(positions[at + count])) {
        let row = states + (Int(positions[at + count]) - start) * width
        (shared.headInput + count * width).update(from: row, count: width)
        count += 1
      }
      if count > 0 { try apply(head, shared.headInput, count, to: values + at * head.outputs) }
      at += max(count, 1)
    }
  }

  /// One vector for each sequence of a chunk.
  private func embed(_ output: Output, _ chunk: Chunk, _ shared: Scratch.Shared, to values: UnsafeMutablePointer<Float>)
    throws(ClozeError)
  {
    let info = model.info
    let kept = try output.width(model)
    let pooling = output.pooling ?? info.pooling
    let states = output.mix == nil ? shared.hidden : shared.mixed
    // The graph's own dense layers belong to its own pooling.
    if output.pooling == nil, !model.weights.sentence.isEmpty {
      let width = info.hiddenSize
      let vectors = try [Float](count: bytes(chunk.sequences, width)) { vectors throws(ClozeError) in
        try pool(pooling, states, chunk, shared, columns: width, to: vectors)
      }
      try sentence(vectors, chunk.sequences, kept: kept, to: values)
    } else {
      // Columns are independent, so only those kept are computed.
      try pool(pooling, states, chunk, shared, columns: kept, to: values)
    }
    guard output.normalize ?? info.normalize else { return }
    let rows = model.kernels.rows
    for i in 0..<chunk.sequences {
      let target = values + i * kept
      let norm = rows.sum_of_squares(target, kept).squareRoot()
      if norm > 1e-12 { rows.scale(target, kept, 1 / norm) }
    }
  }

  /// target [sequences, columns] = the first columns of each sequence's states [tokens, D], pooled.
  private func pool(
    _ pooling: Pooling, _ states: UnsafePointer<Float>, _ chunk: Chunk, _ shared: Scratch.Shared, columns: Int,
    to target: UnsafeMutablePointer<Float>
  ) throws(ClozeError) {
    let rows = model.kernels.rows
    let width = model.info.hiddenSize
    if pooling == .pooler {
      try pool(.cls, shared.hidden, chunk, shared, columns: width, to: shared.headInput)
      try apply(model.packedHead(.pooler), shared.headInput, chunk.sequences, to: shared.headOutput)
    }
    for i in 0..<chunk.sequences {
      let length = chunk.offsets[i + 1] - chunk.offsets[i]
      let first = states + (chunk.offsets[i] - chunk.offsets[0]) * width
      let target = target + i * columns
      switch pooling {
      case .mean:
        rows.column_sum(first, width, length, columns, target)
        rows.scale(target, columns, 1 / Float(length))
      case .meanSqrtLen:
        rows.column_sum(first, width, length, columns, target)
        rows.scale(target, columns, 1 / Float(length).squareRoot())
      case .max: rows.column_max(first, width, length, columns, target)
      case .cls: target.update(from: first, count: columns)
      case .pooler: target.update(from: shared.headOutput + i * width, count: columns)
      case .lastToken: target.update(from: first + (length - 1) * width, count: columns)
      case .weightedMean:
        rows.column_weighted_sum(first, width, length, columns, target)
        rows.scale(target, columns, 1 / Float(length * (length + 1) / 2))
      }
    }
  }

  /// The dense layers that the graph has after pooling: vectors [count, D] in, [count, kept] out.
  private func sentence(_ pooled: [Float], _ count: Int, kept: Int, to values: UnsafeMutablePointer<Float>)
    throws(ClozeError)
  {
    var rows = pooled
    for layer in model.weights.sentence {
      rows = try [Float](count: bytes(count, layer.dense.outputs)) { next throws(ClozeError) in
        try rows.withUnsafeBufferPointer { rows throws(ClozeError) in
          guard let source = rows.baseAddress else { return }
          try encoder.multiply(layer.dense, activation: layer.activation, source: source, rows: count, target: next)
        }
      }
    }
    let width = rows.count / max(count, 1)
    for i in 0..<count { for j in 0..<min(kept, width) { values[i * kept + j] = rows[i * width + j] } }
  }
}
