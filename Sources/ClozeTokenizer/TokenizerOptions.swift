/// What a caller decides instead of the tokenizer's files; nil: as they say.
public struct TokenizerOptions: Hashable, Sendable {
  /// Whether text is lower-cased. BERT's default is true.
  public var lowercase: Bool?
  /// Whether accents are removed. BERT's default follows `lowercase`.
  public var stripAccents: Bool?
  /// Whether special tokens in a text, such as "[MASK]", are text like any other. The default is false, as in
  /// `tokenizers`: whoever writes the text may then write a special token.
  public var splitSpecialTokens: Bool?

  public init(lowercase: Bool? = nil, stripAccents: Bool? = nil, splitSpecialTokens: Bool? = nil) {
    self.lowercase = lowercase
    self.stripAccents = stripAccents
    self.splitSpecialTokens = splitSpecialTokens
  }
}
