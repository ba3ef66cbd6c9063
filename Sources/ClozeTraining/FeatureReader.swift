internal import Cloze

/// Runs the encoder over prepared examples and keeps what a head reads of them.
struct FeatureReader {
  let session: Session
  let pooling: Pooling
  let memoryLimit: Int
  let folder: String?

  /// Vectors of `prepared`: [rows, D], or with `layer` the state of all tokens [T, D] after so many
  /// layers.
  ///
  /// - Parameter progress: called with the number of sequences done; false stops.
  func read(
    _ prepared: Prepared, layer: Int? = nil, progress: (Int) -> Bool
  ) throws(ClozeError) -> FeatureStore {
    let width = session.model.info.hiddenSize
    let sequences = prepared.sequences
    let rows =
      layer != nil ? sequences.ids.count : prepared.positions?.count ?? sequences.count
    let store = try FeatureStore(
      rows: rows, width: width, memoryLimit: memoryLimit, folder: folder)
    var first = 0
    var row = 0
    var position = 0
    while first < sequences.count {
      // Several of the session's chunks of 2,048 tokens, so that progress shows.
      var last = first + 1
      while last < sequences.count, sequences.bounds[last + 1] - sequences.bounds[first] <= 8192 {
        last += 1
      }
      let tokens = sequences.bounds[first]..<sequences.bounds[last]
      var chosen: [Int64] = []
      if layer == nil, let positions = prepared.positions {
        while position < positions.count, positions[position] < tokens.upperBound {
          chosen.append(Int64(positions[position] - tokens.lowerBound))
          position += 1
        }
      }
      let isPooled = layer == nil && prepared.positions == nil
      let count = isPooled ? last - first : layer != nil ? tokens.count : chosen.count
      if count > 0 {
        try run(sequences, first..<last, layer, isPooled, chosen, store.base + row * width)
      }
      row += count
      first = last
      guard progress(first) else { throw ClozeError(.cancelled, "cancelled") }
    }
    return store
  }

  private func run(
    _ sequences: Sequences, _ chosen: Range<Int>, _ layer: Int?, _ isPooled: Bool,
    _ positions: [Int64], _ target: UnsafeMutablePointer<Float>
  ) throws(ClozeError) {
    let start = sequences.bounds[chosen.lowerBound]
    let end = sequences.bounds[chosen.upperBound]
    let offsets = sequences.bounds[chosen.lowerBound...chosen.upperBound].map { $0 - start }
    let layers = layer.map { [Int32(clamping: $0)] } ?? []
    let types = session.model.info.typeVocabSize > 1
    var output = Output(isPooled ? .embedding : .hidden, values: target)
    if isPooled {
      output.pooling = pooling
      output.normalize = false
    }
    let failure = sequences.ids.withUnsafeBufferPointer { ids in
      sequences.typeIDs.withUnsafeBufferPointer { typeIDs in
        offsets.withUnsafeBufferPointer { offsets in
          layers.withUnsafeBufferPointer { layers in
            positions.withUnsafeBufferPointer { positions -> ClozeError? in
              if layer != nil { output.layers = layers }
              if !isPooled, layer == nil { output.positions = positions }
              let batch = RaggedBatch(
                ids: UnsafeBufferPointer(rebasing: ids[start..<end]),
                typeIDs: types ? UnsafeBufferPointer(rebasing: typeIDs[start..<end]) : nil,
                offsets: offsets)
              do throws(ClozeError) {
                try session.exclusively { () throws(ClozeError) in
                  let error = withUnsafePointer(to: output) { output -> ClozeError? in
                    do throws(ClozeError) {
                      try session.run(batch, UnsafeBufferPointer(start: output, count: 1))
                      return nil
                    } catch { return error }
                  }
                  if let error { throw error }
                }
                return nil
              } catch { return error }
            }
          }
        }
      }
    }
    if let failure { throw failure }
  }
}
