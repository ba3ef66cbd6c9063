internal import ClozeIO

/// Attention operators.
extension Lowering {
  /// Lowers an attention operator that includes projections or heads: to projections, splitting into heads, the
  /// operator `Attention` of operator set 23 on four dimensions, and merging heads.
  mutating func attention(_ node: Node) throws(ClozeError) -> Bool {
    switch (node.domain, node.op) {
    case ("com.microsoft", "Attention"): return try projecting(node)
    case ("com.microsoft", "QAttention"): return try quantizedProjecting(node)
    case ("com.microsoft", "MultiHeadAttention"): return try multiHead(node)
    case ("", "Attention"):
      // With three dimensions the operator splits heads itself.
      guard let heads = node.int("q_num_heads"), node.int("kv_num_heads") == heads, let q = node.input(0),
        let k = node.input(1), let v = node.input(2), let y = node.output(0), node.input(4) == nil,
        node.input(5) == nil, (node.float("softcap") ?? 0) == 0
      else { return false }
      let kept = node.attributes.filter { ["scale", "is_causal"].contains($0.name) }
      try core((q, k, v), heads: heads, mask: node.input(3), kept, to: y)
      return true
    default: return false
    }
  }

  /// Inputs: X, weights [D, 3 D'], bias [3 D'], mask, past, bias of the scores.
  private mutating func projecting(_ node: Node) throws(ClozeError) -> Bool {
    guard let x = node.input(0), let weight = node.input(1), let y = node.output(0) else { return false }
    guard node.input(4) == nil, node.input(6) == nil else { return leave(node, "it has a past, as decoders do") }
    guard (node.int("do_rotary") ?? 0) == 0 else { return leave(node, "it has rotary positions") }
    return try projecting(node, x, weight, node.input(2), mask: node.input(3), added: node.input(5), to: y)
  }

  /// Inputs: quantized X, weights, bias, scales of X and of the weights, mask, zero points of X and of the
  /// weights, past.
  private mutating func quantizedProjecting(_ node: Node) throws(ClozeError) -> Bool {
    guard let x = node.input(0), let integers = node.input(1).flatMap({ graph.constant($0) }),
      let scale = node.input(4).flatMap({ graph.constant($0) })?.tensor, let y = node.output(0), !integers.transposed
    else { return false }
    guard node.input(8) == nil else { return leave(node, "it has a past, as decoders do") }
    // Inputs are already resolved to real numbers.
    let weight = try quantizedConstant(integers.tensor, scale, node.input(7), axis: 1)
    return try projecting(node, x, weight, node.input(2), mask: node.input(5), added: nil, to: y)
  }

  private mutating func projecting(
    _ node: Node, _ x: ValueID, _ weight: ValueID, _ bias: ValueID?, mask: ValueID?, added: ValueID?, to output: ValueID
  ) throws(ClozeError) -> Bool {
    guard let heads = node.int("num_heads"), heads > 0, let matrix = graph.constant(weight),
      matrix.tensor.shape.count == 2
    else { return leave(node, "its weights are not constant") }
    let all = matrix.tensor.shape[matrix.transposed ? 0 : 1]
    let width = all / 3
    guard all == 3 * width, node.ints("qkv_hidden_sizes") ?? [width, width, width] == [width, width, width] else {
      return leave(node, "query, key and value differ in size")
    }
    var parts: [ValueID] = []
    for i in 0..<3 {
      let range = [(i * width)..<((i + 1) * width)]
      guard let part = try columns(weight, range) else { return leave(node, "its weights cannot be split") }
      var value = emit("MatMul", [x, part])
      if let bias {
        guard let vector = try elements(bias, range) else { return leave(node, "its bias cannot be split") }
        value = emit("Add", [value, vector])
      }
      parts.append(value)
    }
    try core((parts[0], parts[1], parts[2]), heads: heads, mask: try combined(mask, added), scaling(node), to: output)
    return true
  }

  /// Inputs: query, key, value, bias [3 D], mask, bias of the scores, past. Query may be packed with key and
  /// value, head by head: [B, S, H, 3, d].
  private mutating func multiHead(_ node: Node) throws(ClozeError) -> Bool {
    guard let query = node.input(0), let heads = node.int("num_heads"), heads > 0, let y = node.output(0) else {
      return false
    }
    guard (6..<10).allSatisfy({ node.input($0) == nil }), node.output(1) == nil else {
      return leave(node, "it has a past, as decoders do")
    }
    var parts: [ValueID]
    if let key = node.input(1), let value = node.input(2) {
      parts = [query, key, value]
    } else if node.input(1) == nil, node.input(2) == nil, let unpacked = try unpack(query, heads) {
      parts = unpacked
    } else {
      return leave(node, "its packed queries, keys and values cannot be split")
    }
    if let bias = node.input(3) {
      guard let tensor = graph.constant(bias)?.tensor else { return leave(node, "its bias is not constant") }
      let width = tensor.count / 3
      for i in 0..<3 {
        guard let vector = try elements(bias, [(i * width)..<((i + 1) * width)]) else {
          return leave(node, "its bias cannot be split")
        }
        parts[i] = emit("Add", [parts[i], vector])
      }
    }
    try core(
      (parts[0], parts[1], parts[2]), heads: heads, mask: try combined(node.input(4), node.input(5)), scaling(node),
      to: y)
    return true
  }

  /// The three projections of Reshape(X W + b) to [B, S, H, 3, d].
  private mutating func unpack(_ packed: ValueID, _ heads: Int) throws(ClozeError) -> [ValueID]? {
    guard let reshape = graph.producer(of: packed).map({ graph.nodes[$0] }), reshape.operation == "Reshape",
      let projected = reshape.input(0), var product = graph.producer(of: projected).map({ graph.nodes[$0] })
    else { return nil }
    var bias: ValueID?
    if product.operation == "Add" {
      guard let side = product.inputs.firstIndex(where: { $0.map { graph.constant($0) != nil } ?? false }),
        product.inputs.count == 2, let other = product.inputs[1 - side], let producer = graph.producer(of: other)
      else { return nil }
      bias = product.inputs[side]
      product = graph.nodes[producer]
    }
    guard product.operation == "MatMul", let x = product.input(0), let weight = product.input(1),
      let matrix = graph.constant(weight)
    else { return nil }
    let all = matrix.tensor.shape.last ?? 0
    guard all > 0, all % (3 * heads) == 0, !matrix.transposed else { return nil }
    let width = all / (3 * heads)
    var parts: [ValueID] = []
    for i in 0..<3 {
      let ranges = (0..<heads).map { ((3 * $0 + i) * width)..<((3 * $0 + i + 1) * width) }
      guard let part = try columns(weight, ranges) else { return nil }
      var value = emit("MatMul", [x, part])
      if let bias {
        guard let vector = try elements(bias, ranges) else { return nil }
        value = emit("Add", [value, vector])
      }
      parts.append(value)
    }
    return parts
  }

  // MARK: - Parts

  private mutating func core(
    _ parts: (ValueID, ValueID, ValueID), heads: Int, mask: ValueID?, _ attributes: Attributes, to output: ValueID
  ) throws(ClozeError) {
    let split = try integers([0, 0, heads, -1])
    func apart(_ value: ValueID) -> ValueID {
      emit("Transpose", [emit("Reshape", [value, split])], [("perm", .ints([0, 2, 1, 3]))])
    }
    let q = apart(parts.0)
    let k = apart(parts.1)
    let v = apart(parts.2)
    let made = emit("Attention", mask == nil ? [q, k, v] : [q, k, v, mask], attributes)
    let merged = emit("Transpose", [made], [("perm", .ints([0, 2, 1, 3]))])
    emit("Reshape", [merged, try integers([0, 0, -1])], to: output)
  }

  private func scaling(_ node: Node) -> Attributes {
    var attributes = node.attributes.filter { $0.name == "scale" && node.float("scale") != 0 }
    if node.int("unidirectional") == 1 { attributes.append(("is_causal", .int(1))) }
    return attributes
  }

  /// The mask as `Attention` takes it: the keys to keep, or a bias of the scores.
  private mutating func combined(_ mask: ValueID?, _ added: ValueID?) throws(ClozeError) -> ValueID? {
    let keep = mask.map { emit(Lowering.keep, [$0], domain: Lowering.domain) }
    guard let added else { return keep }
    guard let keep else { return added }
    let lowest = constant(try Tensor.floats([-.greatestFiniteMagnitude], shape: [], name: ""))
    return emit("Where", [keep, added, lowest])
  }

  /// Columns of a constant matrix, as a constant.
  private mutating func columns(_ value: ValueID, _ ranges: [Range<Int>]) throws(ClozeError) -> ValueID? {
    guard let (tensor, transposed) = graph.constant(value), let base = tensor.place.baseAddress else { return nil }
    if transposed {
      guard ranges.count == 1, let rows = tensor.rows(ranges[0]) else { return nil }
      return emit("Transpose", [constant(rows)], [("perm", .ints([1, 0]))])
    }
    let key = Made(address: base, count: tensor.place.count, ranges: ranges)
    if let known = made[key] { return known }
    try charge(tensor.place.count / 3)
    guard let part = try tensor.columns(ranges) else { return nil }
    let id = constant(part)
    made[key] = id
    return id
  }

  /// Elements of a constant vector, as a constant.
  private mutating func elements(_ value: ValueID, _ ranges: [Range<Int>]) throws(ClozeError) -> ValueID? {
    guard let tensor = graph.constant(value)?.tensor else { return nil }
    try charge(tensor.place.count / 3)
    return try tensor.elements(ranges).map { constant($0) }
  }
}
