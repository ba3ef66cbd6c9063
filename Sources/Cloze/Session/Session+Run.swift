internal import CClozeKernels
package import ClozeIO

/// Running a batch: the one way into the encoder, in chunks that bound scratch memory.
extension Session {
  /// Runs the model once over a batch and writes every output; within `exclusively`.
  package func run(_ batch: RaggedBatch, _ outputs: UnsafeBufferPointer<Output>) throws(ClozeError) {
    assert(isRunning)
    try batch.check(model.info)
    for output in outputs { _ = try output.count(model, sequences: batch.sequences, tokens: batch.tokens) }
    guard let ids = batch.ids.baseAddress, let offsets = batch.offsets.baseAddress else { return }

    // A model has at most one trained head, which may read a mix of states.
    var mix: UnsafePointer<Float>?
    for output in outputs { mix = mix ?? output.mix ?? output.kind.head.flatMap { model.weights.heads[$0]?.mix } }
    var first = 0
    while first < batch.sequences {
      let last = batch.chunkEnd(from: first, limit: Self.chunkTokens)
      captures.removeAll(keepingCapacity: true)
      order.removeAll(keepingCapacity: true)
      for output in outputs where output.kind == .hidden { try capture(output, tokens: offsets[first]..<offsets[last]) }
      try captures.withUnsafeBufferPointer { captures throws(ClozeError) in
        try order.withUnsafeBufferPointer { order throws(ClozeError) in
          let chunk = Chunk(
            ids: ids, typeIDs: batch.typeIDs?.baseAddress, offsets: offsets + first, sequences: last - first,
            captures: captures, order: order, mix: mix)
          try encoder.encode(chunk)
          for output in outputs { try write(output, chunk, firstSequence: first) }
        }
      }
      first = last
    }
  }

  /// The same for one output.
  func run(_ batch: RaggedBatch, _ output: Output) throws(ClozeError) {
    try withUnsafePointer(to: output) { output throws(ClozeError) in
      try run(batch, UnsafeBufferPointer(start: output, count: 1))
    }
  }

  /// Registers the states of a chunk that an output of hidden states copies.
  private func capture(_ output: Output, tokens: Range<Int>) throws(ClozeError) {
    guard let values = output.values else { return }
    let width = model.info.hiddenSize
    let count = output.layers?.count ?? 1
    let begin = order.count
    if let positions = output.positions {
      for (i, position) in positions.enumerated() where tokens.contains(Int(position)) { order.append(i) }
    }
    for slot in 0..<count {
      let state: Chunk.Capture.State =
        output.mix != nil ? .mix : .layer(try Output.layer(Int(output.layers?[slot] ?? -1), model))
      captures.append(
        Chunk.Capture(
          state: state, target: values + slot * width, stride: count * width, positions: output.positions?.baseAddress,
          order: begin..<order.count))
    }
  }
}
