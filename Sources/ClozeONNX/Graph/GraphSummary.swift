/// Facts about a model file and the form of its blocks, which `inspect` prints.
public struct GraphSummary: Sendable {
  public struct Value: Sendable, Equatable {
    public var name: String
    /// "int64", "float32", ...; empty where the file does not state it.
    public var elementType: String
    /// Each a number or the name of a free dimension; empty where the file states none.
    public var shape: [String]
  }

  public struct Form: Sendable, Equatable {
    /// "attention", "layer norm", ...
    public var block: String
    /// The operators of the block: "MatMul, Mul, Add, Softmax, MatMul".
    public var form: String
  }

  public var producer: String
  public var producerVersion: String
  public var irVersion: Int
  /// The version of the default operator set.
  public var opset: Int
  /// Other operator sets of the file, as "domain 1".
  public var otherOpsets: [String]
  public var nodeCount: Int
  public var inputs: [Value]
  public var outputs: [Value]
  public var forms: [Form]
  /// Element types of the weights used, most bytes first.
  public var weightTypes: [String]
  /// Bytes of all tensors in the file, external data included.
  public var tensorBytes: Int
  /// `metadata_props` of the file.
  public var metadata: [(key: String, value: String)] = []
  /// Notes on a model that loads, such as an opset newer than any tested.
  public var warnings: [String]
}
