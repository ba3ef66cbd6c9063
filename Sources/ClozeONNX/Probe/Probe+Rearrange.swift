/// Operators that move elements or compute shapes.
extension Probe {
  /// The results of an operator that moves elements or computes shapes; nil for other operators.
  func rearrange(_ node: Graph.Node, _ inputs: [Value?]) -> [Value?]? {
    let x = inputs.first.flatMap { $0 }
    switch node.op {
    case "Constant": return [constant(node)]
    case "Shape":
      guard let x else { return [nil] }
      let rank = x.shape.count
      let start = Probe.clampedIndex(node.int("start") ?? 0, rank)
      let end = Probe.clampedIndex(node.int("end") ?? rank, rank)
      return [.ints(start < end ? Array(x.shape[start..<end]) : [])]
    case "Size": return [x.map { Value(.int64, [], [Double($0.count)]) }]
    case "Reshape": return [x.flatMap { reshape(node, $0, inputs) }]
    case "Flatten":
      guard let x else { return [nil] }
      let axis = Probe.clampedIndex(node.int("axis") ?? 1, x.shape.count)
      guard let rows = Probe.count(Array(x.shape[..<axis])), let columns = Probe.count(Array(x.shape[axis...])) else {
        return [nil]
      }
      return [Value(x.type, [rows, columns], x.elements)]
    case "Squeeze", "Unsqueeze": return [x.flatMap { squeeze(node, $0, inputs) }]
    case "Transpose": return [x.flatMap { transpose(node, $0) }]
    case "Concat": return [concat(node, inputs)]
    case "Slice": return [x.flatMap { slice(node, $0, inputs) }]
    case "Split": return x.flatMap { split(node, $0, inputs) } ?? [nil]
    case "Gather": return [gather(node, inputs)]
    case "GatherElements": return [gatherElements(node, inputs)]
    case "GatherND": return [gatherND(node, inputs)]
    case "Expand":
      guard let x, inputs.count > 1, let target = inputs[1]?.integers, let shape = Probe.broadcast(x.shape, target),
        Probe.count(shape) != nil
      else { return [nil] }
      return [Value(x.type, shape, Probe.expand(x, to: shape))]
    case "Tile": return [x.flatMap { tile($0, inputs) }]
    case "Range":
      guard inputs.count == 3, let start = inputs[0]?.scalar, let limit = inputs[1]?.scalar,
        let step = inputs[2]?.scalar, step != 0, let type = inputs[0]?.type
      else { return [nil] }
      let n = Swift.max(0, Probe.integer(((limit - start) / step).rounded(.up)))
      guard n <= Probe.maximumElements else { return [nil] }
      return [Value(type, [n], (0..<n).map { start + Double($0) * step })]
    case "ConstantOfShape":
      guard let shape = x?.integers, let n = Probe.count(shape) else { return [nil] }
      var fill = Value(.float32, [1], [0])
      if case .tensor(let index)? = node.attribute("value"), index < graph.tensors.count,
        let tensor = graph.tensors[index]
      {
        fill = Probe.constant(tensor)
      }
      guard let element = fill.scalar else { return [nil] }
      return [Value(fill.type, shape, n <= Probe.maximumElements ? Array(repeating: element, count: n) : nil)]
    case "Trilu": return [x.flatMap { trilu(node, $0, inputs) }]
    case "CumSum": return [x.flatMap { cumulativeSum(node, $0, inputs) }]
    default: return nil
    }
  }

  // MARK: - Axes

  /// An index that may count from the end, clamped to 0 ... count.
  static func clampedIndex(_ index: Int, _ count: Int) -> Int {
    let positive = index < 0 ? (index < -count ? 0 : index + count) : index
    return Swift.min(Swift.max(positive, 0), count)
  }

  /// An axis that may count from the end; nil where there is no such axis.
  static func axis(_ axis: Int, _ rank: Int) -> Int? {
    guard axis >= -rank, axis < rank else { return nil }
    return axis < 0 ? axis + rank : axis
  }

  /// Axes given as an attribute (older operator sets) or as an input; nil where neither is known.
  func axes(_ node: Graph.Node, _ inputs: [Value?], at index: Int = 1) -> [Int]? {
    node.ints("axes") ?? (index < inputs.count ? inputs[index]?.integers : nil)
  }

  static func strides(_ shape: [Int]) -> [Int] {
    var result = Array(repeating: 1, count: shape.count)
    for i in shape.indices.dropLast().reversed() {
      result[i] = result[i + 1].multipliedReportingOverflow(by: shape[i + 1]).partialValue
    }
    return result
  }

  // MARK: - Operators

  private func constant(_ node: Graph.Node) -> Value? {
    for (name, attribute) in node.attributes {
      switch (name, attribute) {
      case ("value", .tensor(let index)):
        guard index < graph.tensors.count else { return nil }
        return graph.tensors[index].map { Probe.constant($0) }
      case ("value_float", .float(let value)): return Value(.float32, [], [Double(value)])
      case ("value_int", .int(let value)): return Value(.int64, [], [Double(value)])
      case ("value_floats", .floats(let values)): return Value(.float32, [values.count], values.map { Double($0) })
      case ("value_ints", .ints(let values)): return .ints(values)
      default: continue
      }
    }
    return nil
  }

  private func reshape(_ node: Graph.Node, _ x: Value, _ inputs: [Value?]) -> Value? {
    guard inputs.count > 1, var shape = inputs[1]?.integers, let total = Probe.count(x.shape) else { return nil }
    var free: Int?
    for i in shape.indices {
      if shape[i] == 0, node.int("allowzero") != 1 {
        guard i < x.shape.count else { return nil }
        shape[i] = x.shape[i]
      }
      if shape[i] == -1 {
        guard free == nil else { return nil }
        free = i
        shape[i] = 1
      }
    }
    guard let known = Probe.count(shape) else { return nil }
    if let free {
      guard known > 0, total % known == 0 else { return nil }
      shape[free] = total / known
    } else if known != total {
      return nil
    }
    return Value(x.type, shape, x.elements)
  }

  private func squeeze(_ node: Graph.Node, _ x: Value, _ inputs: [Value?]) -> Value? {
    let given = axes(node, inputs)
    if node.op == "Squeeze" {
      guard let given else { return inputs.count > 1 ? nil : Value(x.type, x.shape.filter { $0 != 1 }, x.elements) }
      var drop: Set<Int> = []
      for axis in given {
        guard let axis = Probe.axis(axis, x.shape.count), x.shape[axis] == 1 else { return nil }
        drop.insert(axis)
      }
      return Value(x.type, x.shape.indices.filter { !drop.contains($0) }.map { x.shape[$0] }, x.elements)
    }
    guard let given, given.count <= 8 else { return nil }
    let rank = x.shape.count + given.count
    var new: Set<Int> = []
    for axis in given {
      guard let axis = Probe.axis(axis, rank) else { return nil }
      new.insert(axis)
    }
    guard new.count == given.count else { return nil }
    var rest = x.shape.makeIterator()
    let shape = (0..<rank).map { new.contains($0) ? 1 : rest.next() ?? 1 }
    return Value(x.type, shape, x.elements)
  }

  private func transpose(_ node: Graph.Node, _ x: Value) -> Value? {
    let rank = x.shape.count
    let order = node.ints("perm") ?? Array((0..<rank).reversed())
    guard order.count == rank, Set(order) == Set(0..<rank) else { return nil }
    let shape = order.map { x.shape[$0] }
    let from = Probe.strides(x.shape)
    return Value(
      x.type, shape, x.elements.flatMap { Probe.gather($0, shape: shape, strides: order.map { from[$0] }, start: 0) })
  }

  private func concat(_ node: Graph.Node, _ inputs: [Value?]) -> Value? {
    guard let first = inputs.first.flatMap({ $0 }),
      let axis = node.int("axis").flatMap({ Probe.axis($0, first.shape.count) })
    else { return nil }
    var shape = first.shape
    var size = 0
    var known = true
    for input in inputs {
      guard let input, input.shape.count == shape.count else { return nil }
      for i in shape.indices where i != axis && input.shape[i] != shape[i] { return nil }
      let (sum, overflow) = size.addingReportingOverflow(input.shape[axis])
      guard !overflow else { return nil }
      size = sum
      known = known && input.elements != nil
    }
    shape[axis] = size
    guard let total = Probe.count(shape) else { return nil }
    guard known, total <= Probe.maximumElements, let outer = Probe.count(Array(shape[..<axis])) else {
      return Value(first.type, shape)
    }
    var elements: [Double] = []
    elements.reserveCapacity(total)
    for row in 0..<outer {
      for case let input? in inputs {
        guard let part = input.elements, outer > 0 else { return nil }
        let run = part.count / outer
        elements += part[(row * run)..<((row + 1) * run)]
      }
    }
    return Value(first.type, shape, elements)
  }

  private func slice(_ node: Graph.Node, _ x: Value, _ inputs: [Value?]) -> Value? {
    func list(_ name: String, _ index: Int) -> [Int]? {
      node.ints(name) ?? (index < inputs.count ? inputs[index]?.integers : nil)
    }
    guard let starts = list("starts", 1), let ends = list("ends", 2), starts.count == ends.count else { return nil }
    // An axes or steps input that is present but unknown must not count as omitted.
    if inputs.count > 3, node.inputs[3] != nil, inputs[3]?.elements == nil { return nil }
    if inputs.count > 4, node.inputs[4] != nil, inputs[4]?.elements == nil { return nil }
    let given = list("axes", 3) ?? Array(starts.indices)
    let steps = list("steps", 4) ?? Array(repeating: 1, count: starts.count)
    guard given.count == starts.count, steps.count == starts.count else { return nil }
    var shape = x.shape
    var strides = Probe.strides(x.shape)
    var origin = 0
    for i in starts.indices {
      guard let axis = Probe.axis(given[i], x.shape.count), steps[i] != 0, steps[i] > -(1 << 32), steps[i] < 1 << 32
      else { return nil }
      let size = x.shape[axis]
      let step = steps[i]
      var start = starts[i] < 0 ? starts[i].addingReportingOverflow(size).partialValue : starts[i]
      var end = ends[i] < 0 ? ends[i].addingReportingOverflow(size).partialValue : ends[i]
      if step > 0 {
        start = Swift.min(Swift.max(start, 0), size)
        end = Swift.min(Swift.max(end, 0), size)
        shape[axis] = Swift.max(0, (end - start + step - 1) / step)
      } else {
        start = Swift.min(Swift.max(start, -1), size - 1)
        end = Swift.min(Swift.max(end, -1), size - 1)
        shape[axis] = Swift.max(0, (start - end - step - 1) / -step)
      }
      if shape[axis] > 0 { origin += start * strides[axis] }
      strides[axis] = strides[axis] &* step
    }
    return Value(x.type, shape, x.elements.flatMap { Probe.gather($0, shape: shape, strides: strides, start: origin) })
  }

  private func split(_ node: Graph.Node, _ x: Value, _ inputs: [Value?]) -> [Value?]? {
    guard let axis = Probe.axis(node.int("axis") ?? 0, x.shape.count) else { return nil }
    let parts = node.outputs.count
    guard parts > 0, parts <= 1024 else { return nil }
    var sizes = node.ints("split") ?? (inputs.count > 1 ? inputs[1]?.integers : nil) ?? []
    if sizes.isEmpty {
      let chunk = (x.shape[axis] + parts - 1) / parts
      sizes = (0..<parts).map { Swift.min(chunk, Swift.max(0, x.shape[axis] - $0 * chunk)) }
    }
    guard sizes.count == parts, sizes.allSatisfy({ $0 >= 0 && $0 <= x.shape[axis] }),
      sizes.reduce(0, +) == x.shape[axis]
    else { return nil }
    let strides = Probe.strides(x.shape)
    var origin = 0
    return sizes.map { size -> Value? in
      var shape = x.shape
      shape[axis] = size
      defer { origin += size * strides[axis] }
      return Value(
        x.type, shape, x.elements.flatMap { Probe.gather($0, shape: shape, strides: strides, start: origin) })
    }
  }

  private func gather(_ node: Graph.Node, _ inputs: [Value?]) -> Value? {
    guard inputs.count == 2, let x = inputs[0], let indices = inputs[1],
      let axis = Probe.axis(node.int("axis") ?? 0, x.shape.count)
    else { return nil }
    let shape = Array(x.shape[..<axis]) + indices.shape + Array(x.shape[(axis + 1)...])
    guard let total = Probe.count(shape) else { return nil }
    guard let elements = x.elements, let at = indices.integers, total <= Probe.maximumElements,
      let outer = Probe.count(Array(x.shape[..<axis])), let inner = Probe.count(Array(x.shape[(axis + 1)...]))
    else { return Value(x.type, shape) }
    let size = x.shape[axis]
    var result: [Double] = []
    result.reserveCapacity(total)
    for row in 0..<outer {
      for index in at {
        guard let index = Probe.axis(index, size) else { return nil }
        let start = (row * size + index) * inner
        result += elements[start..<(start + inner)]
      }
    }
    return Value(x.type, shape, result)
  }

  private func gatherElements(_ node: Graph.Node, _ inputs: [Value?]) -> Value? {
    guard inputs.count == 2, let x = inputs[0], let indices = inputs[1], x.shape.count == indices.shape.count,
      let axis = Probe.axis(node.int("axis") ?? 0, x.shape.count)
    else { return nil }
    for i in x.shape.indices where i != axis && indices.shape[i] > x.shape[i] { return nil }
    guard let elements = x.elements, let at = indices.integers else { return Value(x.type, indices.shape) }
    let from = Probe.strides(x.shape)
    let to = Probe.strides(indices.shape)
    var result: [Double] = []
    result.reserveCapacity(at.count)
    for position in at.indices {
      guard let index = Probe.axis(at[position], x.shape[axis]) else { return nil }
      var start = index * from[axis]
      for i in x.shape.indices where i != axis { start += position / to[i] % indices.shape[i] * from[i] }
      result.append(elements[start])
    }
    return Value(x.type, indices.shape, result)
  }

  private func gatherND(_ node: Graph.Node, _ inputs: [Value?]) -> Value? {
    let batch = node.int("batch_dims") ?? 0
    guard inputs.count == 2, let x = inputs[0], let indices = inputs[1], let depth = indices.shape.last, depth > 0,
      batch >= 0, batch < indices.shape.count, batch < x.shape.count, depth <= x.shape.count - batch,
      x.shape[..<batch] == indices.shape[..<batch]
    else { return nil }
    let shape = Array(indices.shape.dropLast()) + Array(x.shape[(batch + depth)...])
    guard let total = Probe.count(shape) else { return nil }
    guard let elements = x.elements, let at = indices.integers, total <= Probe.maximumElements,
      let inner = Probe.count(Array(x.shape[(batch + depth)...])),
      let outer = Probe.count(Array(x.shape[batch...])), let tuples = Probe.count(Array(indices.shape[batch...]))
    else { return Value(x.type, shape) }
    let strides = Probe.strides(x.shape)
    var result: [Double] = []
    for tuple in stride(from: 0, to: at.count, by: depth) {
      var start = tuple / tuples * outer
      for d in 0..<depth {
        guard let index = Probe.axis(at[tuple + d], x.shape[batch + d]) else { return nil }
        start += index * strides[batch + d]
      }
      result += elements[start..<(start + inner)]
    }
    return Value(x.type, shape, result)
  }

  private func tile(_ x: Value, _ inputs: [Value?]) -> Value? {
    guard inputs.count > 1, let repeats = inputs[1]?.integers, repeats.count == x.shape.count else { return nil }
    var shape: [Int] = []
    for (size, times) in zip(x.shape, repeats) {
      let (product, overflow) = size.multipliedReportingOverflow(by: times)
      guard !overflow, times >= 0 else { return nil }
      shape.append(product)
    }
    guard let total = Probe.count(shape) else { return nil }
    guard let elements = x.elements, total <= Probe.maximumElements else { return Value(x.type, shape) }
    let to = Probe.strides(shape)
    let from = Probe.strides(x.shape)
    let result = (0..<total).map { position -> Double in
      var index = 0
      for axis in shape.indices { index += position / to[axis] % shape[axis] % x.shape[axis] * from[axis] }
      return elements[index]
    }
    return Value(x.type, shape, result)
  }

  private func trilu(_ node: Graph.Node, _ x: Value, _ inputs: [Value?]) -> Value? {
    guard x.shape.count >= 2 else { return nil }
    guard let elements = x.elements else { return Value(x.type, x.shape) }
    if inputs.count > 1, node.inputs[1] != nil, inputs[1]?.scalar == nil { return nil }
    let diagonal = inputs.count > 1 ? inputs[1]?.scalar ?? 0 : 0
    let upper = node.int("upper") != 0
    let rows = x.shape[x.shape.count - 2]
    let columns = x.shape[x.shape.count - 1]
    let result = elements.indices.map { position -> Double in
      let row = Double(position / columns % rows)
      let column = Double(position % columns)
      let keep = upper ? column >= row + diagonal : column <= row + diagonal
      return keep ? elements[position] : 0
    }
    return Value(x.type, x.shape, result)
  }

  private func cumulativeSum(_ node: Graph.Node, _ x: Value, _ inputs: [Value?]) -> Value? {
    guard let elements = x.elements, inputs.count > 1, let given = inputs[1]?.scalar,
      let axis = Probe.axis(Probe.integer(given), x.shape.count), (node.int("reverse") ?? 0) == 0,
      (node.int("exclusive") ?? 0) == 0
    else { return Value(x.type, x.shape) }
    let stride = Probe.strides(x.shape)[axis]
    var result = elements
    for position in result.indices where position / stride % x.shape[axis] > 0 {
      result[position] += result[position - stride]
    }
    return Value(x.type, x.shape, result)
  }
}
