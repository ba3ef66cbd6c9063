internal import CClozeKernels
package import ClozeIO

/// A batch of token ids: sequences end to end.
package struct RaggedBatch {
  /// [T]
  package var ids: UnsafeBufferPointer<Int32>
  /// [T]; nil: all 0
  package var typeIDs: UnsafeBufferPointer<Int32>?
  /// [B + 1]
  package var offsets: UnsafeBufferPointer<Int>

  package init(
    ids: UnsafeBufferPointer<Int32>, typeIDs: UnsafeBufferPointer<Int32>?,
    offsets: UnsafeBufferPointer<Int>
  ) {
    self.ids = ids
    self.typeIDs = typeIDs
    self.offsets = offsets
  }
}

extension Session {
  /// Runs the model once over a batch and writes every output; within `exclusively`.
  package func run(_ batch: RaggedBatch, _ outputs: UnsafeBufferPointer<Output>) throws(ClozeError)
  {
    try check(batch)
    let sequences = batch.offsets.count - 1
    let total = batch.ids.count
    for output in outputs { _ = try output.count(model, sequences: sequences, tokens: total) }
    guard let ids = batch.ids.baseAddress, let offsets = batch.offsets.baseAddress else { return }

    var mix: UnsafePointer<Float>?
    for output in outputs where output.isMixed || model.trained != nil && output.kind.isTrained {
      mix = model.trained?.mix
    }
    var first = 0
    while first < sequences {
      var last = first + 1
      while last < sequences, offsets[last + 1] - offsets[first] <= Self.chunkTokens { last += 1 }
      captures.removeAll(keepingCapacity: true)
      order.removeAll(keepingCapacity: true)
      for output in outputs where output.kind == .hidden {
        try capture(output, tokens: offsets[first]..<offsets[last])
      }
      let count = last - first
      let failure = captures.withUnsafeBufferPointer { captures in
        order.withUnsafeBufferPointer { order -> ClozeError? in
          let chunk = Chunk(
            ids: ids, typeIDs: batch.typeIDs?.baseAddress, offsets: offsets + first,
            sequences: count,
            captures: captures, order: order, mix: mix)
          do throws(ClozeError) {
            try encoder.encode(chunk)
            for output in outputs { try write(output, chunk, firstSequence: first) }
            return nil
          } catch { return error }
        }
      }
      if let failure { throw failure }
      first = last
    }
  }

  /// Makes sure that offsets [B + 1] rise from 0 in steps that the model takes, so that their last
  /// is no more than B times that.
  package func check(offsets: UnsafeBufferPointer<Int>) throws(ClozeError) {
    let most = model.info.maxPositionEmbeddings
    guard offsets.count >= 2 else { throw ClozeError(.invalidArgument, "the batch is empty") }
    guard offsets[0] == 0 else {
      throw ClozeError(.invalidArgument, "cu_seqlens[0] = \(offsets[0]), expected 0")
    }
    for i in 1..<offsets.count {
      let (from, to) = (offsets[i - 1], offsets[i])
      guard to > from else {
        throw ClozeError(
          .invalidArgument,
          "cu_seqlens[\(i)] = \(to) does not exceed cu_seqlens[\(i - 1)] = \(from); "
            + "every sequence needs a token")
      }
      guard to - from <= most else {
        throw ClozeError(
          .tooLong, "sequence \(i - 1) has \(to - from) tokens, the model takes \(most)")
      }
    }
  }

  /// Makes sure that every id and offset can be used.
  private func check(_ batch: RaggedBatch) throws(ClozeError) {
    let info = model.info
    try check(offsets: batch.offsets)
    guard batch.offsets[batch.offsets.count - 1] == batch.ids.count else {
      throw ClozeError(
        .invalidArgument,
        "cu_seqlens ends at \(batch.offsets[batch.offsets.count - 1]), "
          + "there are \(batch.ids.count) token ids"
      )
    }
    let vocabulary = UInt32(clamping: info.vocabSize)
    for (i, id) in batch.ids.enumerated() where UInt32(bitPattern: id) >= vocabulary {
      throw ClozeError(
        .invalidArgument, "input_ids[\(i)] = \(id), the vocabulary has \(info.vocabSize) entries")
    }
    if let types = batch.typeIDs {
      guard types.count == batch.ids.count else {
        throw ClozeError(
          .invalidArgument,
          "there are \(types.count) token_type_ids and \(batch.ids.count) token ids")
      }
      let count = UInt32(clamping: info.typeVocabSize)
      for (i, type) in types.enumerated() where UInt32(bitPattern: type) >= count {
        throw ClozeError(
          .invalidArgument,
          "token_type_ids[\(i)] = \(type), the model has \(info.typeVocabSize) token types")
      }
    }
  }

  /// Notes which states of a chunk are to be copied out for an output of hidden states.
  private func capture(_ output: Output, tokens: Range<Int>) throws(ClozeError) {
    guard let values = output.values else { return }
    let width = model.info.hiddenSize
    let count = output.layers?.count ?? 1
    let begin = order.count
    if let positions = output.positions {
      for (i, position) in positions.enumerated() where tokens.contains(Int(position)) {
        order.append(i)
      }
    }
    for slot in 0..<count {
      let isMixed = output.isMixed && model.trained?.mix != nil
      let state: Chunk.Capture.State =
        isMixed ? .mix : .layer(try Output.layer(Int(output.layers?[slot] ?? -1), model))
      captures.append(
        Chunk.Capture(
          state: state, target: values + slot * width, stride: count * width,
          positions: output.positions?.baseAddress, order: begin..<order.count))
    }
  }

  private func write(_ output: Output, _ chunk: Chunk, firstSequence: Int)
    throws(ClozeError)
  {
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
}
