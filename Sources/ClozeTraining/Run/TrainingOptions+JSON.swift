internal import Cloze
public import ClozeIO

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

  private mutating func set(_ key: String, _ field: JSONField) throws(ClozeError) {
    func choice<T: RawRepresentable & CaseIterable>(_ type: T.Type) throws(ClozeError) -> T
    where T.RawValue == String {
      let text = try field.string()
      guard let value = T(rawValue: text) else {
        throw field.mismatch("one of \(T.allCases.map(\.rawValue).joined(separator: ", "))")
      }
      return value
    }
    func whole() throws(ClozeError) -> Int { try field.integer() }
    switch key {
    case "pooling":
      let names: [(String, Pooling)] = [
        ("mean", .mean), ("cls", .cls), ("max", .max), ("mean_sqrt_len", .meanSqrtLen),
        ("pooler", .pooler),
      ]
      let text = try field.string()
      guard let found = names.first(where: { $0.0 == text }) else {
        throw field.mismatch("one of \(names.map(\.0).joined(separator: ", "))")
      }
      pooling = found.1
    case "layers": layers = try choice(Layers.self)
    case "hidden":
      hidden = []
      for size in try field.isArray ? field.elements() : [field] {
        hidden.append(try size.integer())
      }
    case "activation": activation = try choice(Activation.self)
    case "dropout": dropout = try field.number()
    case "optimizer": optimizer = try choice(Optimizer.self)
    case "epochs": epochs = try whole()
    case "batch_size": batchSize = try whole()
    case "accumulate": accumulation = try whole()
    case "learning_rate": learningRate = try field.number()
    case "schedule": schedule = try choice(Schedule.self)
    case "warmup": warmup = try field.number()
    case "weight_decay": weightDecay = try field.number()
    case "l2": l2 = try field.number()
    case "clip": clip = try field.number()
    case "label_smoothing": labelSmoothing = try field.number()
    case "class_weight":
      for (label, weight) in try field.members() {
        classWeights[label] = Float(try weight.number())
      }
    case "balanced": balanced = try field.bool()
    case "patience": patience = try whole()
    case "metric": metric = try field.string()
    case "seed":
      let value = try whole()
      guard value >= 0 else { throw field.mismatch("0 or more") }
      seed = UInt64(value)
    case "holdout": holdout = try field.number()
    case "max_tokens": maxTokens = try whole()
    case "stride": stride = try whole()
    case "unfreeze":
      if let word = try? field.string() {
        guard word == "all" else { throw field.mismatch("a number, or all") }
        unfreeze = .max
      } else {
        unfreeze = try whole()
      }
    case "untied": tied = !(try field.bool())
    case "threads": threads = try whole()
    case "memory_limit":
      let megabytes = try whole()
      guard megabytes >= 0, megabytes < 1 << 40 else { throw field.mismatch("0 or more") }
      memoryLimit = megabytes << 20
    case "output": folder = try field.string()
    case "resume": resume = try field.bool()
    default: throw ClozeError(.damaged, "options: no option is called \(key)")
    }
  }
}

extension DataFormat {
  /// A format of a JSON object whose keys are the command line's with _ for -.
  public init(json: String) throws(ClozeError) {
    self.init()
    do throws(ClozeError) {
      let root = try JSONField(parsing: Array(json.utf8), name: "format")
      for (key, field) in try root.members() {
        func wanted() throws(ClozeError) -> DataField {
          guard let found = DataField(try field.scalar()) else {
            throw field.mismatch("a name, or a number from 1")
          }
          return found
        }
        switch key {
        case "text": text = try wanted()
        case "pair": pair = try wanted()
        case "label": label = try wanted()
        case "separator": separator = try field.string()
        case "quotes": quotes = try field.bool()
        case "header": header = try field.bool()
        case "skip_bad": skipBad = try field.bool()
        case "format":
          guard let found = Kind(rawValue: try field.string()) else {
            throw field.mismatch("one of \(Kind.allCases.map(\.rawValue).joined(separator: ", "))")
          }
          kind = found
        default: throw ClozeError(.damaged, "format: no option is called \(key)")
        }
      }
    } catch { throw ClozeError(.invalidArgument, error.message) }
  }
}
