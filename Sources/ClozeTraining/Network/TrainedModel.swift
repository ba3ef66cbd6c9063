internal import Cloze
internal import ClozeIO

/// A set of examples with the vectors that were computed of them.
struct LoadedSet {
  var prepared: Prepared
  /// nil where the embeddings are trained too: then nothing stays the same.
  var features: FeatureStore?
}

/// Parameters, their gradients, and what is to be done with them.
struct TrainedBlock {
  var parameters: Block<Float>
  var gradients: Block<Float>
  var segments: [NetworkShape.Segment]
  /// Which rows of a table at its beginning have gradients; nil: all has.
  var touched: TouchedRows?
}

/// What is trained, and how a batch goes through it.
final class TrainedModel {
  let task: Head.Task
  let network: Network<Float>
  /// The last layers of the encoder, where they are trained too.
  let stack: EncoderStack<Float>?
  /// The embeddings, where all layers are trained.
  let input: EncoderInput<Float>?
  /// What the head reads, where that is not the last state.
  let mixture: LayerMixture<Float>?
  let pooling: Pooling
  /// Whether the head's last matrix is the word embeddings, and these are trained.
  private let isTied: Bool
  private var gathered = Room<Float>()
  private var pooled = Room<Float>()
  private var dTokens = Room<Float>()
  private var lastRows = 0
  private var lastSelection: [Int] = []
  private var readsTokens = false

  init(
    task: Head.Task, network: Network<Float>, stack: EncoderStack<Float>?,
    input: EncoderInput<Float>?, mixture: LayerMixture<Float>?, pooling: Pooling
  ) {
    self.task = task
    self.network = network
    self.stack = stack
    self.input = input
    self.mixture = mixture
    self.pooling = pooling
    isTied = input != nil && network.shape.layers.contains { $0.borrowsWeight }
  }

  var blocks: [TrainedBlock] {
    var blocks = [
      TrainedBlock(
        parameters: network.parameters, gradients: network.gradients,
        segments: network.shape.segments)
    ]
    if let stack {
      blocks.append(
        TrainedBlock(
          parameters: stack.parameters, gradients: stack.gradients, segments: stack.segments))
    }
    if let input {
      blocks.append(
        TrainedBlock(
          parameters: input.parameters, gradients: input.gradients, segments: input.segments,
          touched: input.touched))
    }
    if let mixture {
      blocks.append(
        TrainedBlock(
          parameters: mixture.parameters, gradients: mixture.gradients,
          segments: mixture.segments))
    }
    return blocks
  }

  /// The head's outputs for some items, [rows, outputs], and where each item's rows begin.
  func forward(
    _ set: LoadedSet, _ items: some Collection<Int>,
    dropout: (rate: Double, random: TrainingRandom)? = nil
  ) throws(ClozeError) -> (logits: UnsafeMutablePointer<Float>, bounds: [Int]) {
    let prepared = set.prepared
    var bounds = [0]
    for item in items {
      bounds.append(bounds[bounds.count - 1] + prepared.bounds[item + 1] - prepared.bounds[item])
    }
    let rows = bounds[bounds.count - 1]
    lastRows = rows
    if let stack {
      let x = try tokens(set, items, stack, rows, stack.width)
      return (try network.forward(x, rows: rows, dropout: dropout), bounds)
    }
    guard let features = set.features else { throw ClozeError(.internal, "no features") }
    let width = features.width
    let x = try gathered.reserve(max(rows * width, 1))
    for (place, item) in items.enumerated() {
      (x + bounds[place] &* width).update(
        from: features.base + prepared.bounds[item] &* width,
        count: (bounds[place + 1] - bounds[place]) &* width)
    }
    let read = try mixture?.forward(x, rows: rows) ?? x
    return (try network.forward(read, rows: rows, dropout: dropout), bounds)
  }

  /// Runs the trained layers over all tokens of the items, and takes from them what the head reads.
  private func tokens(
    _ set: LoadedSet, _ items: some Collection<Int>, _ stack: EncoderStack<Float>, _ rows: Int,
    _ width: Int
  ) throws(ClozeError) -> UnsafeMutablePointer<Float> {
    let prepared = set.prepared
    var offsets = [0]
    for item in items {
      let length = prepared.sequences.bounds[item + 1] - prepared.sequences.bounds[item]
      offsets.append(offsets[offsets.count - 1] + length)
    }
    let total = offsets[offsets.count - 1]
    let x = try input == nil ? gathered.reserve(total * width) : nil
    var batch = EncoderInput<Float>.Tokens(offsets: offsets)
    lastSelection = []
    readsTokens = prepared.positions != nil
    for (place, item) in items.enumerated() {
      let range = prepared.sequences.bounds[item]..<prepared.sequences.bounds[item + 1]
      let first = range.lowerBound
      if let x, let features = set.features {
        (x + offsets[place] &* width).update(
          from: features.base + first &* width, count: range.count &* width)
      } else {
        batch.ids += prepared.sequences.ids[range]
        batch.types += prepared.sequences.typeIDs[range]
      }
      if let positions = prepared.positions {
        for row in prepared.bounds[item]..<prepared.bounds[item + 1] {
          lastSelection.append(positions[row] - first + offsets[place])
        }
      }
    }
    var states = x
    if let input { states = try input.forward(batch) }
    guard let before = states else { throw ClozeError(.internal, "no features") }
    let after = try stack.forward(before, offsets: offsets)
    let chosen = try pooled.reserve(max(rows * width, 1))
    if prepared.positions != nil {
      for (row, token) in lastSelection.enumerated() {
        (chosen + row &* width).update(from: after + token &* width, count: width)
      }
    } else {
      pool(after, offsets, width, to: chosen)
    }
    return chosen
  }

  private func pool(
    _ states: UnsafePointer<Float>, _ offsets: [Int], _ width: Int,
    to target: UnsafeMutablePointer<Float>
  ) {
    for item in 0..<(offsets.count - 1) {
      let row = target + item &* width
      let length = offsets[item + 1] - offsets[item]
      if pooling == .cls {
        row.update(from: states + offsets[item] &* width, count: width)
        continue
      }
      row.update(repeating: 0, count: width)
      for token in offsets[item]..<offsets[item + 1] {
        let state = states + token &* width
        for i in 0..<width { row[i] += state[i] }
      }
      let scale = 1 / (pooling == .mean ? Float(length) : Float(length).squareRoot())
      for i in 0..<width { row[i] *= scale }
    }
  }

  /// Adds the gradients of the last `forward`; `dLogits` is overwritten.
  func backward(_ dLogits: UnsafeMutablePointer<Float>) throws(ClozeError) {
    guard let stack else {
      let d = try network.backward(dLogits, rows: lastRows, wantsInput: mixture != nil)
      if let mixture, let d { try mixture.backward(d) }
      return
    }
    guard let d = try network.backward(dLogits, rows: lastRows, wantsInput: true) else { return }
    let width = stack.width
    let offsets = stack.offsets
    let total = offsets[offsets.count - 1]
    let dx = try dTokens.reserve(total * width)
    dx.update(repeating: 0, count: total * width)
    if readsTokens {
      for (row, token) in lastSelection.enumerated() {
        let (to, from) = (dx + token &* width, d + row &* width)
        for i in 0..<width { to[i] += from[i] }
      }
    } else {
      for item in 0..<(offsets.count - 1) {
        let from = d + item &* width
        let length = offsets[item + 1] - offsets[item]
        let scale =
          pooling == .cls
          ? 1 : 1 / (pooling == .mean ? Float(length) : Float(length).squareRoot())
        for token in offsets[item]..<(pooling == .cls ? offsets[item] + 1 : offsets[item + 1]) {
          let to = dx + token &* width
          for i in 0..<width { to[i] = from[i] * scale }
        }
      }
    }
    try stack.backward(dx)
    guard let input else { return }
    try input.backward(dx)
    if isTied { input.touched.addAll() }
  }

  func clearGradients() {
    for block in blocks {
      let first = block.touched?.elements ?? 0
      block.touched?.clear(block.gradients)
      (block.gradients.base + first).update(
        repeating: 0, count: block.gradients.count - first)
    }
  }
}
