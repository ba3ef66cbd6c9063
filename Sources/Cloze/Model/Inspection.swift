public import ClozeIO
internal import ClozeONNX
internal import ClozeTokenizer

/// The contents of a model file, read without packing its weights.
public struct Inspection: Sendable, CustomStringConvertible {
  /// The file of the model.
  public let path: String
  /// nil for a valid file that is not a supported BERT; `refusal` then says why.
  public let configuration: BERTConfiguration?
  /// All facts, as one JSON object.
  public let json: String
  /// All facts, as text for people.
  public var description: String { description(speed: nil) }
  /// The precision that a `.cloze` file is prepared for; nil: the file is none.
  package let preparedPrecision: Precision?
  private let rows: [(word: String, text: String)]

  /// Why a valid file was not recognised as a BERT.
  public struct Refusal: Sendable {
    /// One sentence.
    public let message: String
    /// The first node that did not fit, as `op "name"`.
    public let node: String?
    /// Its place in the model, as "layer 3, feed-forward".
    public let place: String?
    /// What the importer expected there.
    public let expected: String?
  }
  /// nil where the file was recognised.
  public let refusal: Refusal?

  /// - Parameter path: as in `Model.init`; nil: the built-in model.
  /// - Throws: `.notFound`, `.io`, `.invalidModel` for a damaged file, `.outOfMemory`.
  public init(path: String? = nil) throws(ClozeError) {
    let files = try ModelFiles(path: path)
    if PreparedFormat.isPrepared(path: files.model) {
      self = try Self.prepared(files.model)
      return
    }
    var settings = try files.settings()
    let result: Result<BERTGraph, ClozeError>
    do throws(ClozeError) { result = .success(try files.graph(settings)) } catch {
      guard error.status == .unsupportedModel else { throw error }
      result = .failure(error)
    }
    switch result {
    case .success(let graph):
      let tokenizer = try files.tokenizer(ofModel: &settings)
      let reason = settings.tokenizerUnsupportedReason
      let missing = reason.map { "not supported: \($0)" } ?? "none beside the file"
      var provenance = ModelProvenance(graph)
      provenance.add(tokenizer)
      try settings.follow(graph)
      let head = HeadDescription(settings, provenance.heads)
      let facts = EmbeddingFacts(graph, settings)
      let lines =
        facts.lines + head.lines + [
          ("tokenizer", tokenizer.map { "found, \($0.modelType)" } ?? missing)
        ]
      self.init(provenance, path: files.model, lines: lines) {
        facts.write(to: &$0)
        head.write(to: &$0)
        $0.value("tokenizer", tokenizer != nil)
        if let tokenizer { $0.value("tokenizer_model", tokenizer.modelType) }
        if let reason { $0.value("tokenizer_unsupported", reason) }
      }
    case .failure(let error):
      self.init(
        Refusal(message: error.reason, node: error.node, place: error.place, expected: error.expected),
        path: files.model)
    }
  }

  private init(_ refusal: Refusal, path: String) {
    self.path = path
    self.refusal = refusal
    configuration = nil
    json = refusal.json(path)
    preparedPrecision = nil
    rows = []
  }

  private init(
    _ provenance: ModelProvenance, path: String, prepared: Precision? = nil, lines: [(String, String)],
    json more: (inout JSONWriter) -> Void
  ) {
    self.path = path
    refusal = nil
    configuration = provenance.configuration
    json = provenance.json(path: path, more)
    preparedPrecision = prepared
    rows = provenance.lines(lines)
  }

  /// All facts, as text for people.
  ///
  /// - Parameter speed: what a machine makes of the model's work, a line below it; a file does not say.
  package func description(speed: String?) -> String {
    if let refusal { return refusal.text(path) }
    var rows = rows
    if let speed, let work = rows.firstIndex(where: { $0.word == "work" }) {
      rows.insert(("speed", speed), at: work + 1)
    }
    let width = rows.map(\.word.count).max() ?? 0
    let lines = rows.map { "  \($0.word)\(String(repeating: " ", count: width - $0.word.count))  \($0.text)" }
    return ([path] + lines).joined(separator: "\n")
  }

  /// The inspection of a `.cloze` file: its provenance, and its own form.
  private static func prepared(_ path: String) throws(ClozeError) -> Inspection {
    var file = try PreparedFile(path: path)
    try file.check(threads: LoadOptions().loadingThreads)
    let configuration = try file.configuration()
    let facts = EmbeddingFacts(configuration)
    let precision = configuration.precision.word
    var settings = configuration.settings
    settings.trainedHead = try file.trainedHead()
    let head = HeadDescription(settings, configuration.heads.words)
    var provenance = try file.provenance()
    provenance.memory = [(precision, file.weightBytes)]
    let tokenizer = try file.tokenizer()
    let hasTokenizer = tokenizer != nil
    provenance.add(tokenizer)
    let version = Int(PreparedFormat.version)
    return Inspection(
      provenance, path: path, prepared: configuration.precision,
      lines: facts.lines + head.lines + [
        ("tokenizer", tokenizer.map { "inside, \($0.modelType)" } ?? "none"),
        (
          "prepared",
          "for \(precision), format version \(version), layout \(file.layout), "
            + "\(file.names.count) sections, \(ModelProvenance.megabytes(file.size))"
        ),
      ]
    ) {
      facts.write(to: &$0)
      head.write(to: &$0)
      $0.value("tokenizer", hasTokenizer)
      if let tokenizer { $0.value("tokenizer_model", tokenizer.modelType) }
      $0.object("prepared") {
        $0.value("precision", precision)
        $0.value("version", version)
        $0.value("layout", Int(file.layout))
        $0.value("sections", file.names.count)
        $0.value("bytes", file.size)
      }
    }
  }
}

/// The two forms of a refusal.
extension Inspection.Refusal {
  func json(_ path: String) -> String {
    var writer = JSONWriter()
    writer.object {
      $0.value("path", path)
      $0.object("refused") {
        $0.value("node", node)
        $0.value("place", place)
        $0.value("expected", expected)
        $0.value("message", message)
      }
    }
    return writer.text
  }

  func text(_ path: String) -> String {
    var lines = ["\(path): not a supported BERT", "  why       \(message)"]
    if let place { lines.append("  place     \(place)") }
    if let node { lines.append("  node      \(node)") }
    if let expected { lines.append("  expected  \(expected)") }
    return lines.joined(separator: "\n")
  }
}

/// What `predict` makes of the head in a model's file, for inspection.
private struct HeadDescription {
  let task: Head.Task?
  let labels: [String]
  private let reason: String?

  init(_ settings: ModelSettings, _ heads: [String]) {
    if let head = settings.trainedHead {
      (task, labels, reason) = (head.task, head.labels, nil)
      return
    }
    let outputs: [(word: String, output: OutputHead, count: Int)] = [
      ("classes", .classes, settings.labels.count), ("tags", .tags, settings.labels.count), ("answer", .answer, 2),
    ]
    let found = outputs.first { heads.contains($0.word) }
    task = found.flatMap { settings.head.task(of: $0.output, outputs: $0.count) }
    reason = found.flatMap { settings.head.unsupportedReason(classes: $0.count) }
    labels = settings.labels
  }

  func write(to object: inout JSONWriter) {
    object.value("task", task?.rawValue)
    object.array("labels", labels)
  }

  /// Empty without a head that predicts.
  var lines: [(String, String)] {
    var lines: [(String, String)] = []
    if let text = task?.rawValue ?? reason.map({ "none: \($0)" }) { lines.append(("task", text)) }
    let most = 12
    if !labels.isEmpty {
      let more = labels.count > most ? ", ... \(labels.count) in all" : ""
      lines.append(("labels", labels.prefix(most).joined(separator: ", ") + more))
    }
    return lines
  }
}
