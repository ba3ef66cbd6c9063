public import ClozeIO

/// Inference on token ids.
///
/// A batch is ragged: its sequences lie end to end, and `cuSeqlens` [B + 1] holds 0, then where
/// each sequence ends. A sequence's output depends on nothing else in the batch, nor on the number
/// of threads, to the last bit.
extension Session {
  /// Runs the model once and writes one output into memory of the caller.
  ///
  ///     let size = try session.count(of: .hidden, sequences: 2, tokens: 9)
  ///     var values = [Float](repeating: 0, count: size)
  ///     var span = values.mutableSpan
  ///     try session.run(ids: ids.span, cuSeqlens: [0, 4, 9].span, into: &span)
  ///
  /// A run on a batch no larger than one before allocates nothing.
  ///
  /// - Parameters:
  ///   - ids: [T]
  ///   - cuSeqlens: [B + 1]
  ///   - typeIDs: [T]; nil: all 0.
  ///   - output: what is computed.
  ///   - positions: tokens of the batch, in any order, also repeated, whose rows are wanted instead
  ///     of all T; for `hidden` and `mlm`.
  ///   - values: at least `count(of:sequences:tokens:)` floats; what is beyond stays as it is.
  /// - Throws: `.invalidArgument` for an id, offset, type, position, layer or number of dimensions
  ///   out of range, `.tooLong` for a sequence longer than the model takes, `.noHead`,
  ///   `.bufferTooSmall`, `.cancelled`, `.busy`, `.outOfMemory`.
  public func run(
    ids: Span<Int32>, cuSeqlens: Span<Int32>, typeIDs: Span<Int32>? = nil, output: RunOutput = .hidden,
    positions: Span<Int>? = nil, into values: inout MutableSpan<Float>
  ) throws(ClozeError) {
    let sequences = max(cuSeqlens.count &- 1, 0)
    try ids.withUnsafeBufferPointer { ids throws(ClozeError) in
      try cuSeqlens.withUnsafeBufferPointer { ends throws(ClozeError) in
        try Self.withBuffer(typeIDs) { types throws(ClozeError) in
          try Self.withBuffer(positions) { positions throws(ClozeError) in
            try values.withUnsafeMutableBufferPointer { values throws(ClozeError) in
              let needed = try count(of: output, sequences: sequences, tokens: positions?.count ?? ids.count)
              guard values.count >= needed else {
                throw ClozeError(.bufferTooSmall, "values has room for \(values.count) elements, \(needed) are needed")
              }
              try run(ids, ends, types, output, positions, values)
            }
          }
        }
      }
    }
  }

  /// The same with arrays: returns the output as `RunOutput` lays it out.
  public func run(
    ids: [Int32], cuSeqlens: [Int32], typeIDs: [Int32]? = nil, output: RunOutput = .hidden, positions: [Int]? = nil
  ) throws(ClozeError) -> [Float] {
    let size = try count(of: output, sequences: max(cuSeqlens.count &- 1, 0), tokens: positions?.count ?? ids.count)
    return try [Float](count: size) { values throws(ClozeError) in
      try ids.withUnsafeBufferPointer { ids throws(ClozeError) in
        try cuSeqlens.withUnsafeBufferPointer { ends throws(ClozeError) in
          try Self.withBuffer(typeIDs?.span) { types throws(ClozeError) in
            try Self.withBuffer(positions?.span) { positions throws(ClozeError) in
              try run(ids, ends, types, output, positions, UnsafeMutableBufferPointer(start: values, count: size))
            }
          }
        }
      }
    }
  }

  /// Floats that `run` writes.
  ///
  /// - Parameter tokens: T, or the number of positions where they are given.
  /// - Throws: `.noHead` for an output that the model does not have, `.invalidArgument` for layers
  ///   or dimensions out of range.
  public func count(of output: RunOutput, sequences: Int, tokens: Int) throws(ClozeError) -> Int {
    if let layers = output.layers {
      guard !layers.isEmpty else { throw ClozeError(.invalidArgument, "the list of layers is empty") }
      for layer in layers { _ = try Output.layer(layer, model) }
    }
    let size = try Output(running: output).count(model, sequences: sequences, tokens: tokens)
    return try bytes(size, output.layers?.count ?? 1)
  }

  private func run(
    _ ids: UnsafeBufferPointer<Int32>, _ ends: UnsafeBufferPointer<Int32>, _ types: UnsafeBufferPointer<Int32>?,
    _ output: RunOutput, _ positions: UnsafeBufferPointer<Int>?, _ values: UnsafeMutableBufferPointer<Float>
  ) throws(ClozeError) {
    try exclusively { () throws(ClozeError) in
      offsets.removeAll(keepingCapacity: true)
      for end in ends { offsets.append(Int(end)) }
      layers.removeAll(keepingCapacity: true)
      for layer in output.layers ?? [] { layers.append(Int32(clamping: layer)) }
      try offsets.withUnsafeBufferPointer { offsets throws(ClozeError) in
        try layers.withUnsafeBufferPointer { layers throws(ClozeError) in
          var wanted = try Output(running: output)
          wanted.values = values.baseAddress
          if output.layers != nil { wanted.layers = layers }
          // Int is Int64 on every machine this runs on.
          wanted.positions = positions.map {
            UnsafeBufferPointer(
              start: UnsafeRawPointer($0.baseAddress)?.assumingMemoryBound(to: Int64.self), count: $0.count)
          }
          try run(RaggedBatch(ids: ids, typeIDs: types, offsets: offsets), wanted)
        }
      }
    }
  }

  private static func withBuffer<Element, Result>(
    _ span: Span<Element>?, _ body: (UnsafeBufferPointer<Element>?) throws(ClozeError) -> Result
  ) throws(ClozeError) -> Result {
    guard let span else { return try body(nil) }
    return try span.withUnsafeBufferPointer { buffer throws(ClozeError) in try body(buffer) }
  }
}
