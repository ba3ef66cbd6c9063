internal import CClozeKernels
internal import ClozeIO

/// Outputs that are computed from the last hidden state of a chunk.
extension Session {
  /// Writes what an output says of a chunk, whose layers have run.
  func write(
    _ output: Output, _ chunk: Chunk, firstSequence: Int
  ) throws(ClozeError) {
    guard let values = output.values, let shared = encoder.scratch.shared else { return }
    let width = model.info.hiddenSize
    switch output.kind {
    case .hidden: break
    case .embedding:
      try embed(output, chunk, to: values + firstSequence * output.width(model))
    case .pooler:
      gatherFirst(chunk, shared)
      try encoder.pool(shared.headInput, chunk.sequences, to: values + firstSequence * width)
    case .nsp:
      gatherFirst(chunk, shared)
      try encoder.pool(shared.headInput, chunk.sequences, to: shared.headOutput)
      try encoder.nextSentence(shared.headOutput, chunk.sequences, to: values + firstSequence * 2)
    case .mlm:
      try maskedLM(output, chunk, shared, values)
    case .classes where model.trained != nil, .tags where model.trained != nil,
      .answer where model.trained != nil:
      try trained(output.kind, chunk, shared, values, firstSequence: firstSequence)
    case .classes:
      guard let head = model.weights.heads.classes else { return }
      try classes(head, chunk, shared, values + firstSequence * head.output.outputs)
    case .tags:
      if let head = model.weights.heads.tags { try tokens(head, chunk, shared, values) }
    case .answer:
      if let head = model.weights.heads.answer { try tokens(head, chunk, shared, values) }
    }
  }

  /// headInput = the state of each sequence's first token
  func gatherFirst(_ chunk: Chunk, _ shared: Scratch.Shared) {
    let width = model.info.hiddenSize
    for i in 0..<chunk.sequences {
      let row = shared.hidden + (chunk.offsets[i] - chunk.offsets[0]) * width
      (shared.headInput + i * width).update(from: row, count: width)
    }
  }
  /// One vector for each sequence of a chunk.
  func embed(
    _ output: Output, _ chunk: Chunk, to values: UnsafeMutablePointer<Float>
  ) throws(ClozeError) {
    guard let shared = encoder.scratch.shared else { return }
    let info = model.info
    let width = info.hiddenSize
    let kept = try output.width(model)
    let pooling = output.pooling ?? info.pooling
    if pooling == .pooler {
      gatherFirst(chunk, shared)
      try encoder.pool(shared.headInput, chunk.sequences, to: shared.headOutput)
    }
    let rows = model.kernels.rows
    let states = output.isMixed && chunk.mix != nil ? shared.mixed : shared.hidden
    let dense = output.pooling == nil && !model.weights.heads.sentence.isEmpty
    // Columns are independent, so only those kept are computed; a dense layer needs all.
    let columns = dense ? width : kept
    var room = [Float](repeating: 0, count: dense ? try bytes(chunk.sequences, width) : 0)
    room.withUnsafeMutableBufferPointer { room in
      let target = room.baseAddress.flatMap { dense ? $0 : nil } ?? values
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
        }
      }
    }
    if dense { try sentence(room, chunk.sequences, kept: kept, to: values) }
    guard output.normalize ?? info.normalize else { return }
    for i in 0..<chunk.sequences {
      let target = values + i * kept
      let norm = rows.sum_of_squares(target, kept).squareRoot()
      if norm > 1e-12 { rows.scale(target, kept, 1 / norm) }
    }
  }

  /// Logits of the masked language model, the trained one where there is one, for all tokens of a
  /// chunk or those asked for.
  func maskedLM(
    _ output: Output, _ chunk: Chunk, _ shared: Scratch.Shared,
    _ values: UnsafeMutablePointer<Float>
  ) throws(ClozeError) {
    let width = model.info.hiddenSize
    let vocabulary = model.info.vocabSize
    let start = chunk.offsets[0]
    guard let positions = output.positions else {
      shared.headInput.update(from: shared.hidden, count: chunk.tokens * width)
      return try encoder.maskedLM(
        shared.headInput, chunk.tokens, scratch: shared.headOutput, to: values + start * vocabulary)
    }
    let tokens = start..<(start + chunk.tokens)
    var at = 0
    while at < positions.count {
      // Neighbours in the output go through the head together, as many as scratch has rows for.
      var count = 0
      while at + count < positions.count, count < chunk.tokens,
        tokens.contains(Int(positions[at + count]))
      {
        let row = shared.hidden + (Int(positions[at + count]) - start) * width
        (shared.headInput + count * width).update(from: row, count: width)
        count += 1
      }
      if count > 0 {
        try encoder.maskedLM(
          shared.headInput, count, scratch: shared.headOutput, to: values + at * vocabulary)
      }
      at += max(count, 1)
    }
  }
}
