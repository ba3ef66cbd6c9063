internal import ClozeIO
internal import ClozeONNX

/// The heads of a prepared model, which come from model files: one or two layers, whose names and
/// sizes follow from the output.
extension PackedHead {
  func add(_ output: OutputHead, isTied: Bool, to image: inout PreparedImage) throws(ClozeError) {
    guard let first = layers.first, let last = layers.last else { return }
    switch output {
    case .pooler: try last.dense.add("pooler", to: &image)
    case .maskedLM:
      try first.dense.add("mlm.transform", to: &image)
      try first.norm?.add("mlm.norm", first.dense.outputs, to: &image)
      if isTied {
        last.dense.addBiases("mlm.decoder", to: &image)
      } else {
        try last.dense.add("mlm.decoder", to: &image)
      }
    // Behind the pooler.
    case .nextSentence: try last.dense.add("nsp", to: &image)
    case .classes:
      if layers.count > 1 { try first.dense.add("classes.transform", to: &image) }
      try last.dense.add("classes", to: &image)
    case .tags: try last.dense.add("tags", to: &image)
    case .answer: try last.dense.add("answer", to: &image)
    }
  }

  init(
    _ output: OutputHead, _ sizes: PreparedConfiguration, pooler: PackedHead?, word: Weights.WordTable,
    memory: WeightMemory, from file: inout PreparedFile
  ) throws(ClozeError) {
    let width = sizes.model.hiddenSize
    func layer(
      _ name: String, _ inputs: Int, _ outputs: Int, from file: inout PreparedFile, _ activation: Activation = .identity
    ) throws(ClozeError) -> Layer {
      Layer(dense: try Weights.Dense(name, .float32, inputs, outputs, from: &file), activation: activation)
    }
    var rows = Rows.pooled(.cls)
    let layers: [Layer]
    switch output {
    case .pooler: layers = [try layer("pooler", width, width, from: &file, .tanh)]
    case .maskedLM:
      rows = .tokens
      var transform = try layer("mlm.transform", width, width, from: &file, sizes.maskedLMActivation)
      transform.norm = try Weights.Norm("mlm.norm", width, from: &file)
      let entries = sizes.model.vocabSize
      guard let columns = word.columns else {
        let decoder = try Weights.Dense("mlm.decoder", sizes.precision, width, entries, from: &file)
        layers = [transform, Layer(dense: decoder)]
        break
      }
      let decoder = Weights.Dense(
        inputs: width, outputs: entries, columns: columns,
        bias: try Weights.Dense.biases("mlm.decoder", entries, from: &file), inverseSmoothing: nil)
      layers = [transform, Layer(dense: decoder)]
    case .nextSentence: layers = (pooler?.layers ?? []) + [try layer("nsp", width, 2, from: &file)]
    case .classes:
      if let step = sizes.classTransform {
        layers = [
          try layer("classes.transform", width, step.size, from: &file, step.activation),
          try layer("classes", step.size, sizes.labelCount, from: &file),
        ]
      } else {
        layers = [try layer("classes", width, sizes.labelCount, from: &file)]
      }
    case .tags:
      rows = .tokens
      layers = [try layer("tags", width, sizes.labelCount, from: &file)]
    case .answer:
      rows = .tokens
      layers = [try layer("answer", width, 2, from: &file)]
    }
    self.init(rows: rows, layers: layers, memory: memory)
  }
}
