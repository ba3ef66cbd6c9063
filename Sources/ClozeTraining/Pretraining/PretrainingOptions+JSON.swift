package import ClozeIO

/// Options as JSON: read from a caller's object, written for checkpoints.
extension PretrainingOptions {
  /// Options of a JSON object whose keys are the command line's with _ for -, and the output folder among them.
  package static func reading(json: String) throws(ClozeError) -> (options: PretrainingOptions, output: String?) {
    var result = PretrainingOptions()
    var output: String?
    do throws(ClozeError) {
      let root = try JSONField(parsing: Array(json.utf8), name: "options")
      var lengths: [String] = []
      for (name, field) in try root.members() {
        guard let key = Key(rawValue: name) else {
          throw ClozeError(
            .damaged, "options: unknown option \(name)\(suggestion(for: name, among: Key.allCases.map(\.rawValue)))")
        }
        if [.steps, .epochs, .minutes].contains(key) { lengths.append(name) }
        if key == .output { output = try field.string() } else { try result.set(key, field) }
      }
      guard lengths.count <= 1 else {
        throw ClozeError(.damaged, "options: \(lengths.joined(separator: " and ")) contradict each other")
      }
    } catch { throw ClozeError(.invalidArgument, error.message) }
    try result.check()
    return (result, output)
  }

  private enum Key: String, CaseIterable {
    case tokenizer
    case vocabularySize = "vocab_size"
    case lowercase
    case layers
    case hidden
    case heads
    case intermediate
    case positions
    case start
    case objective
    case wholeWords = "whole_words"
    case steps
    case epochs
    case minutes
    case batchSize = "batch_size"
    case maxTokens = "max_tokens"
    case learningRate = "learning_rate"
    case warmup
    case schedule
    case dropout
    case weightDecay = "weight_decay"
    case clip
    case precision
    case seed
    case holdout
    case checkpointSteps = "checkpoint_steps"
    case threads
    case output
    case resume
    case overwrite
  }

  private mutating func set(_ key: Key, _ field: JSONField) throws(ClozeError) {
    func choice<T: RawRepresentable & CaseIterable>(_ type: T.Type) throws(ClozeError) -> T where T.RawValue == String {
      guard let value = T(rawValue: try field.string()) else {
        throw field.mismatch("one of \(T.allCases.map(\.rawValue).joined(separator: ", "))")
      }
      return value
    }
    switch key {
    case .tokenizer: tokenizer = try field.string()
    case .vocabularySize: vocabularySize = try field.integer()
    case .lowercase: lowercase = try field.bool()
    case .layers: shape.layers = try field.integer()
    case .hidden: shape.hidden = try field.integer()
    case .heads: shape.heads = try field.integer()
    case .intermediate: shape.intermediate = try field.integer()
    case .positions: shape.positions = try field.integer()
    case .start: start = try choice(Start.self)
    case .objective: objective = try choice(Objective.self)
    case .wholeWords: wholeWords = try field.bool()
    case .steps: length = .steps(try field.integer())
    case .epochs: length = .epochs(try field.integer())
    case .minutes: length = .minutes(try field.number())
    case .batchSize: batchSize = try field.integer()
    case .maxTokens: maxTokens = try field.integer()
    case .learningRate: learningRate = try field.number()
    case .warmup: warmup = try field.number()
    case .schedule: schedule = try choice(Schedule.self)
    case .dropout: dropout = try field.number()
    case .weightDecay: weightDecay = try field.number()
    case .clip: clip = try field.number()
    case .precision: precision = try choice(TrainingPrecision.self)
    case .seed:
      let value = try field.integer()
      guard value >= 0 else { throw field.mismatch("0 or more") }
      seed = UInt64(value)
    case .holdout: holdout = try field.number()
    case .checkpointSteps: checkpointSteps = try field.integer()
    case .output: break
    case .threads: threads = try field.integer()
    case .resume: resume = try field.bool()
    case .overwrite: overwrite = try field.bool()
    }
  }

  /// All options that the result depends on. Reflection names every stored property, so that a new option is never left
  /// out of a checkpoint's identity.
  var identity: String {
    let withoutEffect: Set = ["tokenizer", "checkpointSteps", "threads", "resume", "overwrite"]
    return Mirror(reflecting: self).children.filter { !withoutEffect.contains($0.label ?? "") }
      .map { "\($0.label ?? "")=\($0.value)" }.joined(separator: ",")
  }
}
