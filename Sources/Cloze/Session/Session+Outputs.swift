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
      try pool(pooling, states, chunk, shared, to: shared.headInput)
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
}
