/// Why an ONNX file could not be used: the cause, and where in the graph it was met.
public struct ONNXError: Error, Sendable, CustomStringConvertible {
  public enum Kind: Sendable, Equatable {
    /// No such file.
    case notFound
    /// The operating system refused to open or read a file.
    case io
    /// The bytes are no ONNX model: cut short, random, or contradicting themselves.
    case damaged
    /// A valid ONNX model, but no BERT that this module understands.
    case unsupported
    /// Two tensors, or a tensor and the graph, disagree about a size.
    case shape
    /// A file of external data is refused: it lies outside the model's folder or is too short.
    case externalData
    /// A weight is NaN or infinite.
    case notFinite
    /// Memory for the file could not be had.
    case outOfMemory
  }

  public var kind: Kind
  /// One sentence that names the thing that was wrong.
  public var message: String
  /// The first node that did not fit, as `op "name"`.
  public var node: String?
  /// Where in the model that node stands: "layer 3, feed-forward".
  public var place: String?
  /// What would have been understood there.
  public var expected: String?

  public init(
    _ kind: Kind, _ message: String, node: String? = nil, place: String? = nil,
    expected: String? = nil
  ) {
    self.kind = kind
    self.message = message
    self.node = node
    self.place = place
    self.expected = expected
  }

  /// `place: message (at node; expected ...)`, leaving out what is not known.
  public var description: String {
    var text = ""
    if let place { text += place + ": " }
    text += message
    var details: [String] = []
    if let node { details.append("at \(node)") }
    if let expected { details.append("expected \(expected)") }
    if !details.isEmpty { text += " (" + details.joined(separator: "; ") + ")" }
    return text
  }
}
