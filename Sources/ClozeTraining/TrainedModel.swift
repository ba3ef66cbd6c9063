internal import Cloze

/// A set of examples with the vectors that were computed of them.
struct LoadedSet {
  var prepared: Prepared
  var features: FeatureStore
}

/// What is trained, and how a batch goes through it.
final class TrainedModel {
  let task: Head.Task
  let network: Network<Float>
  /// The last layers of the encoder, where they are trained too.
  let stack: EncoderStack<Float>?
  let pooling: Pooling
  private var gathered = Room<Float>()
  private var pooled = Room<Float>()
  private var dTokens = Room<Float>()
  private var lastRows = 0
  private var lastSelection: [Int] = []
  private var lastBounds: [Int] = []

  init(task: Head.Task, network: Network<Float>, stack: EncoderStack<Float>?, pooling: Pooling) {
    self.task = task
    self.network = network
    self.stack = stack
    self.pooling = pooling
  }

  /// Parameters, gradients and what is to be done with them.
  var blocks:
    [(parameters: Block<Float>, gradients: Block<Float>, segments: [NetworkShape.Segment])]
  {
    var blocks = [(network.parameters, network.gradients, network.shape.segments)]
    if let stack { blocks.append((stack.parameters, stack.gradients, stack.segments)) }
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
    lastBounds = bounds
    let width = set.features.width
    if let stack {
      let x = try tokens(set, items, stack, rows, width)
      return (try network.forward(x, rows: rows, dropout: dropout), bounds)
    }
    let x = try gathered.reserve(max(rows * width, 1))
    for (place, item) in items.enumerated() {
      (x + bounds[place] &* width).update(
        from: set.features.base + prepared.bounds[item] &* width,
        count: (bounds[place + 1] - bounds[place]) &* width)
    }
    return (try network.forward(x, rows: rows, dropout: dropout), bounds)
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
    let x = try gathered.reserve(total * width)
    lastSelection = []
    for (place, item) in items.enumerated() {
      let first = prepared.sequences.bounds[item]
      (x + offsets[place] &* width).update(
        from: set.features.base + first &* width,
        count: (offsets[place + 1] - offsets[place]) &* width)
      if let positions = prepared.positions {
        for row in prepared.bounds[item]..<prepared.bounds[item + 1] {
          lastSelection.append(positions[row] - first + offsets[place])
        }
      }
    }
    let states = try stack.forward(x, offsets: offsets)
    let chosen = try pooled.reserve(max(rows * width, 1))
    if prepared.positions != nil {
      for (row, token) in lastSelection.enumerated() {
        (chosen + row &* width).update(from: states + token &* width, count: width)
      }
    } else {
      pool(states, offsets, width, to: chosen)
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
      try network.backward(dLogits, rows: lastRows)
      return
    }
    guard let d = try network.backward(dLogits, rows: lastRows, wantsInput: true) else { return }
    let width = stack.width
    let offsets = stack.offsets
    let total = offsets[offsets.count - 1]
    let dx = try dTokens.reserve(total * width)
    dx.update(repeating: 0, count: total * width)
    if task == .tag || task == .answer {
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
  }

  func clearGradients() {
    for block in blocks {
      block.gradients.base.update(repeating: 0, count: block.gradients.count)
    }
  }
}
