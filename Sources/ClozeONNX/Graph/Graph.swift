/// A graph of operators: nodes in topological order, values by number, and the producer and uses of each value.
struct Graph: Sendable {
  typealias ValueID = Int
  typealias NodeID = Int

  struct Node: Sendable {
    var name: String
    var op: String
    /// "" for the default operator set ("ai.onnx" is the same).
    var domain: String
    /// nil: an omitted optional input.
    var inputs: [ValueID?]
    var outputs: [ValueID?]
    var attributes: [(name: String, value: Attribute)]
    /// The operator of the file that this node is a part of; nil where it was not lowered.
    var origin: String?
    /// Why it could not be lowered.
    var remark: String?

    func attribute(_ name: String) -> Attribute? {
      for attribute in attributes where attribute.name == name { return attribute.value }
      return nil
    }
    func int(_ name: String) -> Int? {
      if case .int(let value)? = attribute(name) { return value }
      return nil
    }
    func float(_ name: String) -> Double? {
      switch attribute(name) {
      case .float(let value)?: return Double(value)
      case .int(let value)?: return Double(value)
      default: return nil
      }
    }
    func ints(_ name: String) -> [Int]? {
      switch attribute(name) {
      case .ints(let values)?: return values
      case .int(let value)?: return [value]
      default: return nil
      }
    }
    func input(_ index: Int) -> ValueID? { index < inputs.count ? inputs[index] : nil }
    func output(_ index: Int) -> ValueID? { index < outputs.count ? outputs[index] : nil }
    /// `com.microsoft.Attention`, or `MatMul`.
    var operation: String { domain.isEmpty ? op : domain + "." + op }
  }

  enum Attribute: Sendable {
    case int(Int)
    case float(Float)
    case string(String)
    case tensor(Int)
    case ints([Int])
    case floats([Float])
    case graph
    case other
  }

  struct Input: Sendable {
    var value: ValueID
    var name: String
    /// TensorProto.DataType; 0 where not stated.
    var elementType: Int
    /// nil where not stated; a dimension is nil where it is free.
    var shape: [Int?]?
    var dimensionNames: [String]
  }

  struct Use: Sendable {
    var node: NodeID
    var index: Int
  }

  var nodes: [Node] = []
  var names: [String] = []
  /// nil: an unsupported element type (strings, float8, int4), whose number is in `unreadTypes`.
  var tensors: [Tensor?] = []
  var unreadTypes: [Int: Int32] = [:]
  /// Value -> tensor, for initializers.
  var initializers: [ValueID: Int] = [:]
  /// Without initializers, which files before IR version 4 list too.
  var inputs: [Input] = []
  var outputs: [Input] = []
  /// Value -> node, or -1.
  var producers: [NodeID] = []
  var uses: [[Use]] = []

  var irVersion = 0
  var opset = 0
  var otherOpsets: [String] = []
  var producer = ""
  var producerVersion = ""
  /// `metadata_props` of the file.
  var metadata: [(key: String, value: String)] = []
  var tensorBytes = 0
  /// The number of nodes in the file, before lowering.
  var nodeCount = 0

  func producer(of value: ValueID) -> NodeID? {
    guard value < producers.count, producers[value] >= 0 else { return nil }
    return producers[value]
  }

  /// `MatMul "/encoder/MatMul"`
  func label(_ node: NodeID) -> String {
    let n = nodes[node]
    let operation = n.origin ?? n.operation
    if !n.name.isEmpty { return "\(operation) \"\(n.name)\"" }
    if let output = n.outputs.first, let output { return "\(operation) -> \"\(names[output])\"" }
    return "\(operation), node \(node)"
  }
}
