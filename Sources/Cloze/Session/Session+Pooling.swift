internal import CClozeKernels
internal import ClozeIO

/// One vector for each sequence of a chunk: pooling, and what follows it.
extension Session {
  /// Writes the embeddings of a chunk, [sequences, output.width(model)].
  func embed(_ output: Output, _ chunk: Chunk, _ shared: Scratch.Shared, to values: UnsafeMutablePointer<Float>)
    throws(ClozeError)
  {
    let info = model.info
    let kept = try output.width(model)
    let pooling = output.pooling ?? info.pooling
    let states = output.mix == nil ? shared.hidden : shared.mixed
    // The model's own steps belong to its own pooling.
    if output.pooling == nil, !model.weights.sentence.isEmpty {
      let width = info.hiddenSize
      let vectors = try [Float](count: bytes(chunk.sequences, width)) { vectors throws(ClozeError) in
        try pool(pooling, states, chunk, shared, skipping: output.skippedTokens, to: vectors)
      }
      try sentence(vectors, chunk.sequences, kept: kept, to: values)
    } else {
      // Columns are independent, so only those kept are computed.
      try pool(pooling, states, chunk, shared, columns: kept, skipping: output.skippedTokens, to: values)
    }
    if output.normalize ?? info.normalize { normalize(values, chunk.sequences, kept) }
  }

  /// Scales rows [count, width] to length 1.
  private func normalize(_ values: UnsafeMutablePointer<Float>, _ count: Int, _ width: Int) {
    let rows = model.kernels.rows
    for i in 0..<count {
      let target = values + i * width
      let norm = rows.sum_of_squares(target, width).squareRoot()
      if norm > 1e-12 { rows.scale(target, width, 1 / norm) }
    }
  }

  /// target [sequences, columns] = the first columns of each sequence's states [tokens, D], pooled.
  ///
  /// - Parameters:
  ///   - columns: nil: all, D.
  ///   - skipping: tokens at the start of each sequence that are not pooled, those of a prompt; the last token is
  ///     pooled in any case.
  func pool(
    _ pooling: Pooling, _ states: UnsafePointer<Float>, _ chunk: Chunk, _ shared: Scratch.Shared, columns: Int? = nil,
    skipping: Int = 0, to target: UnsafeMutablePointer<Float>
  ) throws(ClozeError) {
    let rows = model.kernels.rows
    let width = model.info.hiddenSize
    let columns = columns ?? width
    if pooling == .pooler {
      try pool(.cls, shared.hidden, chunk, shared, to: shared.headInput)
      try apply(model.packedHead(.pooler), shared.headInput, chunk.sequences, to: shared.headOutput)
    }
    for i in 0..<chunk.sequences {
      let length = chunk.offsets[i + 1] - chunk.offsets[i]
      let skipped = min(skipping, length - 1)
      let count = length - skipped
      let first = states + (chunk.offsets[i] - chunk.offsets[0] + skipped) * width
      let target = target + i * columns
      switch pooling {
      case .mean:
        rows.column_sum(first, width, count, columns, target)
        rows.scale(target, columns, 1 / Float(count))
      case .meanSqrtLen:
        rows.column_sum(first, width, count, columns, target)
        rows.scale(target, columns, 1 / Float(count).squareRoot())
      case .max: rows.column_max(first, width, count, columns, target)
      case .cls: target.update(from: first, count: columns)
      case .pooler: target.update(from: shared.headOutput + i * width, count: columns)
      case .lastToken: target.update(from: first + (count - 1) * width, count: columns)
      case .weightedMean:
        rows.column_weighted_sum(first, width, count, columns, target)
        if skipped > 0 {
          // Tokens keep their numbers: sum of (i + s) h[i] = sum of i h[i] + s sum of h[i].
          let sum = shared.headOutput
          rows.column_sum(first, width, count, columns, sum)
          for j in 0..<columns { target[j] += Float(skipped) * sum[j] }
        }
        rows.scale(target, columns, 1 / Float((length * (length + 1) - skipped * (skipped + 1)) / 2))
      }
    }
  }

  /// The steps after the model's own pooling: vectors [count, D] in, [count, kept] out.
  private func sentence(_ pooled: [Float], _ count: Int, kept: Int, to values: UnsafeMutablePointer<Float>)
    throws(ClozeError)
  {
    var (rows, width) = (pooled, model.info.hiddenSize)
    for step in model.weights.sentence {
      switch step {
      case .dense(let layer):
        rows = try [Float](count: bytes(count, layer.dense.outputs)) { next throws(ClozeError) in
          try rows.withUnsafeBufferPointer { rows throws(ClozeError) in
            guard let source = rows.baseAddress else { return }
            try encoder.multiply(layer.dense, activation: layer.activation, source: source, rows: count, target: next)
          }
        }
      case .norm(let norm):
        rows.withUnsafeMutableBufferPointer { rows in
          guard let base = rows.baseAddress else { return }
          model.kernels.rows.layernorm(
            base, width, nil, 0, norm.gamma, norm.beta, norm.epsilon, count, width, base, width)
        }
      case .normalize:
        rows.withUnsafeMutableBufferPointer { rows in
          if let base = rows.baseAddress { normalize(base, count, width) }
        }
      case .truncate(let first): rows = (0..<(count * first)).map { rows[$0 / first * width + $0 % first] }
      }
      width = step.width(after: width)
    }
    for i in 0..<count { for j in 0..<kept { values[i * kept + j] = rows[i * width + j] } }
  }
}
