/// A text, or a pair of texts that BERT reads as `[CLS] first [SEP] second [SEP]`.
public struct Text: Hashable, Sendable, ExpressibleByStringLiteral {
  /// The text, or the first of a pair.
  public var first: String
  /// The second of a pair.
  public var second: String?

  /// A text, or a pair where there is a second.
  public init(_ first: String, _ second: String? = nil) {
    self.first = first
    self.second = second
  }

  /// A text.
  public init(stringLiteral value: String) { self.init(value) }
}
