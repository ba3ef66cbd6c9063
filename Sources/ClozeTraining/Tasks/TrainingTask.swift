internal import Cloze
internal import ClozeIO

/// What training knows of a task: what its examples are read from, the tokens and targets they become, the head that is
/// trained and how predictions are judged.
///
/// A new task is a type in a file of its own that conforms, and its case in `Head.Task.training`.
protocol TrainingTask: Sendable {
  var task: Head.Task { get }

  // MARK: Reading

  /// The kinds of file that hold its examples, first the one that is assumed where a file's name does not tell.
  var formats: [DataFormat.Kind] { get }
  /// The key of the label in JSON, and its name in the header of a table.
  var labelKey: String { get }
  /// The example in a row of a table.
  func content(_ text: Text, label: String) throws(ClozeError) -> Example.Content
  /// The example in a line of JSON.
  func content(_ line: JSONField, _ format: DataFormat) throws(ClozeError) -> Example.Content

  // MARK: Preparing

  /// Whether the head reads the vectors of tokens, not one pooled vector of a text.
  var readsTokens: Bool { get }
  /// Whether a long text is split into windows, not cut.
  var splitsTexts: Bool { get }
  /// The pooling that it needs; nil: any.
  var pooling: Pooling? { get }
  /// The examples that are trained on, made of those that were read.
  func examples(_ dataset: Dataset, seed: UInt64) throws(ClozeError) -> Dataset
  /// The names of the head's outputs; empty where they have none.
  func labels(of dataset: Dataset) throws(ClozeError) -> [String]
  /// Adds an example's tokens and targets.
  ///
  /// - Parameter index: of the example in its data set.
  func append(_ content: Example.Content, _ index: Int, to data: inout TokenizedDataset, _ preparation: Preparation)
    throws(ClozeError)
  /// What masks other tokens in every epoch; nil: epochs are the same.
  func masking(_ model: Model) throws(ClozeError) -> Masking?

  // MARK: Training

  /// Whether a target is one class, so that classes can be weighted.
  var hasClasses: Bool { get }
  /// Whether targets are probabilities that label smoothing can change.
  var allowsSmoothing: Bool { get }
  /// Whether it trains a head that the model has of its own.
  var isPretraining: Bool { get }
  /// Refuses options that would do nothing.
  func check(_ options: TrainingOptions) throws(ClozeError)
  /// The head with its initial weights.
  ///
  /// - Parameter input: the embeddings, where they are trained.
  func network(_ setup: TrainingSetup, labels: [String], input: EncoderInput<Float>?) throws(ClozeError) -> Network<
    Float
  >
  /// The number of the head's outputs.
  func outputs(labels: [String]) -> Int

  // MARK: Judging

  /// Names of its metrics beside the loss, which all have; the first decides which epoch is the best.
  var metrics: [String] { get }
  /// The metrics but for the loss, and what a report shows beside them.
  func evaluate(_ predictions: Predictions) -> TaskScores
  /// Precision, recall and F1 of each label; empty where there are none.
  ///
  /// - Parameter confusion: [C, C] true class by predicted class, or empty.
  func classScores(_ predictions: Predictions, confusion: [[Int]]) -> [ClassScore]
  /// The same of each type of entity; empty where there are none.
  func entityScores(_ predictions: Predictions) -> [ClassScore]
  /// The best prediction that reads no text, and its metrics on the same examples; nil where there is none.
  func baseline(_ predictions: Predictions, _ prior: Prior) -> (rule: Baseline.Rule, metrics: Metrics)?
  /// Predictions that are wrong, in any order.
  func mistakes(_ predictions: Predictions) -> [WrongPrediction]
  /// What `WrongPrediction.loss` is, in a table's header.
  var mistakeMeasure: String { get }
}

/// A prediction that is wrong.
struct WrongPrediction {
  var example: Int
  var truth: String
  var predicted: String
  /// The larger, the worse.
  var loss: Double
}

extension Head.Task {
  /// The task as it is trained.
  var training: any TrainingTask {
    switch self {
    case .classify, .classifyPairs: Classification(task: self)
    case .multilabel: Multilabel()
    case .regress, .regressPairs: Regression(task: self)
    case .tag: Tagging()
    case .answer: Answering()
    case .mlm: MaskedLM()
    case .nsp: NextSentence()
    }
  }
}

/// What holds for most tasks.
extension TrainingTask {
  var formats: [DataFormat.Kind] { [.tsv, .csv, .jsonl, .json] }
  var labelKey: String { "label" }
  var readsTokens: Bool { false }
  var splitsTexts: Bool { false }
  var pooling: Pooling? { nil }
  var hasClasses: Bool { false }
  var allowsSmoothing: Bool { hasClasses }
  var isPretraining: Bool { false }
  var mistakeMeasure: String { "loss" }

  func classScores(_ predictions: Predictions, confusion: [[Int]]) -> [ClassScore] {
    ClassScore.classes(predictions.labels, confusion)
  }

  func entityScores(_ predictions: Predictions) -> [ClassScore] { [] }

  func content(_ text: Text, label: String) throws(ClozeError) -> Example.Content {
    .text(text, label: label)
  }

  func content(_ line: JSONField, _ format: DataFormat) throws(ClozeError) -> Example.Content {
    try content(text(line, format), label: line.wanted(format.label, labelKey, "--label").scalar())
  }

  /// The text or pair of a line of JSON.
  func text(_ line: JSONField, _ format: DataFormat) throws(ClozeError) -> Text {
    let first = try line.wanted(format.text, "text", "--text").string()
    return Text(first, task.takesPairs ? try line.wanted(format.pair, "pair", "--pair").string() : nil)
  }

  func examples(_ dataset: Dataset, seed: UInt64) throws(ClozeError) -> Dataset { dataset }
  func labels(of dataset: Dataset) throws(ClozeError) -> [String] { [] }
  func masking(_ model: Model) throws(ClozeError) -> Masking? { nil }

  func check(_ options: TrainingOptions) throws(ClozeError) {
    if !options.tied { throw ClozeError(.invalidArgument, "only mlm has a decoder that can be untied") }
    try checkTargets(options)
  }

  /// Refuses options that go with other heads and targets.
  func checkTargets(_ options: TrainingOptions) throws(ClozeError) {
    func fail(_ reason: String) -> ClozeError { ClozeError(.invalidArgument, reason) }
    if !options.hidden.isEmpty, isPretraining {
      throw fail("hidden layers are not for \(task.rawValue), whose head has the model's own")
    }
    if options.balanced || !options.classWeights.isEmpty, !hasClasses {
      throw fail("class weights are not for \(task.rawValue): an example has no single class")
    }
    if options.labelSmoothing > 0, !allowsSmoothing { throw fail("label smoothing is not for \(task.rawValue)") }
  }

  func network(_ setup: TrainingSetup, labels: [String], input: EncoderInput<Float>?) throws(ClozeError) -> Network<
    Float
  > {
    var (layers, inputs): ([DenseLayer], Int) = ([], setup.headInputs)
    for size in setup.options.hidden {
      layers.append(DenseLayer(inputs: inputs, outputs: size, activation: setup.options.activation))
      inputs = size
    }
    layers.append(DenseLayer(inputs: inputs, outputs: outputs(labels: labels)))
    let network = try Network<Float>(layers, setup.arithmetic)
    network.initialize(seed: setup.options.seed)
    return network
  }

  func outputs(labels: [String]) -> Int { labels.count }

  /// The sentences in a line of JSON.
  func document(_ line: JSONField, _ format: DataFormat) throws(ClozeError) -> Example.Content {
    let field = try line.wanted(format.text, "text", "--text")
    return .document(try field.isArray ? field.scalars() : [field.string()])
  }

  /// The error for an example of another task.
  func mismatch() -> ClozeError { ClozeError(.invalidText, "not an example of the task \(task.rawValue)") }
}

extension JSONField {
  /// The field of an example: that which is asked for, else the one with the task's own key.
  ///
  /// - Throws: `.damaged` where it is missing or null, with the option that chooses another and the keys there are.
  func wanted(_ field: DataField?, _ standard: String, _ option: String) throws(ClozeError) -> JSONField {
    if let found = try self.field(field ?? .name(standard)) {
      if case .null = found.value { throw found.mismatch("a value") }
      return found
    }
    let keys = if case .object = value { try members().map { "\"\($0.name)\"" }.joined(separator: ", ") } else { "" }
    let advice = field == nil ? " (\(option) names another)" : ""
    throw ClozeError(
      .damaged, "\(path) no field \(field ?? .name(standard))\(keys.isEmpty ? "" : "; there are \(keys)")\(advice)")
  }
}
