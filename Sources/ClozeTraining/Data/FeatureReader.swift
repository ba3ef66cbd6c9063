internal import Cloze
internal import ClozeIO

/// Runs the frozen part of the encoder over a data set and stores what is read of it.
struct FeatureReader {
  let session: Session
  let pooling: Pooling
  let memoryLimit: Int
  let folder: String?
  /// How the texts of a pair are read; apart, the rows are features of pairs, [items, 4 D].
  var pairs = Head.Pairs.joint

  /// Which states are read.
  enum States: Equatable {
    /// The last layer's of the head's rows, [rows, D].
    case last
    /// Those after the embeddings and each layer of the head's rows, [rows, L + 1, D].
    case all
    /// Those of all tokens after a number of layers, [T, D].
    case tokens(layer: Int)
  }

  /// - Parameter progress: called with the number of sequences done; false stops.
  func read(_ data: TokenizedDataset, _ states: States, progress: (Int) -> Bool) throws(ClozeError) -> FeatureStore {
    let vectors = try readVectors(data, states, progress: progress)
    guard pairs == .apart else { return vectors }
    let width = vectors.width
    let features = try FeatureStore(
      rows: data.items, width: PairFeatures.count * width, memoryLimit: memoryLimit, folder: folder)
    for item in 0..<data.items {
      PairFeatures.write(vectors.base + 2 * item * width, width, to: features.base + item * features.width)
    }
    return features
  }

  private func readVectors(_ data: TokenizedDataset, _ states: States, progress: (Int) -> Bool) throws(ClozeError)
    -> FeatureStore
  {
    let info = session.model.info
    let width = info.hiddenSize * (states == .all ? info.numHiddenLayers + 1 : 1)
    var layers: [Int32] = []
    /// Whether all tokens are read, and those that are read otherwise; nil: pooled vectors.
    var (readsAll, positions) = (false, data.positions)
    switch states {
    case .last: break
    case .all: layers = (0...info.numHiddenLayers).map { Int32(clamping: $0) }
    case .tokens(let layer):
      layers = [Int32(clamping: layer)]
      (readsAll, positions) = (true, nil)
    }
    let items = data.sequences
    let store = try FeatureStore(
      rows: readsAll ? data.ids.count : positions?.count ?? items, width: width, memoryLimit: memoryLimit,
      folder: folder)
    // Several of the session's chunks of 2,048 tokens between two calls of `progress`; one of the larger states of all
    // layers.
    let tokenLimit = states == .all ? 2048 : 8192
    var unpooled = GrowingBuffer<Float>()
    var (first, row, position) = (0, 0, 0)
    while first < items {
      var last = first + 1
      while last < items, data.offsets[last + 1] - data.offsets[first] <= tokenLimit { last += 1 }
      let tokens = data.offsets[first]..<data.offsets[last]
      let target = store.base + row * width
      if readsAll {
        try run(data, first..<last, layers, nil, [], target)
        row += tokens.count
      } else if let positions {
        var chosen: [Int64] = []
        while position < positions.count, positions[position] < tokens.upperBound {
          chosen.append(Int64(positions[position] - tokens.lowerBound))
          position += 1
        }
        if !chosen.isEmpty { try run(data, first..<last, layers, nil, chosen, target) }
        row += chosen.count
      } else {
        if states == .all {
          let all = try unpooled.reserve(tokens.count * width)
          try run(data, first..<last, layers, nil, [], all)
          for item in first..<last {
            let range = data.offsets[item]..<data.offsets[item + 1]
            poolForward(
              pooling, all + (range.lowerBound - tokens.lowerBound) * width, range.count, width,
              target + (item - first) * width)
          }
        } else {
          try run(data, first..<last, layers, pooling, [], target)
        }
        row += last - first
      }
      first = last
      guard progress(first) else { throw ClozeError(.cancelled, "cancelled") }
    }
    return store
  }

  /// Runs the session over some items.
  ///
  /// - Parameters:
  ///   - layers: of hidden states; empty: the last.
  ///   - pooling: for a vector of each item; nil: hidden states.
  ///   - positions: tokens counted within the items; empty: all.
  private func run(
    _ data: TokenizedDataset, _ items: Range<Int>, _ layers: [Int32], _ pooling: Pooling?, _ positions: [Int64],
    _ target: UnsafeMutablePointer<Float>
  ) throws(ClozeError) {
    let tokens = data.offsets[items.lowerBound]..<data.offsets[items.upperBound]
    let offsets = data.offsets[items.lowerBound...items.upperBound].map { $0 - tokens.lowerBound }
    let hasTypes = session.model.info.typeVocabSize > 1
    var output = Output(pooling == nil ? .hidden : .embedding, values: target)
    if pooling != nil {
      output.pooling = pooling
      output.normalize = pairs == .apart
    }
    try data.ids.withUnsafeBufferPointer { ids throws(ClozeError) in
      try data.typeIDs.withUnsafeBufferPointer { typeIDs throws(ClozeError) in
        try offsets.withUnsafeBufferPointer { offsets throws(ClozeError) in
          try layers.withUnsafeBufferPointer { layers throws(ClozeError) in
            try positions.withUnsafeBufferPointer { positions throws(ClozeError) in
              if !layers.isEmpty { output.layers = layers }
              if !positions.isEmpty { output.positions = positions }
              let batch = RaggedBatch(
                ids: UnsafeBufferPointer(rebasing: ids[tokens]),
                typeIDs: hasTypes ? UnsafeBufferPointer(rebasing: typeIDs[tokens]) : nil, offsets: offsets)
              try withUnsafePointer(to: output) { output throws(ClozeError) in
                try session.exclusively { () throws(ClozeError) in
                  try session.run(batch, UnsafeBufferPointer(start: output, count: 1))
                }
              }
            }
          }
        }
      }
    }
  }
}
