/// A head's prediction for one input.
public struct Prediction: Sendable {
  /// A part of the text with its label.
  public struct Span: Hashable, Sendable {
    /// The first byte of its text, and the one after its last; of an answer, of the passage.
    public var begin: Int
    /// The byte after its last.
    public var end: Int
    /// The entity's type, or the answer's text.
    public var text: String
    /// From 0 to 1: the lowest of its words'; of an answer, the product of those that its first and last token
    /// begin and end it, among `[CLS]` and all tokens of the passage in its window.
    public var probability: Float
  }

  /// The most probable label; nil for tasks without, and for `multilabel`.
  public var label: String?
  /// One for each of the head's labels, in their order; with `nsp` and classes they add up to 1. Of a number that
  /// is a sigmoid, that number.
  public var probabilities: [Float] = []
  /// `multilabel`: all labels of 0.5 or more.
  public var labels: [String] = []
  /// Regression: the number, the first where a model's file brings several.
  public var value: Float? { values.first }
  /// Regression: all numbers, in the order of the labels.
  public var values: [Float] = []
  /// `tag`: each word, as the tokenizer separates them, with its bytes and tag.
  public var tags: [Span] = []
  /// `tag`: entities, from the words' tags.
  public var entities: [Span] = []
  /// `answer`: nil where the passage holds none.
  public var answer: Span?
  /// Whether the input was truncated.
  public var truncated = false
}
