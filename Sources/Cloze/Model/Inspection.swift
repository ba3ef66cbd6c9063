public import ClozeIO
internal import ClozeONNX
internal import ClozeTokenizer

/// What a model file holds, found without preparing it for use.
public struct Inspection: Sendable, CustomStringConvertible {
  /// The file of the model.
  public let path: String
  /// nil for a valid file that is not a BERT; `refusal` then says why.
  public let configuration: BERTConfiguration?
  /// Everything known, as one JSON object.
  public let json: String
  /// Everything known, for people.
  public let description: String

  /// Why a sound file was not taken for a BERT.
  public struct Refusal: Sendable {
    /// One sentence.
    public let message: String
    /// The first node that did not fit, as `op "name"`.
    public let node: String?
    /// Where in the model it stands.
    public let place: String?
    /// What would have been understood there.
    public let expected: String?
  }
  /// nil where it is a BERT.
  public let refusal: Refusal?

  /// - Parameter path: as in `Model.init`; nil: the built-in model.
  /// - Throws: where the file cannot be read, or is damaged.
  public init(path: String? = nil) throws(ClozeError) {
    let files = try ModelFiles(path: path)
    if PreparedFormat.isPrepared(path: files.model) {
      self = try Self.prepared(files.model)
      return
    }
    var settings = try files.settings()
    let result: Result<BERTGraph, ClozeError>
    do throws(ClozeError) {
      result = .success(try files.graph(settings))
    } catch {
      guard error.status == .unsupportedModel else { throw error }
      result = .failure(error)
    }
    switch result {
    case .success(let graph):
      let hasTokenizer = try files.tokenizer(ofModel: &settings) != nil
      let missing = settings.tokenizerObstacle.map { "not read: \($0)" } ?? "none beside the file"
      self.init(
        ModelFacts(graph), path: files.model, lines: [("tokenizer", hasTokenizer ? "found" : missing)]
      ) { $0.value("tokenizer", hasTokenizer) }
    case .failure(let error):
      self.init(
        Refusal(
          message: error.reason, node: error.node, place: error.place, expected: error.expected),
        path: files.model)
    }
  }

  private init(_ refusal: Refusal, path: String) {
    self.path = path
    self.refusal = refusal
    configuration = nil
    json = refusal.json(path)
    description = refusal.text(path)
  }

  private init(
    _ facts: ModelFacts, path: String, lines: [(String, String)],
    json more: (inout JSONWriter) -> Void
  ) {
    self.path = path
    refusal = nil
    configuration = facts.configuration
    json = facts.json(path: path, more)
    let rows = facts.lines(lines)
    let width = rows.map(\.0.count).max() ?? 0
    description =
      ([path]
      + rows.map { "  \($0)\(String(repeating: " ", count: width - $0.count))  \($1)" }).joined(
        separator: "\n")
  }

  /// Of a prepared model: what it remembers, and what it is itself.
  private static func prepared(_ path: String) throws(ClozeError) -> Inspection {
    var file = try PreparedFile(path: path)
    try file.check(threads: LoadOptions().loadingThreads)
    let precision = try file.configuration().precision.word
    var facts = try file.provenance()
    facts.memory = [(precision, file.weightBytes)]
    let hasTokenizer = file.contains(TokenizerSection.settings)
    let version = Int(PreparedFormat.version)
    return Inspection(
      facts, path: path,
      lines: [
        ("tokenizer", hasTokenizer ? "inside" : "none"),
        (
          "prepared",
          "for \(precision), format version \(version), layout \(file.layout), "
            + "\(file.names.count) sections, \(ModelFacts.megabytes(file.size))"
        ),
      ]
    ) {
      $0.value("tokenizer", hasTokenizer)
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
    var lines = ["\(path): no BERT that is understood", "  why       \(message)"]
    if let place { lines.append("  place     \(place)") }
    if let node { lines.append("  node      \(node)") }
    if let expected { lines.append("  expected  \(expected)") }
    return lines.joined(separator: "\n")
  }
}
