internal import Cloze
public import ClozeIO

/// Options as JSON: read from a caller's object, written for checkpoints.
extension TrainingOptions {
  /// Options of a JSON object whose keys are the command line's with _ for -.
  public init(json: String) throws(ClozeError) {
    self.init()
    do throws(ClozeError) {
      let root = try JSONField(parsing: Array(json.utf8), name: "options")
      for (key, field) in try root.members() { try set(key, field) }
    } catch { throw ClozeError(.invalidArgument, error.message) }
    try check()
  }

  private enum Key: String, CaseIterable {
    case pooling
    case pairs
    case layers
    case hidden
    case activation
    case dropout
    case optimizer
    case epochs
    case batchSize = "batch_size"
    case accumulate
    case learningRate = "learning_rate"
    case layerDecay = "layer_decay"
    case schedule
    case warmup
    case weightDecay = "weight_decay"
    case l2
    case clip
    case labelSmoothing = "label_smoothing"
    case classWeight = "class_weight"
    case balanced
    case patience
    case metric
    case seed
    case holdout
    case maxTokens = "max_tokens"
    case stride
    case unfreeze
    case untied
    case threads
    case memoryLimit = "memory_limit"
    case output
    case resume
    case overwrite
  }

  private mutating func set(_ name: String, _ field: JSONField) throws(ClozeError) {
    guard let key = Key(rawValue: name) else {
      throw ClozeError(
        .damaged, "options: unknown option \(name)\(suggestion(for: name, among: Key.allCases.map(\.rawValue)))")
    }
    func choice<T: RawRepresentable & CaseIterable>(_ type: T.Type) throws(ClozeError) -> T where T.RawValue == String {
      let text = try field.string()
      guard let value = T(rawValue: text) else {
        throw field.mismatch("one of \(T.allCases.map(\.rawValue).joined(separator: ", "))")
      }
      return value
    }
    switch key {
    case .pooling:
      guard let found = Pooling(name: try field.string()) else {
        throw field.mismatch("one of \(Pooling.allCases.map(\.name).joined(separator: ", "))")
      }
      pooling = found
    case .pairs: pairs = try choice(Head.Pairs.self)
    case .layers: layers = try choice(Layers.self)
    case .hidden:
      hidden = []
      for size in try field.isArray ? field.elements() : [field] { hidden.append(try size.integer()) }
    case .activation: activation = try choice(Activation.self)
    case .dropout: dropout = try field.number()
    case .optimizer: optimizer = try choice(Optimizer.self)
    case .epochs: epochs = try field.integer()
    case .batchSize: batchSize = try field.integer()
    case .accumulate: accumulation = try field.integer()
    case .learningRate: learningRate = try field.number()
    case .layerDecay: layerDecay = try field.number()
    case .schedule: schedule = try choice(Schedule.self)
    case .warmup: warmup = try field.number()
    case .weightDecay: weightDecay = try field.number()
    case .l2: l2 = try field.number()
    case .clip: clip = try field.number()
    case .labelSmoothing: labelSmoothing = try field.number()
    case .classWeight: for (label, weight) in try field.members() { classWeights[label] = Float(try weight.number()) }
    case .balanced: balanced = try field.bool()
    case .patience: patience = try field.integer()
    case .metric: metric = try field.string()
    case .seed:
      let value = try field.integer()
      guard value >= 0 else { throw field.mismatch("0 or more") }
      seed = UInt64(value)
    case .holdout: holdout = try field.number()
    case .maxTokens: maxTokens = try field.integer()
    case .stride: stride = try field.integer()
    case .unfreeze:
      if let word = try? field.string() {
        guard word == "all" else { throw field.mismatch("a number, or all") }
        unfreeze = .max
      } else {
        unfreeze = try field.integer()
      }
    case .untied: tied = !(try field.bool())
    case .threads: threads = try field.integer()
    case .memoryLimit:
      let megabytes = try field.integer()
      guard megabytes >= 0, megabytes < 1 << 40 else { throw field.mismatch("0 or more") }
      memoryLimit = megabytes << 20
    case .output: folder = try field.string()
    case .resume: resume = try field.bool()
    case .overwrite: overwrite = try field.bool()
    }
  }

  /// All options that the result depends on, as a JSON object. Reflection writes every stored property, so that a new
  /// option is never left out of a checkpoint's identity.
  var canonicalJSON: String {
    let withoutEffect: Set = ["threads", "memoryLimit", "folder", "resume", "overwrite"]
    var writer = JSONWriter()
    writer.object { writer in
      for (name, value) in Mirror(reflecting: self).children {
        guard let name, !withoutEffect.contains(name) else { continue }
        guard let weights = value as? [String: Float] else {
          writer.value(name, "\(value)")
          continue
        }
        writer.object(name) { writer in
          for (label, weight) in weights.sorted(by: { $0.key < $1.key }) { writer.value(label, "\(weight)") }
        }
      }
    }
    return writer.text
  }
}

/// Formats as JSON.
extension DataFormat {
  /// A format of a JSON object whose keys are the command line's with _ for -.
  public init(json: String) throws(ClozeError) {
    self.init()
    do throws(ClozeError) {
      let root = try JSONField(parsing: Array(json.utf8), name: "format")
      for (key, field) in try root.members() {
        func dataField() throws(ClozeError) -> DataField {
          guard let found = DataField(try field.scalar()) else { throw field.mismatch("a name, or a number from 1") }
          return found
        }
        switch key {
        case "text": text = try dataField()
        case "pair": pair = try dataField()
        case "label": label = try dataField()
        case "separator": separator = try field.string()
        case "quotes": quotes = try field.bool()
        case "header": header = try field.bool()
        case "skip_bad": skipBad = try field.bool()
        case "format":
          guard let found = Kind(rawValue: try field.string()) else {
            throw field.mismatch("one of \(Kind.allCases.map(\.rawValue).joined(separator: ", "))")
          }
          kind = found
        default:
          let known = ["text", "pair", "label", "separator", "quotes", "header", "skip_bad", "format"]
          throw ClozeError(.damaged, "format: unknown option \(key)\(suggestion(for: key, among: known))")
        }
      }
    } catch { throw ClozeError(.invalidArgument, error.message) }
  }
}
