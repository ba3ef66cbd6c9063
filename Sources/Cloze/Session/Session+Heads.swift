internal import CClozeKernels
internal import ClozeIO

/// Outputs of heads that came with the model's file.
extension Session {
  /// Rows of a chunk's last state through a dense layer: logits of every token.
  func tokens(
    _ head: Weights.Dense, _ chunk: Chunk, _ shared: Scratch.Shared,
    _ values: UnsafeMutablePointer<Float>
  ) throws(ClozeError) {
    try encoder.multiply(
      head, activation: .identity, source: shared.hidden, rows: chunk.tokens,
      target: values + chunk.offsets[0] * head.outputs)
  }

  /// Logits of the classes of each sequence.
  func classes(
    _ head: FileHeads.Classes, _ chunk: Chunk, _ shared: Scratch.Shared,
    _ values: UnsafeMutablePointer<Float>
  ) throws(ClozeError) {
    gatherFirst(chunk, shared)
    var rows = shared.headInput
    if let transform = head.transform {
      try encoder.multiply(
        transform.dense, activation: transform.activation, source: rows, rows: chunk.sequences,
        target: shared.headOutput)
      rows = shared.headOutput
    }
    try encoder.multiply(
      head.output, activation: .identity, source: rows, rows: chunk.sequences, target: values)
  }

  /// The dense layers that the graph has after pooling: vectors [sequences, D] in, [sequences, kept]
  /// out.
  func sentence(
    _ pooled: [Float], _ count: Int, kept: Int, to values: UnsafeMutablePointer<Float>
  ) throws(ClozeError) {
    var rows = pooled
    for layer in model.weights.heads.sentence {
      var next = [Float](repeating: 0, count: try bytes(count, layer.dense.outputs))
      try rows.withUnsafeBufferPointer { rows throws(ClozeError) in
        try next.withUnsafeMutableBufferPointer { next throws(ClozeError) in
          guard let source = rows.baseAddress, let target = next.baseAddress else { return }
          try encoder.multiply(
            layer.dense, activation: layer.activation, source: source, rows: count, target: target)
        }
      }
      rows = next
    }
    let width = rows.count / max(count, 1)
    for i in 0..<count {
      for j in 0..<min(kept, width) { values[i * kept + j] = rows[i * width + j] }
    }
  }

  /// What a head that was put on the model says: of each sequence, or of each token.
  func trained(
    _ kind: Output.Kind, _ chunk: Chunk, _ shared: Scratch.Shared,
    _ values: UnsafeMutablePointer<Float>, firstSequence: Int
  ) throws(ClozeError) {
    guard let runner = model.trained else { return }
    let outputs = runner.head.outputs
    guard kind == .classes else {
      return try runner.run(
        runner.mix == nil ? shared.hidden : shared.mixed, chunk.tokens,
        to: values + chunk.offsets[0] * outputs)
    }
    let room = try AlignedMemory(
      bytes: bytes(chunk.sequences, model.info.hiddenSize, MemoryLayout<Float>.size))
    defer { withExtendedLifetime(room) {} }
    var pooled = Output(.embedding)
    pooled.pooling = runner.head.pooling
    pooled.normalize = false
    pooled.isMixed = runner.mix != nil
    try embed(pooled, chunk, to: room.floats())
    try runner.run(room.floats(), chunk.sequences, to: values + firstSequence * outputs)
  }
}
