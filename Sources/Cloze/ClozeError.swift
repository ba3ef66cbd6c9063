/// Why a call failed, and a sentence that names the cause.
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
    /// A sound file that holds no BERT that is understood.
    case unsupportedModel
    /// Not UTF-8, or lacking what the call needs, such as a `[MASK]`.
    case invalidText
    /// More tokens than the model or the call's limit takes.
    case tooLong
    /// The model came without one, and none was given.
    case noTokenizer
    /// The model lacks the head that the output needs.
    case noHead
    /// The message says how many elements are needed.
    case bufferTooSmall
    /// An instruction set was forced that this CPU lacks, or that is not known.
    case unsupportedISA
    /// `Session.cancel` was called.
    case cancelled
    /// Another call is running on the session.
    case busy
    /// Memory, or threads, could not be had.
    case outOfMemory
    /// A fault of the library; please report it.
    case `internal`
  }

  /// The kind of failure.
  public let status: Status
  /// One sentence that names the thing and what is wrong with it, without a full stop.
  public let message: String

  /// An error of a kind, with its sentence.
  public init(_ status: Status, _ message: String) {
    self.status = status
    self.message = message
  }

  /// The message.
  public var description: String { message }
}
