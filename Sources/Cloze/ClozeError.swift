/// Why a call failed, and a sentence that names the cause.
public struct ClozeError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kinds of failure; raw values are those of `cloze_status`.
  public enum Status: Int32, Sendable {
    case invalidArgument = 1
    case notFound
    case io
    case invalidModel
    case unsupportedModel
    case invalidText
    case tooLong
    case noTokenizer
    case noHead
    case bufferTooSmall
    case unsupportedISA
    case cancelled
    case busy
    case outOfMemory
    case `internal`
  }

  public let status: Status
  public let message: String

  public init(_ status: Status, _ message: String) {
    self.status = status
    self.message = message
  }

  public var description: String { message }
}
