internal import ClozeIO

/// What a model's files say about the head that they bring: the names of its outputs and what becomes of these, in
/// the words of a `config.json`.
struct HeadSettings: Hashable {
  /// How classes are trained.
  enum ProblemType: String {
    case singleLabel = "single_label_classification"
    case multiLabel = "multi_label_classification"
    case regression
  }

  /// What sentence-transformers puts the number of a cross-encoder through.
  enum Function: String {
    case identity = "Identity"
    case sigmoid = "Sigmoid"
  }

  /// `id2label`, by index; it may have holes.
  var names: [Int: String] = [:]
  /// `problem_type`, as it is written.
  private(set) var problemType: String?
  /// `sentence_transformers.activation_fn`, before version 4 `sbert_ce_default_activation_function`, as it is written.
  private(set) var function: String?

  init() {}

  /// What `predict` makes of a head's outputs; nil where it makes nothing.
  func task(of output: OutputHead, outputs: Int) -> Head.Task? {
    switch output {
    case .pooler, .maskedLM, .nextSentence: return nil
    case .tags: return .tag
    case .answer: return .answer
    case .classes:
      if unsupportedReason(classes: outputs) != nil { return nil }
      switch knownType {
      case .multiLabel: return .multilabel
      case .regression: return .regress
      case .singleLabel, nil: return outputs == 1 ? .regress : .classify
      }
    }
  }

  /// Why nothing is predicted with so many classes; nil where it is.
  func unsupportedReason(classes: Int) -> String? {
    if let problemType, knownType == nil { return "problem_type \"\(problemType)\" is not supported" }
    // The function of more than one output is that of the problem, as in the pipelines of transformers.
    guard classes == 1, let function, knownFunction == nil else { return nil }
    return "activation_fn \"\(function)\" is not supported"
  }

  /// Whether the number of a head with one output goes through the sigmoid.
  ///
  /// As sentence-transformers has it, and the pipelines of transformers: unless a function is named, or the problem
  /// is regression.
  var hasSigmoid: Bool { (knownFunction ?? (knownType == .regression ? .identity : .sigmoid)) == .sigmoid }

  /// The names of all outputs: `LABEL_i`, as transformers has it, where the files give none.
  func labels(_ count: Int) -> [String] { (0..<count).map { names[$0] ?? "LABEL_\($0)" } }

  private var knownType: ProblemType? { problemType.flatMap { ProblemType(rawValue: $0) } }

  /// The class is written with its module, which has changed: `torch.nn.modules.linear.Identity`.
  private var knownFunction: Function? {
    function?.split(separator: ".").last.flatMap { Function(rawValue: String($0)) }
  }
}

/// Reading what files say.
extension HeadSettings {
  /// Of a config.json.
  init(_ root: JSONField) throws(ClozeError) {
    if let field = try root.present("id2label") { try take(names: field) }
    problemType = try root.present("problem_type")?.string()
    var field = try root.present("sentence_transformers")?.present("activation_fn")
    if field == nil { field = try root.present("sbert_ce_default_activation_function") }
    function = try field?.string()
  }

  /// Of the metadata that Cloze writes into ONNX files; nil where it is another's, or of no head.
  init?(metadata: [(key: String, value: String)], producer: String) throws(ClozeError) {
    func value(_ key: String) -> String? { metadata.first { $0.key == key }?.value }
    let names = value("id2label")
    problemType = value("problem_type")
    function = value("activation_fn")
    guard producer == "cloze", names != nil || problemType != nil || function != nil else { return nil }
    if let names { try take(names: JSONField(parsing: Array(names.utf8), name: "id2label")) }
  }

  /// Of the configuration of a prepared model, whose labels are complete.
  init(prepared root: JSONField, labels: [String]) throws(ClozeError) {
    take(labels)
    problemType = try root.present("problem_type")?.string()
    function = try root.present("activation_fn")?.string()
  }

  /// What a trained head would be where a model's file brought it.
  init(trained head: Head) {
    take(head.labels)
    let type: ProblemType? =
      switch head.task {
      case .classify, .classifyPairs: .singleLabel
      case .multilabel: .multiLabel
      case .regress, .regressPairs: .regression
      case .tag, .answer, .mlm, .nsp: nil
      }
    problemType = type?.rawValue
  }

  private mutating func take(_ labels: [String]) { for (i, label) in labels.enumerated() { names[i] = label } }

  private mutating func take(names field: JSONField) throws(ClozeError) {
    for (key, value) in try field.members() {
      if case .null = value.value { continue }
      if let index = Int(key) { names[index] = try value.scalar() }
    }
  }
}

/// Writing them.
extension HeadSettings {
  /// Keys and values for a prepared model and for the metadata of an ONNX file; labels are written beside them.
  var entries: [(key: String, value: String)] {
    [("problem_type", problemType), ("activation_fn", function)].compactMap { key, value in value.map { (key, $0) } }
  }
}
