internal import ClozeIO

/// Quantized arithmetic: dynamic (MatMulInteger), QDQ, and operators on integers (QLinear*).
extension Lowering {
  /// An integer product that becomes a real one with the factors that it still lacks.
  struct Product {
    var left: ValueID
    /// A constant of integers, or a real activation.
    var right: Right
    /// The scales of activations that are still to be multiplied.
    var missing: [ValueID]
    /// The rows' zero points, whose products with the weights' column sums are still to be subtracted.
    var rowZeroPoint: ValueID?
    /// The factors that the channels of the activation were multiplied by.
    var factors: Tensor?

    enum Right {
      case activation(ValueID)
      case weight(ValueID, zeroPoint: ValueID?, scale: ValueID?)
    }
  }

  /// Operators that only move elements: applied to integers, they move the real numbers too.
  private static let moving: Set<String> = [
    "Identity", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Gather", "Flatten", "Expand",
  ]

  /// Lowers a node of quantized arithmetic; false for other nodes.
  mutating func quantized(_ node: Node, _ source: Node) throws(ClozeError) -> Bool {
    guard node.domain.isEmpty || node.domain == "com.microsoft" else { return false }
    switch node.op {
    case "QuantizeLinear":
      guard let x = node.input(0), let y = node.output(0) else { return false }
      stands(y, for: x)
      scales[y] = node.input(1)
      return true
    case "DequantizeLinear":
      guard let q = node.input(0), let scale = node.input(1), let y = node.output(0) else { return false }
      guard let x = try dequantize(source.input(0) ?? q, q, scale, node.input(2), axis: node.int("axis") ?? 1) else {
        return false
      }
      real[y] = x
      return true
    case "DynamicQuantizeLinear":
      guard let x = node.input(0), let y = node.output(0) else { return false }
      add(node)
      stands(y, for: x)
      scales[y] = node.output(1)
      return true
    case "MatMulInteger": return integerProduct(node, source)
    case "Cast":
      // From an integer product to real numbers.
      if quantizedRows(node) { return true }
      guard let x = source.input(0), let y = node.output(0), let product = products[x] else { return false }
      products[y] = product
      add(node)
      return true
    case "Sub": return try withoutZeroPoints(node, source)
    case "Mul":
      if try storedRows(node) { return true }
      if try widened(node) { return true }
      return try scaled(node, source)
    case "DynamicQuantizeMatMul":
      // A, B, scale of B, zero point of B, bias
      guard let a = node.input(0), let b = source.input(1), let scale = node.input(2), let y = node.output(0) else {
        return false
      }
      var right = real[b]
      if right == nil { right = try weight(b, scale, node.input(3)) }
      guard let right else { return false }
      product(a, right, bias: node.input(4), to: y)
      return true
    case "MatMulIntegerToFloat":
      // A, B, scales of A and B, zero points of A and B, bias
      guard let a = source.input(0), let b = source.input(1), let scale = node.input(3), let y = node.output(0),
        let x = real[a]
      else { return false }
      var right = real[b]
      if right == nil { right = try weight(b, scale, node.input(5)) }
      guard let right else { return false }
      product(x, right, bias: node.input(6), to: y)
      return true
    case "QLinearMatMul", "QGemm", "QLinearAdd", "QLinearMul", "QLinearSoftmax", "QLinearSigmoid", "QLinearReduceMean",
      "QLinearConcat", "QLinearWhere":
      return try integerOperator(node, source)
    default: return false
    }
  }

  /// Records that an integer value stands for the real value `x`.
  private mutating func stands(_ value: ValueID, for x: ValueID) { real[value] = x }

  /// After a kept node that moves quantized elements: its inputs were resolved, so its output is real, with the
  /// scale of the input.
  mutating func follow(_ source: Node) {
    guard source.domain.isEmpty, Lowering.moving.contains(source.op), let x = source.input(0), let y = source.output(0),
      real[x] != nil, scales[x] != nil
    else { return }
    real[y] = y
    scales[y] = scales[x]
  }

  // MARK: - Weights

  /// The real value of integers `q` with a scale and zero point.
  private mutating func dequantize(_ source: ValueID, _ q: ValueID, _ scale: ValueID, _ zeroPoint: ValueID?, axis: Int)
    throws(ClozeError) -> ValueID?
  {
    // Quantized in the graph: the value before quantization.
    if real[source] != nil { return resolve(source) }
    if let (tensor, transposed) = graph.constant(q) {
      if tensor.isReal { return q }
      guard let scale = graph.constant(scale)?.tensor else { return nil }
      var axis = axis < 0 ? axis + tensor.shape.count : axis
      if transposed { axis = 1 - axis }
      let made = try quantizedConstant(tensor, scale, zeroPoint, axis: axis)
      return transposed ? emit("Transpose", [made], [("perm", .ints([1, 0]))]) : made
    }
    // Rows of a quantized table: dequantizes the table, then takes its rows.
    guard graph.constant(scale)?.tensor.count == 1, let producer = graph.producer(of: q) else { return nil }
    var chain: [Node] = []
    var node = graph.nodes[producer]
    while chain.count < 8, node.domain.isEmpty, Lowering.moving.contains(node.op), let data = node.input(0) {
      chain.append(node)
      if graph.constant(data) != nil {
        guard var x = try dequantize(data, data, scale, zeroPoint, axis: 0) else { return nil }
        for var step in chain.reversed() {
          step.inputs[0] = x
          x = value()
          step.outputs = [x]
          add(step)
        }
        return x
      }
      guard let next = graph.producer(of: data) else { return nil }
      node = graph.nodes[next]
    }
    return nil
  }

  mutating func quantizedConstant(_ tensor: Tensor, _ scale: Tensor, _ zeroPoint: ValueID?, axis: Int)
    throws(ClozeError) -> ValueID
  {
    let zero = zeroPoint.flatMap { graph.constant($0) }?.tensor
    if zeroPoint != nil, zero == nil { throw ClozeError(.unsupported, "the zero point of \(tensor.label) is computed") }
    let key = tensor.place.baseAddress.map {
      Made(
        address: $0, count: tensor.place.count, ranges: [], scale: scale.place.baseAddress,
        zeroPoint: zero?.place.baseAddress)
    }
    if let key, let known = made[key] { return known }
    try charge(8 * scale.count)
    let id = constant(try tensor.quantized(scale: scale, zeroPoint: zero, axis: axis))
    if let key { made[key] = id }
    return id
  }

  /// A constant weight [inputs, outputs] of integers; nil where it is computed.
  private mutating func weight(_ value: ValueID, _ scale: ValueID, _ zeroPoint: ValueID?) throws(ClozeError) -> ValueID?
  {
    guard graph.constant(value) != nil, graph.constant(scale) != nil else { return nil }
    return try dequantize(value, value, scale, zeroPoint, axis: -1)
  }

  private mutating func product(_ a: ValueID, _ b: ValueID, bias: ValueID?, to output: ValueID) {
    guard let bias else {
      emit("MatMul", [a, b], to: output)
      return
    }
    emit("Add", [emit("MatMul", [a, b]), bias], to: output)
  }

  // MARK: - Dynamic quantization

  /// MatMulInteger: the real product except for the scales of both operands, which are multiplied later.
  private mutating func integerProduct(_ node: Node, _ source: Node) -> Bool {
    guard let a = source.input(0), let b = source.input(1), let y = node.output(0), let x = real[a],
      let scale = scales[a]
    else { return false }
    if let right = real[b], let other = scales[b], rowZeroPoints[a] == nil, rowZeroPoints[b] == nil {
      products[y] = Product(left: x, right: .activation(right), missing: [scale, other])
    } else if graph.constant(b) != nil {
      products[y] = Product(
        left: x, right: .weight(b, zeroPoint: node.input(3), scale: nil), missing: [scale],
        rowZeroPoint: rowZeroPoints[a], factors: channelFactors[a])
    } else {
      return false
    }
    add(node)
    return true
  }

  /// A product with scales: with the last scale the integer product becomes the real one.
  private mutating func scaled(_ node: Node, _ source: Node) throws(ClozeError) -> Bool {
    guard source.inputs.count == 2, let y = node.output(0),
      let side = source.inputs.firstIndex(where: { $0.map { products[$0] != nil } ?? false }),
      let value = source.inputs[side], let factor = node.inputs[1 - side], var product = products[value],
      product.rowZeroPoint == nil
    else { return false }
    for factor in factors(factor) {
      if let index = product.missing.firstIndex(of: factor) {
        product.missing.remove(at: index)
      } else if case .weight(let weight, let zero, nil) = product.right, graph.constant(factor) != nil {
        product.right = .weight(weight, zeroPoint: zero, scale: factor)
      } else {
        return false
      }
    }
    switch product.right {
    case .activation(let right) where product.missing.isEmpty: emit("MatMul", [product.left, right], to: y)
    case .weight(let integers, let zero, let scale?) where product.missing.isEmpty:
      guard var weight = try weight(integers, scale, zero) else { return false }
      if let factors = product.factors {
        guard let multiplied = try self.multiplied(weight, factors) else { return false }
        weight = multiplied
      }
      emit("MatMul", [product.left, weight], to: y)
    default:
      products[y] = product
      add(node)
    }
    return true
  }

  /// The factors of a value, as a product of others.
  private func factors(_ value: ValueID) -> [ValueID] {
    var result: [ValueID] = []
    var pending = [value]
    while let next = pending.popLast(), result.count < 8 {
      if let index = graph.producer(of: next), graph.nodes[index].op == "Mul", graph.nodes[index].domain.isEmpty,
        pending.count < 8
      {
        pending += graph.nodes[index].inputs.compactMap { $0 }
      } else {
        result.append(next)
      }
    }
    return result
  }

  // MARK: - Operators on integers

  /// QLinear operators: each operand, and the result, has a scale and a zero point.
  private mutating func integerOperator(_ node: Node, _ source: Node) throws(ClozeError) -> Bool {
    guard let y = node.output(0) else { return false }
    // Operand, scale and zero point are at `index` and after.
    func operand(_ index: Int, axis: Int = -1) throws(ClozeError) -> ValueID? {
      guard let value = source.input(index), let scale = node.input(index + 1) else { return nil }
      return try dequantize(value, node.input(index) ?? value, scale, node.input(index + 2), axis: axis)
    }
    func axes(_ names: [String]) -> Attributes { node.attributes.filter { names.contains($0.name) } }
    var result: ValueID?
    switch node.op {
    case "QLinearMatMul":
      guard let a = try operand(0), let b = try operand(3) else { return false }
      result = emit("MatMul", [a, b])
    case "QLinearAdd", "QLinearMul":
      guard let a = try operand(0), let b = try operand(3) else { return false }
      result = emit(node.op == "QLinearAdd" ? "Add" : "Mul", [a, b])
    case "QLinearSoftmax":
      guard let x = try operand(0) else { return false }
      result = emit("Softmax", [x], axes(["axis"]))
    case "QLinearSigmoid":
      guard let x = try operand(0) else { return false }
      result = emit("Sigmoid", [x])
    case "QLinearReduceMean":
      guard let x = try operand(0) else { return false }
      result = emit("ReduceMean", [x], axes(["axes", "keepdims"]))
    case "QLinearConcat":
      var parts: [ValueID?] = []
      for index in stride(from: 2, to: node.inputs.count, by: 3) {
        guard let part = try operand(index) else { return false }
        parts.append(part)
      }
      result = emit("Concat", parts, axes(["axis"]))
    case "QLinearWhere":
      guard let a = try operand(1), let b = try operand(4) else { return false }
      result = emit("Where", [node.input(0), a, b])
    case "QGemm":
      guard let a = try operand(0), let b = try operand(3, axis: node.int("transB") == 1 ? 0 : 1) else { return false }
      var inputs: [ValueID?] = [a, b]
      if let c = node.input(6) {
        guard let bias = try accumulated(c, node.input(1), node.input(4)) else { return false }
        inputs.append(bias)
      }
      result = emit("Gemm", inputs, axes(["alpha", "transA", "transB"]))
    default: return false
    }
    guard let result else { return false }
    real[y] = result
    scales[y] = result
    return true
  }

  /// A bias of integers, whose scale is that of the activation times that of the weight.
  private mutating func accumulated(_ bias: ValueID, _ a: ValueID?, _ b: ValueID?) throws(ClozeError) -> ValueID? {
    guard let tensor = graph.constant(bias)?.tensor, let a = a.flatMap({ graph.constant($0) })?.tensor,
      let b = b.flatMap({ graph.constant($0) })?.tensor, a.count == 1, b.count >= 1
    else { return nil }
    try charge(4 * b.count)
    var left: [Float] = [0]
    var right = [Float](repeating: 0, count: b.count)
    try left.withUnsafeMutableBufferPointer { x throws(ClozeError) in try a.copyFloat32(to: x) }
    try right.withUnsafeMutableBufferPointer { x throws(ClozeError) in try b.copyFloat32(to: x) }
    let scale = try Tensor.floats(right.map { $0 * left[0] }, shape: [b.count], name: tensor.name + " scale")
    return try quantizedConstant(tensor, scale, nil, axis: 0)
  }
}
