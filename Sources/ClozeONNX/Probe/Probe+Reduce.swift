/// Reductions, products and normalizations.
extension Probe {
  /// The result of an operator that reduces axes, of products and normalizations only its shape; nil for other
  /// operators.
  func reduce(_ node: Graph.Node, _ inputs: [Value?]) -> Value? {
    let x = inputs.first.flatMap { $0 }
    switch node.op {
    case "MatMul":
      guard inputs.count == 2, let a = inputs[0], let b = inputs[1] else { return nil }
      return product(a, b)
    case "Gemm":
      guard inputs.count >= 2, let a = inputs[0], let b = inputs[1], a.shape.count == 2, b.shape.count == 2 else {
        return nil
      }
      let rows = node.int("transA") == 1 ? a.shape[1] : a.shape[0]
      let columns = node.int("transB") == 1 ? b.shape[0] : b.shape[1]
      let inner = node.int("transA") == 1 ? a.shape[0] : a.shape[1]
      guard inner == (node.int("transB") == 1 ? b.shape[1] : b.shape[0]) else { return nil }
      return Value(a.type, [rows, columns])
    case "Softmax", "LogSoftmax": return x.map { Value($0.type, $0.shape) }
    case "LayerNormalization": return x.map { Value($0.type, $0.shape) }
    case "Attention":
      // Attention of operator set 23 with four dimensions.
      guard inputs.count >= 3, let q = inputs[0], let v = inputs[2], q.shape.count == 4, v.shape.count == 4 else {
        return nil
      }
      return Value(q.type, [q.shape[0], q.shape[1], q.shape[2], v.shape[3]])
    case "ReduceMean": return x.flatMap { reduce(node, $0, inputs) { $0.reduce(0, +) / Double($0.count) } }
    case "ReduceSum": return x.flatMap { reduce(node, $0, inputs) { $0.reduce(0, +) } }
    case "ReduceProd": return x.flatMap { reduce(node, $0, inputs) { $0.reduce(1, *) } }
    case "ReduceMax": return x.flatMap { reduce(node, $0, inputs) { $0.max() ?? -.infinity } }
    case "ReduceMin": return x.flatMap { reduce(node, $0, inputs) { $0.min() ?? .infinity } }
    case "ReduceSumSquare": return x.flatMap { reduce(node, $0, inputs) { $0.reduce(0) { $0 + $1 * $1 } } }
    case "ReduceL2": return x.flatMap { reduce(node, $0, inputs) { $0.reduce(0) { $0 + $1 * $1 }.squareRoot() } }
    case "ArgMax": return x.flatMap { argMax(node, $0) }
    default: return nil
    }
  }

  private func product(_ a: Value, _ b: Value) -> Value? {
    guard a.shape.count >= 2, b.shape.count >= 2 else { return nil }
    let inner = a.shape[a.shape.count - 1]
    guard inner == b.shape[b.shape.count - 2],
      let outer = Probe.broadcast(Array(a.shape.dropLast(2)), Array(b.shape.dropLast(2)))
    else { return nil }
    return Value(a.type, outer + [a.shape[a.shape.count - 2], b.shape[b.shape.count - 1]])
  }

  private func reduce(_ node: Graph.Node, _ x: Value, _ inputs: [Value?], _ function: ([Double]) -> Double) -> Value? {
    let rank = x.shape.count
    if inputs.count > 1, node.inputs[1] != nil, inputs[1]?.elements == nil { return nil }
    var given = axes(node, inputs) ?? []
    if given.isEmpty {
      if node.int("noop_with_empty_axes") == 1 { return x }
      given = Array(0..<rank)
    }
    var reduced: Set<Int> = []
    for axis in given {
      guard let axis = Probe.axis(axis, rank) else { return nil }
      reduced.insert(axis)
    }
    return reduce(x, reduced, keep: node.int("keepdims") != 0, function)
  }

  private func argMax(_ node: Graph.Node, _ x: Value) -> Value? {
    guard let axis = Probe.axis(node.int("axis") ?? 0, x.shape.count) else { return nil }
    let takesLast = node.int("select_last_index") == 1
    var result = reduce(x, [axis], keep: node.int("keepdims") != 0) { row in
      guard let largest = row.max() else { return 0 }
      return Double((takesLast ? row.lastIndex(of: largest) : row.firstIndex(of: largest)) ?? 0)
    }
    result?.type = .int64
    return result
  }

  /// `function` of the elements along some axes, which become 1 with `keep`, else go.
  private func reduce(_ x: Value, _ reduced: Set<Int>, keep: Bool, _ function: ([Double]) -> Double) -> Value? {
    let rank = x.shape.count
    let kept = (0..<rank).filter { !reduced.contains($0) }
    let shape = keep ? (0..<rank).map { reduced.contains($0) ? 1 : x.shape[$0] } : kept.map { x.shape[$0] }
    guard let elements = x.elements else { return Value(x.type, shape) }

    let strides = Probe.strides(x.shape)
    let order = reduced.sorted()
    let innerShape = order.map { x.shape[$0] }
    guard let inner = Probe.count(innerShape),
      // Reduced axes are moved last: each run of `inner` elements gives one result.
      let moved = Probe.gather(
        elements, shape: kept.map { x.shape[$0] } + innerShape,
        strides: kept.map { strides[$0] } + order.map { strides[$0] }, start: 0)
    else { return nil }
    guard inner > 0 else { return nil }
    let result = stride(from: 0, to: moved.count, by: inner).map { function(Array(moved[$0..<($0 + inner)])) }
    return Value(x.type, shape, result)
  }
}
