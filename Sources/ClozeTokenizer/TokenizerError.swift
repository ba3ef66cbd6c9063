/// Why a tokenizer could not be made, or a text not be encoded.
public struct TokenizerError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What kind of thing went wrong, for callers that act on it.
  public enum Kind: Sendable {
    /// A file or folder that is not there.
    case notFound
    /// A file that could not be read.
    case io
    /// A file whose content is broken.
    case invalidFile
    /// A file that is in order, but asks for something this tokenizer does not do.
    case unsupported
    /// A text that is not UTF-8.
    case invalidText
    /// A text that does not fit into the tokens allowed, or is longer than 2^31 - 1 bytes.
    case tooLong
    /// A token that the vocabulary must have and has not.
    case noToken
  }

  public var kind: Kind
  /// One sentence that names the thing and its place, without a full stop.
  public var message: String

  public init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }

  public var description: String { message }
}
