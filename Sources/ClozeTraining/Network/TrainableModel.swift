internal import Cloze
internal import ClozeIO

/// A tokenized data set with the encoder's vectors of it.
struct FeatureSet {
  var data: TokenizedDataset
  /// nil where the embeddings are trained: then the encoder has no part whose outputs stay the same.
  var features: FeatureStore?
}

/// The trained parts of a model: the head, and below it what is not frozen of the encoder.
final class TrainableModel {
  let network: Network<Float>
  /// The last layers of the encoder, where they are trained.
  let stack: EncoderStack<Float>?
  /// The embeddings, where all layers are trained.
  let input: EncoderInput<Float>?
  /// What the head reads, where that is not the last state.
  let mixture: LayerMixture<Float>?
  let pooling: Pooling
  /// Whether the head's last matrix is the word embeddings, and these are trained.
  private let isTied: Bool
  private var gathered = GrowingBuffer<Float>()
  private var selected = GrowingBuffer<Float>()
  private var dStates = GrowingBuffer<Float>()

  /// The last `forward`: rows, and the tokens they were taken from; nil where texts were pooled.
  private var rows = 0
  private var selection: [Int]?

  /// The initial model.
  init(_ setup: TrainingSetup, labels: [String]) throws(ClozeError) {
    let (info, unfrozen) = (setup.model.info, setup.settings.unfrozen)
    stack = try unfrozen > 0 ? EncoderStack(setup.model, last: unfrozen, setup.arithmetic) : nil
    input = try unfrozen > 0 && unfrozen == info.numHiddenLayers ? EncoderInput(setup.model, setup.arithmetic) : nil
    network = try setup.task.network(setup, labels: labels, input: input)
    mixture =
      try setup.options.layers == .mix ? LayerMixture(states: info.numHiddenLayers + 1, width: info.hiddenSize) : nil
    pooling = setup.settings.pooling
    isTied = input != nil && network.layers.contains { $0.borrowsWeight }
  }

  /// What the learning rate of each block's segments is multiplied by, with a factor for each layer that lies below the
  /// head.
  func rates(layerDecay: Double) -> [[Double]] {
    let layers = stack?.layers ?? 0
    func rate(_ layersBelow: Int) -> Double { (0..<layersBelow).reduce(1) { rate, _ in rate * layerDecay } }
    return blocks.map { block in
      block.segments.indices.map { segment in
        if block === stack?.parameters {
          // The bias that all layers share comes last.
          let layer = segment / EncoderLayerParameter.allCases.count
          return rate(layer < layers ? layers - layer : layers)
        }
        return rate(block === input?.parameters ? layers + 1 : 0)
      }
    }
  }

  var blocks: [ParameterBlock<Float>] {
    [network.parameters, stack?.parameters, input?.parameters, mixture?.parameters].compactMap(\.self)
  }

  /// The head's outputs for some items, [rows, outputs], and where each item's rows begin.
  func forward(_ set: FeatureSet, _ items: some Collection<Int>, dropout: Dropout = .none) throws(ClozeError)
    -> (logits: UnsafeMutablePointer<Float>, offsets: [Int])
  {
    let offsets = ends(items) { set.data.rowOffsets[$0 + 1] - set.data.rowOffsets[$0] }
    rows = offsets[offsets.count - 1]
    if let stack {
      let x = try encode(set, items, stack, dropout)
      return (try network.forward(x, rows: rows, dropout: dropout), offsets)
    }
    guard let features = set.features else { throw ClozeError(.internal, "no features") }
    let width = features.width
    let x = try gathered.reserve(max(rows * width, 1))
    for (place, item) in items.enumerated() {
      (x + offsets[place] &* width).update(
        from: features.base + set.data.rowOffsets[item] &* width, count: (offsets[place + 1] - offsets[place]) &* width)
    }
    let read = try mixture?.forward(x, rows: rows) ?? x
    return (try network.forward(read, rows: rows, dropout: dropout), offsets)
  }

  /// Running sums of a count of each item, from 0.
  private func ends(_ items: some Collection<Int>, _ count: (Int) -> Int) -> [Int] {
    items.reduce(into: [0]) { $0.append($0[$0.count - 1] + count($1)) }
  }

  /// Runs the trained layers over all tokens of the items, and takes from them what the head reads, [rows, D].
  private func encode(
    _ set: FeatureSet, _ items: some Collection<Int>, _ stack: EncoderStack<Float>, _ dropout: Dropout
  ) throws(ClozeError) -> UnsafeMutablePointer<Float> {
    let (data, width) = (set.data, stack.width)
    let offsets = ends(items) { data.offsets[$0 + 1] - data.offsets[$0] }
    let before: UnsafeMutablePointer<Float>
    if let input {
      var tokens = EncoderInput<Float>.Tokens(offsets: offsets)
      for item in items {
        let range = data.offsets[item]..<data.offsets[item + 1]
        tokens.ids += data.ids[range]
        tokens.types += data.typeIDs[range]
      }
      before = try input.forward(tokens, dropout: dropout)
    } else {
      guard let features = set.features else { throw ClozeError(.internal, "no features") }
      before = try gathered.reserve(offsets[offsets.count - 1] * width)
      for (place, item) in items.enumerated() {
        let range = data.offsets[item]..<data.offsets[item + 1]
        (before + offsets[place] &* width).update(
          from: features.base + range.lowerBound &* width, count: range.count &* width)
      }
    }
    let states = try stack.forward(before, offsets: offsets, dropout: dropout)
    let target = try selected.reserve(max(rows * width, 1))
    guard let positions = data.positions else {
      selection = nil
      for place in 0..<(offsets.count - 1) {
        poolForward(
          pooling, states + offsets[place] &* width, offsets[place + 1] - offsets[place], width, target + place &* width
        )
      }
      return target
    }
    var tokens: [Int] = []
    for (place, item) in items.enumerated() {
      for row in data.rowOffsets[item]..<data.rowOffsets[item + 1] {
        tokens.append(positions[row] - data.offsets[item] + offsets[place])
      }
    }
    for (row, token) in tokens.enumerated() {
      (target + row &* width).update(from: states + token &* width, count: width)
    }
    selection = tokens
    return target
  }

  /// Adds the gradients of the last `forward`; `dLogits` is overwritten.
  func backward(_ dLogits: UnsafeMutablePointer<Float>) throws(ClozeError) {
    guard let stack else {
      let d = try network.backward(dLogits, rows: rows, wantsInput: mixture != nil)
      if let mixture, let d { try mixture.backward(d) }
      return
    }
    guard let d = try network.backward(dLogits, rows: rows, wantsInput: true) else { return }
    let (width, offsets) = (stack.width, stack.offsets)
    let total = offsets[offsets.count - 1]
    let dx = try dStates.reserve(total * width)
    dx.update(repeating: 0, count: total * width)
    if let selection {
      for (row, token) in selection.enumerated() {
        Float.add(d + row &* width, width, dx + token &* width, stack.arithmetic)
      }
    } else {
      for place in 0..<(offsets.count - 1) {
        poolBackward(
          pooling, d + place &* width, offsets[place + 1] - offsets[place], width, dx + offsets[place] &* width)
      }
    }
    try stack.backward(dx)
    guard let input else { return }
    try input.backward(dx)
    if isTied { input.touched.addAll() }
  }

  func clearGradients() { for block in blocks { block.clearGradients() } }
}
