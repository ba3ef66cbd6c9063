internal import Cloze
internal import ClozeIO

/// The state of a training, from which it resumes to the same bits. In the file, a safetensors, numbers are float64
/// tensors, and the metadata names the identity and the metrics.
struct Checkpoint {
  static let fileName = "checkpoint.safetensors"

  /// Of model, data and options; a checkpoint with another identity is refused.
  var identity: String
  var epoch = 0
  var steps = 0
  /// Epochs since the best.
  var waited = 0
  var bestValue: Double?
  var history: [TrainingEpoch] = []
  /// With AdamW: parameters, moments and best parameters, block by block.
  var floats: [(name: String, values: [Float])] = []
  /// With L-BFGS: its vectors.
  var doubles: [(name: String, values: [Double])] = []

  init(identity: String) { self.identity = identity }

  func write(to folder: String) throws(ClozeError) {
    var file = TensorFile()
    let metrics = history.first?.metrics.values.map(\.name) ?? []
    file.metadata = [("cloze_checkpoint", identity), ("metrics", metrics.joined(separator: ","))]
    file.add("state", [Double(epoch), Double(steps), Double(waited), bestValue ?? .nan])
    for (i, entry) in history.enumerated() {
      let numbers = [Double(entry.epoch), Double(entry.epochs), entry.isBest ? 1 : 0, entry.loss]
      file.add("history.\(i)", numbers + entry.metrics.values.map(\.value))
    }
    for (name, values) in floats { file.add(name, [values.count], values) }
    for (name, values) in doubles { file.add(name, values) }
    try file.write(to: joined(folder, Self.fileName))
  }

  /// The checkpoint of a folder; nil where there is none.
  init?(folder: String) throws(ClozeError) {
    let path = joined(folder, Self.fileName)
    guard try FileKind(path) == .file else { return nil }
    let file = try TensorFile(path: path)
    let state = file.doubles("state") ?? []
    guard let identity = file.text("cloze_checkpoint"), state.count == 4, let epoch = Int(exactly: state[0]),
      let steps = Int(exactly: state[1]), let waited = Int(exactly: state[2])
    else { throw ClozeError(.invalidModel, "\(path) is not a checkpoint of Cloze") }
    (self.identity, self.epoch, self.steps, self.waited) = (identity, epoch, steps, waited)
    bestValue = state[3].isNaN ? nil : state[3]
    let metrics = (file.text("metrics") ?? "").split(separator: ",").map(String.init)
    while let entry = file.doubles("history.\(history.count)"), entry.count == 4 + metrics.count,
      let epoch = Int(exactly: entry[0]), let epochs = Int(exactly: entry[1])
    {
      history.append(
        TrainingEpoch(
          epoch: epoch, epochs: epochs, loss: entry[3], metrics: Metrics(Array(zip(metrics, entry[4...]))),
          isBest: entry[2] == 1))
    }
    for tensor in file.tensors where tensor.name != "state" && !tensor.name.hasPrefix("history.") {
      switch tensor.values {
      case .float32(let values): floats.append((tensor.name, values))
      case .float64(let values): doubles.append((tensor.name, values))
      }
    }
  }

  func floats(_ name: String, count: Int) throws(ClozeError) -> [Float] {
    guard let found = floats.first(where: { $0.name == name }), found.values.count == count else {
      throw ClozeError(.invalidModel, "the checkpoint has no \(name) of \(count) numbers")
    }
    return found.values
  }

  func doubles(_ name: String) -> [Double]? { doubles.first { $0.name == name }?.values }
}
