internal import CCloze
internal import Cloze
internal import ClozeIO

/// Checking the outputs of a run, and writing them.
extension SessionHandle {
  /// Runs the batch that was read: the caller's ids and types, or those converted.
  ///
  /// - Parameter padded: the number of cells [B, S] of a padded batch, whose outputs by token get
  ///   rows of zeros for padding.
  func run(
    _ ids: UnsafeBufferPointer<Int32>?, _ types: UnsafeBufferPointer<Int32>?, hasTypes: Bool,
    _ outputs: UnsafeMutablePointer<cloze_output>?, _ count: Int, padded: Int?
  ) throws(ClozeError) {
    let first = try required(outputs, "outputs")
    guard count > 0, count <= 64 else {
      throw ClozeError(.invalidArgument, "output_count = \(UInt(bitPattern: count)), expected 1 to 64")
    }
    let size = try cloze_output.size(at: first)
    let tokens = offsets[offsets.count - 1]
    let sequences = offsets.count - 1
    self.outputs.removeAll(keepingCapacity: true)
    positions.removeAll(keepingCapacity: true)
    var onlySizes = true
    // Positions of a padded batch are translated; all of them first, as the array must not move.
    if padded != nil {
      for index in 0..<count {
        if let given = try Output(cloze_output.read(at(first, index, size))).positions { try takePositions(given) }
      }
    }
    var translated = 0
    for index in 0..<count {
      let pointer = at(first, index, size)
      guard try cloze_output.size(at: pointer) == size else {
        throw ClozeError(.invalidArgument, "outputs[\(index)].struct_size differs from that of outputs[0]")
      }
      var source = try cloze_output.read(pointer)
      var output = try Output(source)
      if padded != nil, let given = output.positions {
        let start = positions.withUnsafeBufferPointer { $0.baseAddress }
        output.positions = UnsafeBufferPointer(start: start.map { $0 + translated }, count: given.count)
        translated += given.count
      }
      let packed = try output.count(session.model, sequences: sequences, tokens: tokens)
      let byToken = output.kind.isByToken && output.positions == nil
      let needed = if byToken, let padded { try bytes(packed / tokens, padded) } else { packed }
      source.size = needed
      source.write(to: pointer, size: size)
      if source.values == nil, source.capacity == 0 { continue }
      guard fits(needed, source.capacity) else { throw tooSmall("outputs[\(index)].values", source.capacity, needed) }
      output.values = try required(source.values, "outputs[\(index)].values")
      onlySizes = false
      self.outputs.append(output)
    }
    if onlySizes { return }
    try run(ids, types, hasTypes: hasTypes)
    if let padded {
      for output in self.outputs where output.positions == nil && output.kind.isByToken {
        let row = try output.count(session.model, sequences: sequences, tokens: 1)
        spread(output.values, row: row, cells: padded)
      }
    }
  }

  private func run(_ ids: UnsafeBufferPointer<Int32>?, _ types: UnsafeBufferPointer<Int32>?, hasTypes: Bool)
    throws(ClozeError)
  {
    try self.ids.withUnsafeBufferPointer { converted throws(ClozeError) in
      try typeIDs.withUnsafeBufferPointer { convertedTypes throws(ClozeError) in
        try offsets.withUnsafeBufferPointer { offsets throws(ClozeError) in
          try outputs.withUnsafeBufferPointer { outputs throws(ClozeError) in
            let batch = RaggedBatch(
              ids: ids ?? converted, typeIDs: hasTypes ? types ?? convertedTypes : nil, offsets: offsets)
            try session.run(batch, outputs)
          }
        }
      }
    }
  }

  private func at(_ first: UnsafeMutablePointer<cloze_output>, _ index: Int, _ size: Int) -> UnsafeMutablePointer<
    cloze_output
  > { (UnsafeMutableRawPointer(first) + index * size).assumingMemoryBound(to: cloze_output.self) }

  /// Turns positions in [B, S] into those of the real tokens, in `positions`.
  private func takePositions(_ given: UnsafeBufferPointer<Int64>) throws(ClozeError) {
    for i in given.indices {
      var low = 0
      var high = places.count
      while low < high {
        let middle = (low + high) / 2
        if Int64(places[middle]) < given[i] { low = middle + 1 } else { high = middle }
      }
      guard low < places.count, Int64(places[low]) == given[i] else {
        throw ClozeError(.invalidArgument, "positions[\(i)] = \(given[i]) is padding, or outside of the batch")
      }
      positions.append(Int64(low))
    }
  }

  /// Moves rows of real tokens to where they stand in [B, S]; from the last, so that none is
  /// overwritten before it has moved.
  private func spread(_ values: UnsafeMutablePointer<Float>?, row: Int, cells: Int) {
    guard let values else { return }
    var next = places.count - 1
    for cell in stride(from: cells - 1, through: 0, by: -1) {
      let target = values + cell * row
      if next >= 0, places[next] == cell {
        if next != cell { target.update(from: values + next * row, count: row) }
        next -= 1
      } else {
        target.update(repeating: 0, count: row)
      }
    }
  }
}

/// An output as a caller describes it.
extension Output {
  init(_ source: cloze_output) throws(ClozeError) {
    guard let kind = Kind(rawValue: source.kind) else {
      throw ClozeError(.invalidArgument, "kind = \(source.kind) is none of the CLOZE_OUTPUT_ values")
    }
    self.init(kind)
    layers = try list(source.layers, source.layer_count, "layer", atMost: 1 << 20)
    positions = try list(source.positions, source.position_count, "position", atMost: 1 << 40)
    pooling = try poolingChoice(source.pooling)
    normalize = try choice(source.normalize, "normalize")
    dimensions = try positive(source.dimensions, "dimensions")
  }
}
