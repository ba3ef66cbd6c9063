internal import ClozeIO
internal import Glibc

/// A small partial evaluation of the graph, which shows what blocks compute whatever their spelling.
///
/// Exporters spell the same computation in ever new ways: the padding mask of one release of a library is four
/// nodes, that of the next forty. So shapes, positions, mask, constants and rearrangements are *computed*, on a
/// batch of a few tokens, and compared with those of a BERT. Of weights, and of values that depend on token ids,
/// only the shape is computed.
///
/// One pass over the nodes in order, without recursion; unknown operators give unknown values.
struct Probe: Sendable {
  /// The shape of a value and, where known, its elements: doubles for every type, exact for float32 and for
  /// integers up to 2^53.
  struct Value: Sendable {
    var type: Tensor.ElementType
    var shape: [Int]
    var elements: [Double]?

    init(_ type: Tensor.ElementType, _ shape: [Int], _ elements: [Double]? = nil) {
      self.type = type
      self.shape = shape
      self.elements = elements
    }

    static func ints(_ values: [Int]) -> Value { Value(.int64, [values.count], values.map { Double($0) }) }

    var count: Int { Probe.count(shape) ?? Int.max }
    /// The elements as integers, where they are known.
    var integers: [Int]? { elements.map { $0.map { Probe.integer($0) } } }
    /// The element of a value of one element.
    var scalar: Double? {
      guard let elements, elements.count == 1 else { return nil }
      return elements[0]
    }
  }

  /// Of values with more elements than this only the shape is computed.
  static let maximumElements = 1 << 21
  /// Initializers of more floats, or integers of one or two bytes, than this are weights.
  static let maximumConstant = 4096
  /// Elements that one run computes before it computes shapes only. A BERT's mask takes a few million; the bound
  /// is for hostile graphs.
  static let maximumWork = 1 << 24

  let graph: Graph
  /// Sequences and tokens of each, in this run.
  let batch: Int
  let sequence: Int
  /// [batch, sequence] of 0 and 1.
  let mask: [Double]
  var values: [Value?]

  /// Runs the graph.
  ///
  /// - Parameters:
  ///   - ids: inputs with unknown elements.
  ///   - positions: the input that counts from 0 in each sequence; every other input with two dimensions gets
  ///     `mask`.
  init(_ graph: Graph, batch: Int, sequence: Int, mask: [Double], ids: Set<Graph.ValueID>, positions: Graph.ValueID?) {
    self.graph = graph
    self.batch = batch
    self.sequence = sequence
    self.mask = mask
    values = Array(repeating: nil, count: graph.names.count)
    for (value, tensor) in graph.initializers {
      guard tensor < graph.tensors.count, let tensor = graph.tensors[tensor] else { continue }
      values[value] = Probe.constant(tensor)
    }
    for input in graph.inputs {
      let type = Tensor.ElementType(rawValue: Int32(truncatingIfNeeded: input.elementType)) ?? .int64
      if ids.contains(input.value) {
        values[input.value] = Value(type, [batch, sequence])
      } else if input.value == positions {
        let row = (0..<sequence).map { Double($0) }
        values[input.value] = Value(type, [batch, sequence], Array((0..<batch).map { _ in row }.joined()))
      } else if input.shape == nil || input.shape?.count == 2 {
        values[input.value] = Value(type, [batch, sequence], mask)
      }
    }
    var work = 0
    for index in graph.nodes.indices {
      let node = graph.nodes[index]
      let inputs = node.inputs.map { id -> Value? in id.flatMap { values[$0] } }
      for (output, result) in zip(node.outputs, run(node, inputs, &work)) { if let output { values[output] = result } }
    }
  }

  /// The result of computing a value from given ones.
  enum Outcome {
    /// The value, and the values known to the run that it was computed from.
    case known(Value, from: [Graph.ValueID])
    /// The first node whose result is unknown; nil where the value is an input.
    case unknown(Graph.NodeID?)
  }

  /// Computes `target` from `given`, constants and values known to this run.
  func evaluate(_ target: Graph.ValueID, given: [Graph.ValueID: Value]) -> Outcome {
    let stale = given.keys.contains { values[$0]?.elements != nil } ? dependents(of: given) : []
    var needed: Set<Graph.NodeID> = []
    var boundary: [Graph.ValueID] = []
    var visited: Set<Graph.ValueID> = []
    var pending = [target]
    while let value = pending.popLast() {
      guard visited.insert(value).inserted, given[value] == nil else { continue }
      if values[value]?.elements != nil, !stale.contains(value) {
        boundary.append(value)
        continue
      }
      guard let node = graph.producer(of: value) else { continue }
      guard needed.insert(node).inserted else { continue }
      // A bound on work: far more nodes than a BERT has between two weights.
      guard needed.count <= 4096 else { return .unknown(node) }
      for case let input? in graph.nodes[node].inputs { pending.append(input) }
    }
    var local = given
    var work = 0
    for index in needed.sorted() {
      let node = graph.nodes[index]
      let inputs = node.inputs.map { id -> Value? in id.flatMap { local[$0] ?? values[$0] } }
      for (output, result) in zip(node.outputs, run(node, inputs, &work)) {
        guard let output, given[output] == nil else { continue }
        local[output] = result
      }
      // The result of this node is unknown, or only its shape is known.
      if node.outputs.first.flatMap({ $0 }).flatMap({ local[$0]?.elements }) == nil { return .unknown(index) }
    }
    guard let result = local[target] ?? values[target], result.elements != nil else {
      return .unknown(graph.producer(of: target))
    }
    return .known(result, from: boundary.sorted())
  }

  /// All values that depend on the given ones: what this run knows of them is void where a given value has other
  /// elements than in this run.
  private func dependents(of given: [Graph.ValueID: Value]) -> Set<Graph.ValueID> {
    var result = Set(given.keys)
    var pending = Array(given.keys)
    while let value = pending.popLast() {
      for use in graph.uses[value] {
        for case let output? in graph.nodes[use.node].outputs where result.insert(output).inserted {
          pending.append(output)
        }
      }
    }
    return result
  }

  // MARK: - Numbers

  /// The product of the dimensions; nil where one is negative or the product is beyond any tensor.
  static func count(_ shape: [Int]) -> Int? {
    var product = 1
    var empty = false
    for dimension in shape {
      guard dimension >= 0 else { return nil }
      if dimension == 0 { empty = true }
      let (next, overflow) = product.multipliedReportingOverflow(by: Swift.max(dimension, 1))
      // The product of the nonempty axes is bounded too, so that no stride overflows.
      guard !overflow, next <= 1 << 48 else { return nil }
      product = next
    }
    return empty ? 0 : product
  }

  /// Truncates; NaN becomes 0, and values out of range are clamped.
  static func integer(_ value: Double) -> Int {
    if value.isNaN { return 0 }
    if value >= 0x1p63 { return Int.max }
    if value <= -0x1p63 { return Int.min }
    return Int(value)
  }

  /// Whether a run uses the elements of a constant tensor.
  static func looksInto(_ tensor: Tensor) -> Bool {
    let type = tensor.elementType
    let mayBeWeight = type.isFloat || type.size <= 2 && type != .bool
    return tensor.count <= (mayBeWeight ? maximumConstant : maximumElements)
  }

  static func constant(_ tensor: Tensor) -> Value {
    if tensor.quantization != nil {
      var numbers = [Float](repeating: 0, count: tensor.count <= maximumConstant ? tensor.count : 0)
      let copied = numbers.withUnsafeMutableBufferPointer { buffer in (try? tensor.copyFloat32(to: buffer)) != nil }
      return Value(.float32, tensor.shape, copied ? numbers.map { Double($0) } : nil)
    }
    guard looksInto(tensor), let base = (try? tensor.bytes())?.baseAddress else {
      return Value(tensor.elementType, tensor.shape, tensor.count == 0 ? [] : nil)
    }
    let n = tensor.count
    func read<T: BitwiseCopyable>(_ type: T.Type, _ convert: (T) -> Double) -> [Double] {
      (0..<n).map { convert(base.loadUnaligned(fromByteOffset: $0 * MemoryLayout<T>.size, as: T.self)) }
    }
    let elements: [Double]
    switch tensor.elementType {
    case .float32: elements = read(Float.self) { Double($0) }
    case .float64: elements = read(Double.self) { $0 }
    case .float16: elements = read(UInt16.self) { Double(Float(float16Bits: $0)) }
    case .bfloat16: elements = read(UInt16.self) { Double(Float(bitPattern: UInt32($0) << 16)) }
    case .uint8, .bool: elements = read(UInt8.self) { Double($0) }
    case .int8: elements = read(Int8.self) { Double($0) }
    case .uint16: elements = read(UInt16.self) { Double($0) }
    case .int16: elements = read(Int16.self) { Double($0) }
    case .int32: elements = read(Int32.self) { Double($0) }
    case .uint32: elements = read(UInt32.self) { Double($0) }
    case .int64: elements = read(Int64.self) { Double($0) }
    case .uint64: elements = read(UInt64.self) { Double($0) }
    }
    return Value(tensor.elementType, tensor.shape, elements)
  }

  // MARK: - Operators

  /// The node's results, those with an impossible shape as unknown, within the bounds of work.
  private func run(_ node: Graph.Node, _ inputs: [Value?], _ work: inout Int) -> [Value?] {
    var inputs = inputs
    if work > Probe.maximumWork {
      for i in inputs.indices where inputs[i]?.elements.map({ $0.count > 64 }) == true { inputs[i]?.elements = nil }
    }
    return apply(node, inputs).map { result in
      guard let result, Probe.count(result.shape) != nil else { return nil }
      work += result.elements?.count ?? 0
      return result
    }
  }

  /// The node's results; nil for unknown ones.
  func apply(_ node: Graph.Node, _ inputs: [Value?]) -> [Value?] {
    switch node.domain {
    case "":
      if let result = elementwise(node, inputs) { return [result] }
      if let results = rearrange(node, inputs) { return results }
      if let result = reduce(node, inputs) { return [result] }
      return []
    case "com.microsoft":
      if ["Gelu", "FastGelu", "QuickGelu"].contains(node.op) { return [elementwise(node, inputs)] }
      return []
    case Lowering.domain: return [lowered(node, inputs)]
    default: return []
    }
  }

  /// Operators that `Lowering` writes.
  private func lowered(_ node: Graph.Node, _ inputs: [Value?]) -> Value? {
    switch node.op {
    case Lowering.positions: return .ints(Array(0..<sequence))
    case Lowering.keep:
      // The masks of the contributed attention operators: lengths [B], or 1 for a token to attend to, [B, S] or
      // [B, S, S].
      guard let mask = inputs.first.flatMap({ $0 }), let numbers = mask.elements else { return nil }
      switch mask.shape {
      case [batch]:
        // Lengths are the sum of a mask, whose tokens such a graph assumes to come first.
        let sums = (0..<batch).map { b in self.mask[(b * sequence)..<((b + 1) * sequence)].reduce(0, +) }
        let keep =
          sums == numbers
          ? self.mask : (0..<(batch * sequence)).map { Double($0 % sequence) < numbers[$0 / sequence] ? 1 : 0 }
        return Value(.bool, [batch, 1, 1, sequence], keep)
      case [batch, sequence]: return Value(.bool, [batch, 1, 1, sequence], numbers.map { $0 > 0 ? 1 : 0 })
      case [batch, sequence, sequence]:
        return Value(.bool, [batch, 1, sequence, sequence], numbers.map { $0 > 0 ? 1 : 0 })
      default: return nil
      }
    default: return nil
    }
  }
}
