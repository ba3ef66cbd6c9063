public import CCloze
internal import Cloze
internal import ClozeIO

// 5. Running on token ids

@c @implementation public func cloze_run(
  _ session: OpaquePointer?, _ batch: UnsafePointer<cloze_batch>?, _ outputs: UnsafeMutablePointer<cloze_output>?,
  _ output_count: Int
) -> cloze_status {
  call { () throws(ClozeError) in
    let handle = try required(object(session, SessionHandle.self), "session")
    let batch = try cloze_batch.read(required(batch, "batch"))
    try handle.session.exclusively { () throws(ClozeError) in
      let count = try handle.takeOffsets(batch)
      var ids = UnsafeBufferPointer<Int32>(start: nil, count: 0)
      var types: UnsafeBufferPointer<Int32>?
      // int32 is not copied.
      let source = try Integers(batch.input_ids, batch.integer_type, "input_ids")
      if source.type == CLOZE_INT32 {
        ids = UnsafeBufferPointer(start: source.start.assumingMemoryBound(to: Int32.self), count: count)
      } else {
        try source.convert(count, to: &handle.ids)
      }
      if let pointer = batch.token_type_ids {
        let source = try Integers(pointer, batch.integer_type, "token_type_ids")
        if source.type == CLOZE_INT32 {
          types = UnsafeBufferPointer(start: pointer.assumingMemoryBound(to: Int32.self), count: count)
        } else {
          try source.convert(count, to: &handle.typeIDs)
        }
      }
      let converted = source.type != CLOZE_INT32
      try handle.run(
        converted ? nil : ids, converted ? nil : types, hasTypes: batch.token_type_ids != nil, outputs, output_count,
        padded: nil)
    }
  }
}

@c @implementation public func cloze_run_padded(
  _ session: OpaquePointer?, _ batch: UnsafePointer<cloze_padded_batch>?,
  _ outputs: UnsafeMutablePointer<cloze_output>?, _ output_count: Int
) -> cloze_status {
  call { () throws(ClozeError) in
    let handle = try required(object(session, SessionHandle.self), "session")
    let batch = try cloze_padded_batch.read(required(batch, "batch"))
    guard batch.reserved == 0 else { throw ClozeError(.invalidArgument, "cloze_padded_batch.reserved is not 0") }
    try handle.session.exclusively { () throws(ClozeError) in
      try handle.takePadded(batch)
      try handle.run(
        nil, nil, hasTypes: batch.token_type_ids != nil, outputs, output_count,
        padded: Int(batch.batch_size) * Int(batch.sequence_length))
    }
  }
}

extension SessionHandle {
  /// Reads cu_seqlens into `offsets`; returns T.
  fileprivate func takeOffsets(_ batch: cloze_batch) throws(ClozeError) -> Int {
    let source = try Integers(batch.cu_seqlens, batch.cu_seqlens_type, "cu_seqlens")
    guard batch.batch_size > 0, batch.batch_size < 1 << 40 else {
      throw ClozeError(.invalidArgument, "batch_size = \(batch.batch_size), expected at least 1")
    }
    offsets.removeAll(keepingCapacity: true)
    try source.each(Int(batch.batch_size) + 1) { _, value throws(ClozeError) in offsets.append(Int(value)) }
    // Before T is used as the length of anything.
    try offsets.withUnsafeBufferPointer { offsets throws(ClozeError) in
      try RaggedBatch.check(offsets: offsets, session.model.info)
    }
    return offsets.last ?? 0
  }

  /// Reads a padded batch into `ids`, `typeIDs`, `offsets` and `places`.
  fileprivate func takePadded(_ batch: cloze_padded_batch) throws(ClozeError) {
    let (cells, overflow) = batch.batch_size.multipliedReportingOverflow(by: batch.sequence_length)
    guard batch.batch_size > 0, batch.sequence_length > 0, !overflow, cells < 1 << 40 else {
      throw ClozeError(
        .invalidArgument,
        "a batch of \(batch.batch_size) x \(batch.sequence_length) was given, " + "expected at least 1 x 1")
    }
    let width = Int(batch.sequence_length)
    ids.removeAll(keepingCapacity: true)
    typeIDs.removeAll(keepingCapacity: true)
    places.removeAll(keepingCapacity: true)
    offsets.removeAll(keepingCapacity: true)
    offsets.append(0)
    if let mask = batch.attention_mask {
      try Integers(mask, batch.integer_type, "attention_mask").each(Int(cells)) { i, value throws(ClozeError) in
        guard value == 0 || value == 1 else {
          throw ClozeError(.invalidArgument, "attention_mask[\(i / width), \(i % width)] = \(value), expected 0 or 1")
        }
        if value == 1 { places.append(i) }
        if i % width == width - 1 { offsets.append(places.count) }
      }
    } else {
      // Before memory is taken for as many tokens as that would be.
      guard width <= session.model.info.maxPositionEmbeddings else {
        throw ClozeError(
          .tooLong, "sequence_length = \(width), the model takes \(session.model.info.maxPositionEmbeddings)")
      }
      for i in 0..<Int(cells) { places.append(i) }
      for row in 1...Int(batch.batch_size) { offsets.append(row * width) }
    }
    for row in 0..<Int(batch.batch_size) where offsets[row] == offsets[row + 1] {
      throw ClozeError(.invalidArgument, "row \(row) of attention_mask has no token")
    }
    try gather(Integers(batch.input_ids, batch.integer_type, "input_ids"), Int(cells), width, to: &ids)
    if let types = batch.token_type_ids {
      try gather(Integers(types, batch.integer_type, "token_type_ids"), Int(cells), width, to: &typeIDs)
    }
  }

  /// Keeps the values at `places`; values of padding are not checked.
  private func gather(_ source: Integers, _ cells: Int, _ width: Int, to target: inout [Int32]) throws(ClozeError) {
    var next = 0
    try source.each(cells) { i, value throws(ClozeError) in
      guard next < places.count, places[next] == i else { return }
      guard let id = Int32(exactly: value) else {
        throw ClozeError(
          .invalidArgument, "\(source.name)[\(i / width), \(i % width)] = \(value), which is not a token id")
      }
      target.append(id)
      next += 1
    }
  }
}
