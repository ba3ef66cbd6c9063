/// Why a call failed: a status, and a sentence that names the culprit.
///
/// The one error type of the library: every module throws it, and `cloze_status` and
/// `cloze_last_error` are its status and message.
public struct ClozeError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kinds of failure; raw values are those of `cloze_status`.
  public enum Status: Int32, Sendable {
    /// A value out of range.
    case invalidArgument = 1
    /// No such file, or a folder without a model.
    case notFound
    /// Reading or writing a file failed.
    case io
    /// A damaged file, shapes that contradict each other, NaN or infinite weights.
    case invalidModel
    /// A valid file whose graph is not a BERT that this library recognises.
    case unsupportedModel
    /// Not UTF-8, or lacking what the call needs, such as a `[MASK]`.
    case invalidText
    /// More tokens than the model or the call's limit takes.
    case tooLong
    /// The model has no tokenizer, and none was given.
    case noTokenizer
    /// The model lacks the head that the output needs.
    case noHead
    /// The message says how many elements are needed.
    case bufferTooSmall
    /// An instruction set was forced that is unknown or that this CPU lacks.
    case unsupportedISA
    /// `Session.cancel` was called.
    case cancelled
    /// Another call is running on the session.
    case busy
    /// Memory or threads could not be allocated.
    case outOfMemory
    /// A fault of the library; please report it.
    case `internal`

    /// As `cloze_status_name` has it.
    package var name: StaticString {
      switch self {
      case .invalidArgument: "invalid_argument"
      case .notFound: "not_found"
      case .io: "io"
      case .invalidModel: "invalid_model"
      case .unsupportedModel: "unsupported_model"
      case .invalidText: "invalid_text"
      case .tooLong: "too_long"
      case .noTokenizer: "no_tokenizer"
      case .noHead: "no_head"
      case .bufferTooSmall: "buffer_too_small"
      case .unsupportedISA: "unsupported_isa"
      case .cancelled: "cancelled"
      case .busy: "busy"
      case .outOfMemory: "out_of_memory"
      case .internal: "internal"
      }
    }
  }

  /// What is wrong with a file, where that is finer than the status.
  public enum Cause: Hashable, Sendable {
    /// The bytes are not of the format: truncated, random, or contradicting themselves.
    case damaged
    /// Two tensors, or a tensor and the graph, disagree about a size.
    case shape
    /// A file of external data is refused: it lies outside the model's folder or is too short.
    case externalData
    /// A weight is NaN or infinite.
    case notFinite
    /// The vocabulary lacks a token that it must have.
    case missingToken
    /// A valid tokenizer file that asks for something this tokenizer does not do.
    case unsupportedTokenizer
    /// A valid model file that is not a BERT this library recognises.
    case unsupported

    var status: Status { self == .unsupported ? .unsupportedModel : .invalidModel }
  }

  /// The kind of failure.
  public let status: Status
  /// What is wrong with a file; nil where the status says it all.
  public let cause: Cause?
  /// The sentence without the place in a graph.
  package var reason: String
  /// Where a graph was refused. A reference, as it would make every error of the library three times as large.
  private var refusal: Refusal?

  private final class Refusal: Hashable, Sendable {
    let node: String?
    let place: String?
    let expected: String?

    init(node: String?, place: String?, expected: String?) {
      self.node = node
      self.place = place
      self.expected = expected
    }

    static func == (a: Refusal, b: Refusal) -> Bool {
      a.node == b.node && a.place == b.place && a.expected == b.expected
    }

    func hash(into hasher: inout Hasher) {
      hasher.combine(node)
      hasher.combine(place)
    }
  }

  /// Of a refused graph: the first node that did not fit, as `op "name"`.
  public var node: String? { refusal?.node }
  /// Of a refused graph: where in the model that node is: "layer 3, feed-forward".
  public var place: String? { refusal?.place }
  /// Of a refused graph: what would have been recognised there.
  public var expected: String? { refusal?.expected }

  /// An error of a kind, with one sentence that names the culprit, without a full stop.
  public init(_ status: Status, _ reason: String) {
    self.status = status
    cause = nil
    self.reason = reason
  }

  /// An error about the content of a file.
  package init(_ cause: Cause, _ reason: String, node: String? = nil, place: String? = nil, expected: String? = nil) {
    status = cause.status
    self.cause = cause
    self.reason = reason
    if node != nil || place != nil || expected != nil {
      refusal = Refusal(node: node, place: place, expected: expected)
    }
  }

  /// One sentence that names the culprit; of a refused graph
  /// `place: sentence (at node; expected ...)`, leaving out what is not known. Control characters of what it quotes are
  /// written out.
  public var message: String {
    let details = [node.map { "at \($0)" }, expected.map { "expected \($0)" }].compactMap { $0 }
    let whole =
      (place.map { $0 + ": " } ?? "") + reason
      + (details.isEmpty ? "" : " (" + details.joined(separator: "; ") + ")")
    return whole.printable
  }

  /// The message.
  public var description: String { message }

  /// The same error with its sentence put behind a prefix, such as the file that it was met in.
  package func prefixed(_ prefix: String) -> ClozeError {
    var error = self
    error.reason = prefix + error.reason
    return error
  }
}
