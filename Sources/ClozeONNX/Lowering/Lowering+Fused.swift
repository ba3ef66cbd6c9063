internal import ClozeIO

/// Fused operators on real numbers.
extension Lowering {
  /// Lowers a fused operator on real numbers; false for other nodes.
  mutating func fused(_ node: Node) throws(ClozeError) -> Bool {
    guard node.domain == "com.microsoft" else { return false }
    guard let x = node.input(0), let y = node.output(0) else { return false }
    switch node.op {
    case "EmbedLayerNormalization": return embeddings(node)
    case "QEmbedLayerNormalization": return try quantizedEmbeddings(node)
    case "SkipLayerNormalization":
      // x, skip, gamma, beta, bias
      guard let skip = node.input(1) else { return false }
      let sum = node.output(3) ?? value()
      let biased = node.input(4).map { emit("Add", [x, $0]) } ?? x
      emit("Add", [biased, skip], to: sum)
      norm(sum, node.input(2), node.input(3), node, to: y)
    case "BiasGelu":
      guard let bias = node.input(1) else { return false }
      emit("Gelu", [emit("Add", [x, bias])], domain: "com.microsoft", to: y)
    case "FastGelu":
      guard let bias = node.input(1) else { return false }
      emit("FastGelu", [emit("Add", [x, bias])], domain: "com.microsoft", to: y)
    case "GemmFastGelu":
      guard let weight = node.input(1) else { return false }
      var product = emit("MatMul", [x, weight])
      if let bias = node.input(2) { product = emit("Add", [product, bias]) }
      emit("FastGelu", [product], domain: "com.microsoft", to: y)
    case "FusedMatMul", "TransposeMatMul": return matrixProduct(node, x, to: y)
    case "FusedGemm":
      guard case .string(let activation)? = node.attribute("activation"),
        ["Relu", "Tanh", "Sigmoid"].contains(activation)
      else { return false }
      let attributes = node.attributes.filter { !$0.name.hasPrefix("activation") }
      emit(activation, [emit("Gemm", node.inputs, attributes)], to: y)
    case "BiasSoftmax":
      guard let bias = node.input(1) else { return false }
      emit("Softmax", [emit("Add", [x, bias])], node.attributes.filter { $0.name == "axis" }, to: y)
    case "MatMulNBits": return try smallWeights(node, x, to: y)
    case "LayerNormalization": emit(node.op, node.inputs, node.attributes, to: y)
    default: return false
    }
    return true
  }

  // MARK: - Embeddings

  /// EmbedLayerNormalization: ids, segments, word, position and segment tables, gamma, beta, mask, positions ->
  /// normalised, number of tokens, sum.
  private mutating func embeddings(_ node: Node) -> Bool {
    guard let ids = node.input(0), let word = node.input(2), let position = node.input(3), let y = node.output(0) else {
      return false
    }
    let rows = node.input(8) ?? emit(Lowering.positions, [ids], domain: Lowering.domain)
    var sum = emit("Gather", [word, ids])
    if let segments = node.input(1), let table = node.input(4) {
      sum = emit("Add", [sum, emit("Gather", [table, segments])])
    }
    sum = emit("Add", [sum, emit("Gather", [position, rows])], to: node.output(2))
    norm(sum, node.input(5), node.input(6), node, to: y)
    if let count = node.output(1) {
      if let mask = node.input(7) {
        emit("ReduceSum", [mask], [("axes", .ints([1])), ("keepdims", .int(0))], to: count)
      }
    }
    return true
  }

  /// QEmbedLayerNormalization, with every table and vector quantized: ids, segments, word, position and segment
  /// tables, gamma, beta, mask, five scales, five zero points.
  private mutating func quantizedEmbeddings(_ node: Node) throws(ClozeError) -> Bool {
    var plain = node
    plain.inputs = Array(repeating: nil, count: 9)
    plain.inputs[0] = node.input(0)
    plain.inputs[1] = node.input(1)
    plain.inputs[7] = node.input(7)
    for i in 0..<5 {
      guard let id = node.input(2 + i) else { continue }
      guard let tensor = graph.constant(id)?.tensor,
        let scale = node.input(8 + i).flatMap({ graph.constant($0) })?.tensor
      else { return false }
      plain.inputs[2 + i] = try quantizedConstant(tensor, scale, node.input(13 + i), axis: 0)
    }
    return embeddings(plain)
  }

  private mutating func norm(_ x: ValueID, _ gamma: ValueID?, _ beta: ValueID?, _ node: Node, to output: ValueID) {
    // The attribute's default, from the operators' definitions.
    let epsilon = node.attribute("epsilon") ?? .float(1e-12)
    emit(
      "LayerNormalization", beta == nil ? [x, gamma] : [x, gamma, beta], [("epsilon", epsilon), ("axis", .int(-1))],
      to: output)
  }

  // MARK: - Products

  /// FusedMatMul: alpha A B, either transposed. Computed operands are split into heads: four dimensions.
  private mutating func matrixProduct(_ node: Node, _ x: ValueID, to output: ValueID) -> Bool {
    guard let weight = node.input(1), (node.int("transBatchA") ?? 0) == 0, (node.int("transBatchB") ?? 0) == 0 else {
      return false
    }
    func transposed(_ value: ValueID) -> ValueID {
      let perm = graph.constant(value)?.tensor.shape.count == 2 ? [1, 0] : [0, 1, 3, 2]
      return emit("Transpose", [value], [("perm", .ints(perm))])
    }
    let a = node.int("transA") == 1 ? transposed(x) : x
    let b = node.int("transB") == 1 ? transposed(weight) : weight
    let alpha = node.float("alpha") ?? 1
    if alpha == 1 {
      emit("MatMul", [a, b], to: output)
    } else if let factor = try? Tensor.floats([Float(alpha)], shape: [], name: "alpha") {
      emit("Mul", [emit("MatMul", [a, b]), constant(factor)], to: output)
    }
    return true
  }

  /// MatMulNBits: A, B [N, blocks of K, bytes], scales [N, blocks], zero points, order of groups, bias. Weights
  /// of 2, 4 or 8 bits in blocks of K, each with a scale; dequantized to float32, as int8 with a scale per
  /// output cannot represent them.
  private mutating func smallWeights(_ node: Node, _ x: ValueID, to output: ValueID) throws(ClozeError) -> Bool {
    let bits = node.int("bits") ?? 4
    guard let k = node.int("K"), let n = node.int("N"), let block = node.int("block_size"), [2, 4, 8].contains(bits),
      k > 0, n > 0, block >= 16, k <= 1 << 20, n <= 1 << 24, block <= 1 << 20, node.input(4) == nil,
      let packed = node.input(1).flatMap({ graph.constant($0) })?.tensor,
      let scale = node.input(2).flatMap({ graph.constant($0) })?.tensor
    else { return leave(node, "only weights of 2, 4 or 8 bits in blocks without reordering are supported") }
    let blocks = (k + block - 1) / block
    let blob = block * bits / 8
    guard packed.elementType == .uint8, packed.count == n * blocks * blob, scale.elementType.isFloat,
      scale.count == n * blocks
    else { throw ClozeError(.shape, "\(packed.label) with \(scale.label) is not a \(k) x \(n) matrix of \(bits) bits") }
    let perByte = 8 / bits
    let zeroBytes = (blocks + perByte - 1) / perByte
    var zeros: Tensor?
    if let given = node.input(3) {
      zeros = graph.constant(given)?.tensor
      guard let zeros,
        zeros.elementType == .uint8
          ? zeros.count == n * zeroBytes : zeros.elementType.isFloat && zeros.count == n * blocks
      else { return leave(node, "the type or shape of its zero points is not supported") }
    }
    try charge(4 * n * k / 8)
    var scales = [Float](repeating: 0, count: n * blocks)
    try scales.withUnsafeMutableBufferPointer { s throws(ClozeError) in try scale.copyFloat32(to: s) }
    var points = [Float](repeating: Float(1 << (bits - 1)), count: n * blocks)
    let mask: UInt8 = bits == 8 ? 255 : (1 << UInt8(bits)) - 1
    if let zeros, zeros.elementType == .uint8 {
      let zeros = try zeros.bytes()
      for row in 0..<n {
        for b in 0..<blocks {
          let byte = zeros[row * zeroBytes + b / perByte]
          points[row * blocks + b] = Float((byte >> UInt8(b % perByte * bits)) & mask)
        }
      }
    } else if let zeros {
      try points.withUnsafeMutableBufferPointer { p throws(ClozeError) in try zeros.copyFloat32(to: p) }
    }
    let memory = try TensorMemory(4 * n * k)
    let target = memory.bytes.bindMemory(to: Float.self)
    let integers = try packed.bytes()
    for row in 0..<n {
      for i in 0..<k {
        let b = row * blocks + i / block
        let at = i % block
        let byte = integers[b * blob + at / perByte]
        let q = (byte >> UInt8(at % perByte * bits)) & mask
        target[row * k + i] = (Float(q) - points[b]) * scales[b]
      }
    }
    let weight = constant(Tensor(name: packed.name, .float32, [n, k], memory))
    let product = emit("MatMul", [x, emit("Transpose", [weight], [("perm", .ints([1, 0]))])])
    if let bias = node.input(5) { emit("Add", [product, bias], to: output) } else { real[output] = product }
    return true
  }
}
