internal import Cloze
internal import ClozeIO

extension TrainingRun {
  /// Epochs of AdamW. What is random in an epoch depends on the seed and the epoch only, so that
  /// one can begin after a checkpoint.
  func runAdamW(_ train: LoadedSet, _ valid: LoadedSet) throws(ClozeError) {
    var train = train
    let epochs = options.epochs ?? (trainer.unfrozen > 0 ? 5 : 20)
    let size = options.batchSize ?? 32
    let items = train.prepared.items
    let batches = (items + size - 1) / size
    let perEpoch = (batches + options.accumulation - 1) / options.accumulation
    let total = perEpoch * epochs
    let warmup = Int((options.warmup * Double(total)).rounded())
    // A linear head over frozen tokens has one minimum, which small steps do not reach in time.
    let isLinear = (task == .tag || task == .answer) && options.hidden.isEmpty
    // The more layers learn together, the smaller the steps that they bear.
    let unfrozen = trainer.unfrozen > 0 ? 4e-4 / Double(trainer.unfrozen) : nil
    let rate = options.learningRate ?? unfrozen ?? (isLinear ? 1e-2 : 1e-3)
    let dropout = options.dropout ?? (task == .mlm || task == .nsp ? 0 : 0.1)
    let outputs = model.network.shape.layers.last?.outputs ?? 0
    var optimizers: [AdamW<Float>] = []
    for block in model.blocks { optimizers.append(try AdamW(parameters: block.parameters.count)) }
    try restore(&optimizers)

    let stop = { [self] in options.patience > 0 && checkpoint.waited >= options.patience }
    while checkpoint.epoch < epochs, !stop() {
      let epoch = checkpoint.epoch + 1
      if task == .mlm, epoch > 1 {
        try mask(epoch: epoch, isTrain: true)
        let count = sets.train.sequences.count
        train = LoadedSet(
          prepared: sets.train, features: try features(sets.train, before: 0, total: count))
      }
      var random = TrainingRandom(options.seed, 3, UInt64(epoch))
      let order = random.order(items)
      var sum = 0.0
      for step in 0..<perEpoch {
        model.clearGradients()
        let first = step * options.accumulation
        let last = min(first + options.accumulation, batches)
        var loss = 0.0
        for batch in first..<last {
          let chosen = order[(batch * size)..<min((batch + 1) * size, items)]
          let generator = TrainingRandom(options.seed, 4, UInt64(epoch), UInt64(batch))
          let (logits, bounds) = try model.forward(
            train, chosen, dropout: dropout > 0 ? (dropout, generator) : nil)
          let targets = train.prepared.targets(chosen, task: task, outputs: outputs)
          loss += Double(
            self.loss(
              logits, rows: bounds[bounds.count - 1], outputs: outputs, targets, bounds: bounds))
          try model.backward(logits)
        }
        let share = 1 / Double(last - first)
        var square = 0.0
        for block in model.blocks {
          let own = norm(block.gradients, block.segments, touched: block.touched)
          square += own * own
        }
        let length = square.squareRoot() * share
        guard length.isFinite, loss.isFinite else {
          throw ClozeError(
            .invalidArgument,
            "training went astray at step \(checkpoint.steps + 1): the loss is \(loss); "
              + "try a smaller learning rate")
        }
        let clip = options.clip > 0 ? min(1, options.clip / (length + 1e-6)) : 1
        let current =
          rate * options.schedule.factor(step: checkpoint.steps, steps: total, warmup: warmup)
        for (i, block) in model.blocks.enumerated() {
          try optimizers[i].step(
            block.parameters, block.gradients, block.segments, touched: block.touched,
            rate: current, decay: options.weightDecay, scale: share * clip, trainer.arithmetic)
        }
        checkpoint.steps += 1
        sum += loss * share
        let entry = TrainingStep(
          step: checkpoint.steps, steps: total, epoch: epoch, loss: loss * share,
          gradientNorm: length, learningRate: current)
        if perEpoch <= 1000 || step % (perEpoch / 1000 + 1) == 0 { steps.append(entry) }
        try send(.step(entry))
      }
      checkpoint.epoch = epoch
      let entry = try judge(valid, epoch: epoch, epochs: epochs, loss: sum / Double(perEpoch))
      checkpoint.waited = entry.isBest ? 0 : checkpoint.waited + 1
      try save(optimizers)
      try send(.epoch(entry))
    }
  }

  private func save(_ optimizers: [AdamW<Float>]) throws(ClozeError) {
    guard let folder = options.folder else { return }
    checkpoint.floats = []
    for (i, block) in model.blocks.enumerated() {
      checkpoint.floats += [
        ("parameters.\(i)", block.parameters.array), ("first.\(i)", optimizers[i].first.array),
        ("second.\(i)", optimizers[i].second.array), ("best.\(i)", best[i]),
      ]
    }
    try checkpoint.write(to: folder)
    checkpoint.floats = []
  }

  private func restore(_ optimizers: inout [AdamW<Float>]) throws(ClozeError) {
    guard checkpoint.epoch > 0 else { return }
    best = []
    for (i, block) in model.blocks.enumerated() {
      let count = block.parameters.count
      block.parameters.fill(from: try checkpoint.floats("parameters.\(i)", count: count))
      optimizers[i].first.fill(from: try checkpoint.floats("first.\(i)", count: count))
      optimizers[i].second.fill(from: try checkpoint.floats("second.\(i)", count: count))
      optimizers[i].steps = checkpoint.steps
      block.touched?.restore(optimizers[i].first)
      block.touched?.restore(optimizers[i].second)
      best.append(try checkpoint.floats("best.\(i)", count: count))
    }
    checkpoint.floats = []
  }

  /// L-BFGS over all examples at once:
  ///
  ///     mean loss + s l2 / (2 N) |W|^2
  ///
  /// s makes `l2` scikit-learn's 1 / C and alpha: it takes the squared error without halving it, gives
  /// two classes one row of weights, where there are two of opposite sign here, and adds up labels.
  ///
  /// In blocks of items, whose gradients are added in Double in their order.
  func runLBFGS(_ train: LoadedSet, _ valid: LoadedSet) throws(ClozeError) {
    let network = model.network
    let segments = network.shape.segments
    let outputs = network.shape.layers.last?.outputs ?? 0
    let items = train.prepared.items
    let iterations = options.epochs ?? 1000
    let total = weight(train.prepared, 0..<items)
    let scale = task == .multilabel ? 1 / Double(max(outputs, 1)) : outputs <= 2 ? 2 : 1
    let ridge = scale * options.l2 / Double(max(items, 1))
    // Linear heads begin at zero, which is zero in both.
    var whitening: Whitening?
    if network.shape.layers.count == 1, let features = train.features {
      whitening = try Whitening(
        features.base, rows: features.rows, inputs: features.width, outputs: outputs, ridge: ridge,
        trainer.arithmetic)
    }

    func function(_ point: [Double]) throws(ClozeError) -> (value: Double, gradient: [Double]) {
      let x = whitening?.parameters(point) ?? point
      for (i, value) in x.enumerated() { network.parameters.base[i] = Float(value) }
      var value = 0.0
      var gradient = [Double](repeating: 0, count: x.count)
      var first = 0
      while first < items {
        let last = min(first + 4096, items)
        network.clearGradients()
        let (logits, bounds) = try model.forward(train, first..<last)
        let targets = train.prepared.targets(first..<last, task: task, outputs: outputs)
        let share = weight(train.prepared, first..<last) / max(total, 1e-30)
        let mean = loss(
          logits, rows: bounds[bounds.count - 1], outputs: outputs, targets, bounds: bounds)
        value += Double(mean) * share
        try model.backward(logits)
        for i in gradient.indices { gradient[i] += Double(network.gradients.base[i]) * share }
        first = last
      }
      for segment in segments {
        for i in segment.range {
          guard segment.isTrained else {
            gradient[i] = 0
            continue
          }
          if segment.decays {
            value += ridge / 2 * x[i] * x[i]
            gradient[i] += ridge * x[i]
          }
        }
      }
      return (value, whitening?.gradient(gradient) ?? gradient)
    }

    var solver: LBFGS
    if checkpoint.steps > 0, let x = checkpoint.doubles("x"),
      let g = checkpoint.doubles("gradient"),
      let v = checkpoint.doubles("value")?.first, x.count == network.parameters.count,
      g.count == x.count
    {
      let pairs = (0..<LBFGS.memory).compactMap { i -> ([Double], [Double])? in
        guard let s = checkpoint.doubles("step.\(i)"), let c = checkpoint.doubles("change.\(i)"),
          s.count == x.count, c.count == x.count
        else { return nil }
        return (s, c)
      }
      solver = LBFGS(
        x: x, value: v, gradient: g, iterations: checkpoint.steps, steps: pairs.map(\.0),
        changes: pairs.map(\.1))
    } else {
      solver = try LBFGS(from: network.parameters.array.map(Double.init), function)
    }
    // What is left of the slope is below what float32 sums of losses resolve.
    while solver.iterations < iterations, solver.slope > 1e-6 {
      let before = solver.value
      guard try solver.iterate(function) else { break }
      checkpoint.steps = solver.iterations
      if solver.iterations % 50 == 0, let folder = options.folder {
        checkpoint.doubles = [
          ("x", solver.x), ("gradient", solver.gradient), ("value", [solver.value]),
        ]
        for (i, (s, c)) in zip(solver.steps, solver.changes).enumerated() {
          checkpoint.doubles += [("step.\(i)", s), ("change.\(i)", c)]
        }
        try checkpoint.write(to: folder)
      }
      let entry = TrainingStep(
        step: solver.iterations, steps: iterations, epoch: 1, loss: solver.value,
        gradientNorm: solver.slope, learningRate: 0)
      steps.append(entry)
      try send(.step(entry))
      if before - solver.value < 1e-9 * max(1, abs(before)) { break }
    }
    let x = whitening?.parameters(solver.x) ?? solver.x
    for (i, value) in x.enumerated() { network.parameters.base[i] = Float(value) }
    checkpoint.history = []
    try send(.epoch(try judge(valid, epoch: 1, epochs: 1, loss: solver.value)))
  }

  /// What the loss of some items counts in the mean over all: rows by their class's weight, or items.
  private func weight(_ prepared: Prepared, _ items: Range<Int>) -> Double {
    guard !prepared.classes.isEmpty else { return Double(items.count) }
    var sum = 0.0
    for row in prepared.bounds[items.lowerBound]..<prepared.bounds[items.upperBound] {
      let label = prepared.classes[row]
      if label < 0 { continue }
      sum += loss.classWeights.isEmpty ? 1 : Double(loss.classWeights[Int(label)])
    }
    return sum
  }
}
