import Cloze
import ClozeTestSupport
import Testing

@testable import ClozeTraining

/// Every head, as the trainer makes it, against PyTorch: loss and gradients of the same batch with the
/// same weights, and steps of AdamW given the same gradients.
struct HeadReferenceTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var name: String
    var task: Head.Task
    var hidden: [Int] = []
    var activation: Activation = .gelu
    var tied = true
    var testDescription: String { name + (task == .mlm ? tied ? ", tied" : ", untied" : "") }
  }

  static let cases: [Case] =
    ([
      (.classify, .gelu), (.classifyPairs, .tanh), (.multilabel, .relu), (.regress, .geluTanh),
      (.regressPairs, .identity), (.tag, .gelu), (.answer, .geluTanh),
    ] as [(Head.Task, Activation)]).flatMap { task, activation in
      [
        Case(name: task.rawValue, task: task),
        Case(name: "\(task.rawValue)-hidden-\(activation.rawValue)", task: task, hidden: [7], activation: activation),
      ]
    } + [Case(name: "mlm", task: .mlm), Case(name: "mlm", task: .mlm, tied: false), Case(name: "nsp", task: .nsp)]

  @Test(arguments: cases) func gradientsAndStepsArePyTorchs(_ head: Case) throws {
    let all = try Fixture.expected("../training/heads")
    func array(_ key: String) -> Fixture.Array? { all["\(head.name) \(key)"] }
    let name = head.task == .mlm ? "masked-lm-opset13" : "next-sentence-opset12"
    let base = try Model(path: Fixture.modelPath(name), options: LoadOptions(precision: .float32))
    var options = TrainingOptions()
    options.threads = 2
    options.hidden = head.hidden
    options.activation = head.activation
    options.tied = head.tied
    let trainer = try Trainer(model: base, task: head.task, options: options)
    let outputs = array("classes") == nil ? array("labels")?.shape[1] ?? 1 : 5
    let classes = [Head.Task.classify: 3, .classifyPairs: 2, .nsp: 2][head.task] ?? outputs
    let model = try TrainableModel(trainer.setup, labels: (0..<classes).map { "label \($0)" })
    let network = model.network
    let parts = network.layers.indices.flatMap { i in ["weight", "bias", "gamma", "beta"].map { "\(i).\($0)" } }
    let segments = network.parameters.segments
    // A tied decoder is not among the head's own parameters.
    let borrowed = network.layers.firstIndex { $0.borrowsWeight }.map { "\($0).weight" }
    if let borrowed {
      let decoder = try #require(array(borrowed)).floats
      let block = try Block<Float>(decoder.count)
      block.fill(from: decoder)
      network.borrow(.init(weight: block.base, gradient: nil, owner: block))
    }
    let own = parts.filter { array($0) != nil && $0 != borrowed }
    #expect(own.count == segments.count { !$0.range.isEmpty })
    for (part, segment) in zip(parts, segments) where part != borrowed {
      let values = array(part)?.floats ?? []
      try #require(values.count == segment.range.count, "\(part)")
      for (place, value) in zip(segment.range, values) { network.parameters.values.base[place] = value }
    }

    // The batch, as it is gathered in training.
    let x = try #require(array("x"))
    let features = try FeatureStore(rows: x.shape[0], width: x.shape[1], memoryLimit: 1 << 20, folder: nil)
    for (i, value) in x.floats.enumerated() { features.base[i] = value }
    var data = TokenizedDataset()
    data.rowOffsets = head.task == .tag || head.task == .answer ? [0, 5, 12] : Array(0...x.shape[0])
    data.classes = array("classes")?.ints.map { Int32($0) } ?? []
    data.labels = array("labels")?.floats ?? []
    data.values = array("values")?.floats ?? []
    let spans = array("spans")?.ints ?? []
    for i in stride(from: 0, to: spans.count, by: 2) {
      data.spans.append(.init(first: Int32(spans[i]), last: Int32(spans[i + 1])))
    }
    let set = FeatureSet(data: data, features: features)
    let loss = Loss(
      smoothing: Double(array("smoothing")?.floats.first ?? 0), classWeights: array("class_weights")?.floats ?? [])

    model.clearGradients()
    let items = 0..<data.items
    let (logits, offsets) = try model.forward(set, items)
    let value = try loss(
      logits, rows: data.rows, outputs: network.outputs, data.targets(items), offsets: offsets, network.arithmetic)
    try model.backward(logits)
    let expected = try #require(array("loss")?.floats.first)
    #expect(abs(value - expected) <= 1e-6 * abs(expected))
    func largest(_ part: String) -> Float { (array("\(part) gradient")?.floats ?? []).reduce(0) { max($0, abs($1)) } }
    let largestOfAll = parts.reduce(0) { max($0, largest($1)) }
    for (part, segment) in zip(parts, segments) where !segment.range.isEmpty {
      let theirs = array("\(part) gradient")?.floats ?? []
      // The biases of an answer's start and end have no gradient but what rounding leaves.
      let most = max(largest(part), largestOfAll / 100)
      try #require(theirs.count == segment.range.count)
      for (place, gradient) in zip(segment.range, theirs) {
        let difference = abs(network.parameters.gradients.base[place] - gradient)
        #expect(difference <= 1e-5 * most, "\(part): \(difference / most)")
      }
    }

    var optimizer = try AdamW<Float>(parameters: network.parameters.values.count)
    for factor: Float in [1, -0.5, 2] {
      for (part, segment) in zip(parts, segments) {
        for (place, gradient) in zip(segment.range, array("\(part) gradient")?.floats ?? []) {
          network.parameters.gradients.base[place] = factor * gradient
        }
      }
      try optimizer.step(network.parameters, rate: 1e-3, decay: 0.01, scale: 1, network.arithmetic)
    }
    for (part, segment) in zip(parts, segments) {
      for (place, theirs) in zip(segment.range, array("\(part) stepped")?.floats ?? []) {
        let ours = network.parameters.values.base[place]
        // Of a weight smaller than a step, the step's rounding is what is left.
        #expect(abs(ours - theirs) <= 1e-6 * max(abs(theirs), 1e-3), "\(part): \(ours), \(theirs)")
      }
    }
    #expect((borrowed != nil) == (head.task == .mlm && head.tied))
  }
}
