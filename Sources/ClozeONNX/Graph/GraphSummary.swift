/// What a model file is and how its parts were written: the facts that `inspect` prints.
public struct GraphSummary: Sendable {
  public struct Value: Sendable, Equatable {
    public var name: String
    /// "int64", "float32", ...; empty where the file does not say.
    public var elementType: String
    /// Each a number or the name of a free dimension; empty where the file does not say.
    public var shape: [String]
  }

  public struct Form: Sendable, Equatable {
    /// "attention", "layer norm", ...
    public var block: String
    /// The operators it was written with: "MatMul, Mul, Add, Softmax, MatMul".
    public var form: String
  }

  public var producer: String
  public var producerVersion: String
  public var irVersion: Int
  /// Of the default operator set.
  public var opset: Int
  /// Other operator sets that the file names, "domain 1".
  public var otherOpsets: [String]
  public var nodeCount: Int
  public var inputs: [Value]
  public var outputs: [Value]
  public var forms: [Form]
  /// Element types of the weights used, most bytes first.
  public var weightTypes: [String]
  /// Bytes of all tensors in the file, external data included.
  public var tensorBytes: Int
  /// What deserves a word although the model loads: an opset newer than any tested, say.
  public var warnings: [String]
}
