internal import Cloze
internal import ClozeIO

/// Runs the encoder over prepared examples and keeps what a head reads of them.
struct FeatureReader {
  let session: Session
  let pooling: Pooling
  let memoryLimit: Int
  let folder: String?

  /// Which states are read.
  enum States: Equatable {
    /// The last layer's, as the head reads them: [rows, D].
    case last
    /// Those after the embeddings and each layer, as the head reads them: [rows, L + 1, D].
    case all
    /// Those of all tokens after so many layers: [T, D].
    case tokens(layer: Int)
  }

  /// - Parameter progress: called with the number of sequences done; false stops.
  func read(
    _ prepared: Prepared, _ states: States, progress: (Int) -> Bool
  ) throws(ClozeError) -> FeatureStore {
    let info = session.model.info
    let width = info.hiddenSize * (states == .all ? info.numHiddenLayers + 1 : 1)
    let sequences = prepared.sequences
    let isWhole = if case .tokens = states { true } else { false }
    let rows = isWhole ? sequences.ids.count : prepared.positions?.count ?? sequences.count
    let store = try FeatureStore(
      rows: rows, width: width, memoryLimit: memoryLimit, folder: folder)
    // Several of the session's chunks of 2,048 tokens, so that progress shows; of all layers one,
    // as they are much.
    let most = states == .all ? 2048 : 8192
    var room = Room<Float>()
    var first = 0
    var row = 0
    var position = 0
    while first < sequences.count {
      var last = first + 1
      while last < sequences.count, sequences.bounds[last + 1] - sequences.bounds[first] <= most {
        last += 1
      }
      let tokens = sequences.bounds[first]..<sequences.bounds[last]
      var chosen: [Int64] = []
      if !isWhole, let positions = prepared.positions {
        while position < positions.count, positions[position] < tokens.upperBound {
          chosen.append(Int64(positions[position] - tokens.lowerBound))
          position += 1
        }
      }
      let isPooled = !isWhole && prepared.positions == nil
      let count = isPooled ? last - first : isWhole ? tokens.count : chosen.count
      let target = store.base + row * width
      var layers: [Int32] = []
      if case .tokens(let layer) = states { layers = [Int32(clamping: layer)] }
      if states == .all { layers = (0...info.numHiddenLayers).map { Int32(clamping: $0) } }
      if states == .all, isPooled {
        let all = try room.reserve(tokens.count * width)
        try run(sequences, first..<last, layers, nil, [], all)
        for sequence in first..<last {
          let range = sequences.bounds[sequence]..<sequences.bounds[sequence + 1]
          pool(
            all + (range.lowerBound - tokens.lowerBound) * width, range.count, width,
            to: target + (sequence - first) * width)
        }
      } else if count > 0 {
        try run(sequences, first..<last, layers, isPooled ? pooling : nil, chosen, target)
      }
      row += count
      first = last
      guard progress(first) else { throw ClozeError(.cancelled, "cancelled") }
    }
    return store
  }

  private func pool(
    _ states: UnsafePointer<Float>, _ count: Int, _ width: Int,
    to target: UnsafeMutablePointer<Float>
  ) {
    target.update(from: states, count: width)
    if pooling == .cls { return }
    for token in 1..<max(count, 1) {
      let state = states + token &* width
      for i in 0..<width { target[i] += state[i] }
    }
    let scale = 1 / (pooling == .mean ? Float(count) : Float(count).squareRoot())
    for i in 0..<width { target[i] *= scale }
  }

  /// - Parameters:
  ///   - layers: of hidden states; empty: the last.
  ///   - pooling: for a vector of each sequence; nil: hidden states.
  ///   - positions: tokens of the chosen sequences; empty: all.
  private func run(
    _ sequences: Sequences, _ chosen: Range<Int>, _ layers: [Int32], _ pooling: Pooling?,
    _ positions: [Int64], _ target: UnsafeMutablePointer<Float>
  ) throws(ClozeError) {
    let start = sequences.bounds[chosen.lowerBound]
    let end = sequences.bounds[chosen.upperBound]
    let offsets = sequences.bounds[chosen.lowerBound...chosen.upperBound].map { $0 - start }
    let types = session.model.info.typeVocabSize > 1
    var output = Output(pooling == nil ? .hidden : .embedding, values: target)
    if pooling != nil {
      output.pooling = pooling
      output.normalize = false
    }
    let failure = sequences.ids.withUnsafeBufferPointer { ids in
      sequences.typeIDs.withUnsafeBufferPointer { typeIDs in
        offsets.withUnsafeBufferPointer { offsets in
          layers.withUnsafeBufferPointer { layers in
            positions.withUnsafeBufferPointer { positions -> ClozeError? in
              if !layers.isEmpty { output.layers = layers }
              if !positions.isEmpty { output.positions = positions }
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
