internal import Cloze
internal import ClozeIO

/// The state of a training, from which it resumes to the same bits.
struct Checkpoint {
  static let fileName = "checkpoint.safetensors"

  /// Of model, data and options; a checkpoint with another identity is refused.
  var identity: String
  var epoch = 0
  var steps = 0
  /// Epochs since the best.
  var waited = 0
  var bestEpoch = 0
  var bestValue: Double?
  var history: [TrainingEpoch] = []
  /// With AdamW: parameters, moments and best parameters, block by block.
  var floats: [(name: String, values: [Float])] = []
  /// With L-BFGS: its vectors.
  var doubles: [(name: String, values: [Double])] = []

  init(identity: String) { self.identity = identity }

  func write(to folder: String) throws(ClozeError) {
    var writer = JSONWriter()
    writer.object { writer in
      writer.value("identity", identity)
      writer.value("epoch", epoch)
      writer.value("steps", steps)
      writer.value("waited", waited)
      writer.value("best_epoch", bestEpoch)
      if let bestValue { writer.value("best", bits(bestValue)) }
      writer.array("history") { writer in
        for entry in history {
          writer.object { writer in
            writer.value("epoch", entry.epoch)
            writer.value("epochs", entry.epochs)
            writer.value("loss", bits(entry.loss))
            writer.value("best", entry.isBest)
            writer.object("metrics") { writer in
              for (name, value) in entry.metrics.values { writer.value(name, bits(value)) }
            }
          }
        }
      }
    }
    var file = TensorFile()
    file.metadata = [("cloze_checkpoint", writer.text)]
    for (name, values) in floats { file.add(name, [values.count], values) }
    for (name, values) in doubles { file.add(name, values) }
    try file.write(to: joined(folder, Self.fileName))
  }

  /// The checkpoint of a folder; nil where there is none.
  init?(folder: String) throws(ClozeError) {
    let path = joined(folder, Self.fileName)
    guard try FileKind(path) == .file else { return nil }
    let file = try TensorFile(path: path)
    guard let text = file.text("cloze_checkpoint") else {
      throw ClozeError(.invalidModel, "\(path) is not a checkpoint of Cloze")
    }
    let root = try JSONField(parsing: Array(text.utf8), name: path)
    func double(_ field: JSONField) throws(ClozeError) -> Double {
      guard let bits = UInt64(try field.string(), radix: 16) else {
        throw field.mismatch("the bits of a number")
      }
      return Double(bitPattern: bits)
    }
    identity = try root.required("identity").string()
    epoch = Int(try root.required("epoch").id())
    steps = Int(try root.required("steps").id())
    waited = Int(try root.required("waited").id())
    bestEpoch = Int(try root.required("best_epoch").id())
    bestValue = try root.present("best").map { field throws(ClozeError) in try double(field) }
    for entry in try root.required("history").elements() {
      var metrics: [(name: String, value: Double)] = []
      for (name, value) in try entry.required("metrics").members() {
        metrics.append((name, try double(value)))
      }
      history.append(
        TrainingEpoch(
          epoch: Int(try entry.required("epoch").id()),
          epochs: Int(try entry.required("epochs").id()),
          loss: try double(entry.required("loss")), metrics: Metrics(metrics),
          isBest: try entry.required("best").bool()))
    }
    for tensor in file.tensors {
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

private func bits(_ value: Double) -> String { String(value.bitPattern, radix: 16) }
