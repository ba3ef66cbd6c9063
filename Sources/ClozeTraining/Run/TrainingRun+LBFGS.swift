internal import Cloze
internal import ClozeIO

/// Training by L-BFGS, over all examples at once:
///
///     mean loss + s l2 / (2 N) |W|^2
///
/// s makes `l2` scikit-learn's 1 / C and alpha: it takes the squared error without halving it, gives two classes one
/// row of weights, where there are two of opposite sign here, and adds up labels.
extension TrainingRun {
  func runLBFGS(_ train: FeatureSet, _ valid: FeatureSet) throws(ClozeError) {
    let objective = try Objective(self, train)
    let initial = objective.parameters.values.array.map(Double.init)
    var solver: LBFGS
    if let restored = restored(initial.count) {
      solver = restored
    } else {
      solver = try LBFGS(from: initial, objective.evaluate)
    }
    // A smaller slope is below the resolution of float32 sums of losses.
    while solver.iterations < settings.epochs, solver.slope > 1e-6 {
      let before = solver.value
      guard try solver.iterate(objective.evaluate) else { break }
      checkpoint.steps = solver.iterations
      if solver.iterations % 50 == 0 { try save(solver) }
      let entry = TrainingStep(
        step: solver.iterations, steps: settings.epochs, epoch: 1, loss: solver.value, gradientNorm: solver.slope,
        learningRate: 0)
      steps.append(entry)
      try send(.step(entry))
      if before - solver.value < 1e-9 * max(1, abs(before)) { break }
    }
    _ = objective.load(solver.x)
    checkpoint.history = []
    try send(.epoch(try evaluate(valid, epoch: 1, epochs: 1, loss: solver.value)))
  }

  private func save(_ solver: LBFGS) throws(ClozeError) {
    guard let folder = options.folder else { return }
    checkpoint.doubles = [("x", solver.x), ("gradient", solver.gradient), ("value", [solver.value])]
    for (i, (step, change)) in zip(solver.steps, solver.changes).enumerated() {
      checkpoint.doubles += [("step.\(i)", step), ("change.\(i)", change)]
    }
    try checkpoint.write(to: folder)
  }

  /// The solver of the checkpoint; nil where there is none.
  private func restored(_ count: Int) -> LBFGS? {
    guard checkpoint.steps > 0, let x = checkpoint.doubles("x"), x.count == count,
      let gradient = checkpoint.doubles("gradient"), gradient.count == count,
      let value = checkpoint.doubles("value")?.first
    else { return nil }
    var (steps, changes): ([[Double]], [[Double]]) = ([], [])
    for i in 0..<LBFGS.memory {
      guard let step = checkpoint.doubles("step.\(i)"), step.count == count,
        let change = checkpoint.doubles("change.\(i)"), change.count == count
      else { continue }
      steps.append(step)
      changes.append(change)
    }
    return LBFGS(x: x, value: value, gradient: gradient, iterations: checkpoint.steps, steps: steps, changes: changes)
  }
}

/// What L-BFGS minimizes, as a function of the head's parameters, or of whitened ones where the head is linear.
private struct Objective {
  let model: TrainableModel
  let loss: Loss
  let train: FeatureSet
  var parameters: ParameterBlock<Float> { model.network.parameters }
  /// s l2 / N
  private let ridge: Double
  private let whitening: Whitening?
  private let total: Double

  init(_ run: TrainingRun, _ train: FeatureSet) throws(ClozeError) {
    model = run.model
    loss = run.loss
    self.train = train
    let outputs = model.network.outputs
    let scale = !train.data.labels.isEmpty ? 1 / Double(max(outputs, 1)) : outputs <= 2 ? 2 : 1
    ridge = scale * run.options.l2 / Double(max(train.data.items, 1))
    // Linear heads begin at 0, which whitening maps to 0.
    if model.network.layers.count == 1, let features = train.features {
      whitening = try Whitening(
        features.base, rows: features.rows, inputs: features.width, outputs: outputs, ridge: ridge, run.setup.arithmetic
      )
    } else {
      whitening = nil
    }
    total = Self.weight(train.data, 0..<train.data.items, loss)
  }

  /// Sets the parameters to those that a point stands for, and returns them.
  func load(_ point: [Double]) -> [Double] {
    let x = whitening?.parameters(point) ?? point
    for (i, value) in x.enumerated() { parameters.values.base[i] = Float(value) }
    return x
  }

  /// In blocks of items, whose gradients are added in Double in their order.
  func evaluate(_ point: [Double]) throws(ClozeError) -> (value: Double, gradient: [Double]) {
    let x = load(point)
    var value = 0.0
    var gradient = [Double](repeating: 0, count: x.count)
    for first in stride(from: 0, to: train.data.items, by: 4096) {
      let items = first..<min(first + 4096, train.data.items)
      parameters.clearGradients()
      let (logits, offsets) = try model.forward(train, items)
      let share = Self.weight(train.data, items, loss) / max(total, 1e-30)
      let mean = try loss(
        logits, rows: offsets[offsets.count - 1], outputs: model.network.outputs, train.data.targets(items),
        offsets: offsets, model.network.arithmetic)
      value += Double(mean) * share
      try model.backward(logits)
      for i in gradient.indices { gradient[i] += Double(parameters.gradients.base[i]) * share }
    }
    for segment in parameters.segments where segment.decays {
      for i in segment.range {
        value += ridge / 2 * x[i] * x[i]
        gradient[i] += ridge * x[i]
      }
    }
    return (value, whitening?.gradient(gradient) ?? gradient)
  }

  /// The weight of some items in the mean loss over all: their number, or the sum of their rows' class weights.
  private static func weight(_ data: TokenizedDataset, _ items: Range<Int>, _ loss: Loss) -> Double {
    guard !data.classes.isEmpty else { return Double(items.count) }
    return data.classes[data.rowOffsets[items.lowerBound]..<data.rowOffsets[items.upperBound]].reduce(0) { sum, label in
      label < 0 ? sum : sum + (loss.classWeights.isEmpty ? 1 : Double(loss.classWeights[Int(label)]))
    }
  }
}
