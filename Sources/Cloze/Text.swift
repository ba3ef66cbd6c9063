/// A text, or a pair of texts that BERT reads as `[CLS] first [SEP] second [SEP]`.
public struct Text: Hashable, Sendable, ExpressibleByStringLiteral {
  public var first: String
  public var second: String?

  public init(_ first: String, _ second: String? = nil) {
    self.first = first
    self.second = second
  }

  public init(stringLiteral value: String) { self.init(value) }
}
