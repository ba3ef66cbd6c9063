internal import Cloze
internal import ClozeIO

/// Training by AdamW, with a checkpoint after each epoch.
extension TrainingRun {
  /// What is random in an epoch depends on the seed and the epoch only, so that one can begin after a checkpoint.
  func runAdamW(_ train: FeatureSet, _ valid: FeatureSet) throws(ClozeError) {
    var train = train
    let items = train.data.items
    let batches = (items + settings.batchSize - 1) / settings.batchSize
    let perEpoch = (batches + options.accumulation - 1) / options.accumulation
    let total = perEpoch * settings.epochs
    let warmup = Int((options.warmup * Double(total)).rounded())
    var optimizers: [AdamW<Float>] = []
    for block in model.blocks { optimizers.append(try AdamW(parameters: block.values.count)) }
    try restore(&optimizers)
    let rates = model.rates(layerDecay: options.layerDecay)

    while checkpoint.epoch < settings.epochs, options.patience == 0 || checkpoint.waited < options.patience {
      let epoch = checkpoint.epoch + 1
      if masking != nil, epoch > 1 {
        let data = masked(data.train, epoch: epoch)
        train = FeatureSet(data: data, features: try features(data, before: 0, total: data.items))
      }
      var random = TrainingRandom(options.seed, .order(epoch: epoch))
      let order = random.permutation(items)
      var sum = 0.0
      for step in 0..<perEpoch {
        model.clearGradients()
        let first = step * options.accumulation
        let last = min(first + options.accumulation, batches)
        var loss = 0.0
        for batch in first..<last {
          let chosen = order[(batch * settings.batchSize)..<min((batch + 1) * settings.batchSize, items)]
          var dropout = settings.dropout
          dropout.key = TrainingRandom.key(options.seed, .dropout(epoch: epoch, batch: batch))
          let (logits, offsets) = try model.forward(train, chosen, dropout: dropout)
          loss += Double(
            try self.loss(
              logits, rows: offsets[offsets.count - 1], outputs: model.network.outputs, train.data.targets(chosen),
              offsets: offsets, setup.arithmetic))
          try model.backward(logits)
        }
        let share = 1 / Double(last - first)
        let norm = try setup.arithmetic.gradientNorm(model.blocks) * share
        guard norm.isFinite, loss.isFinite else {
          throw ClozeError(
            .invalidArgument,
            "training diverged at step \(checkpoint.steps + 1): the loss is \(loss); try a smaller learning rate")
        }
        let clip = options.clip > 0 ? min(1, options.clip / (norm + 1e-6)) : 1
        let rate = settings.learningRate * options.schedule.factor(step: checkpoint.steps, steps: total, warmup: warmup)
        for (i, block) in model.blocks.enumerated() {
          try optimizers[i].step(
            block, rate: rate, decay: options.weightDecay, scale: share * clip, rates: rates[i], setup.arithmetic)
        }
        checkpoint.steps += 1
        sum += loss * share
        let entry = TrainingStep(
          step: checkpoint.steps, steps: total, epoch: epoch, loss: loss * share, gradientNorm: norm, learningRate: rate
        )
        if perEpoch <= 1000 || step % (perEpoch / 1000 + 1) == 0 { steps.append(entry) }
        try send(.step(entry))
      }
      checkpoint.epoch = epoch
      let entry = try evaluate(valid, epoch: epoch, epochs: settings.epochs, loss: sum / Double(perEpoch))
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
        ("parameters.\(i)", block.values.array), ("first.\(i)", optimizers[i].first.array),
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
      let count = block.values.count
      block.values.fill(from: try checkpoint.floats("parameters.\(i)", count: count))
      optimizers[i].first.fill(from: try checkpoint.floats("first.\(i)", count: count))
      optimizers[i].second.fill(from: try checkpoint.floats("second.\(i)", count: count))
      optimizers[i].steps = checkpoint.steps
      block.touched?.restore(optimizers[i].first)
      block.touched?.restore(optimizers[i].second)
      best.append(try checkpoint.floats("best.\(i)", count: count))
    }
    checkpoint.floats = []
  }
}
