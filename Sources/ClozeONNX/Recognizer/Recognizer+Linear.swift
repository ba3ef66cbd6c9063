internal import ClozeIO

/// Linear layers and their weights.
extension Recognizer {
  /// Whether a use multiplies a value by a weight matrix.
  func isLinear(_ use: Use) -> Bool {
    let node = graph.nodes[use.node]
    guard node.domain.isEmpty, use.index == 0, let weight = node.input(1) else { return false }
    guard node.op == "MatMul" || node.op == "Gemm" else { return false }
    return graph.constant(weight) != nil
  }

  /// The linear layer that begins at `use`, with its bias, and its result.
  ///
  /// - Parameter outputSize: nil: any.
  mutating func linear(_ use: Use, inputSize: Int, outputSize: Int?) throws(ClozeError) -> (
    linear: Linear, output: ValueID
  ) {
    let node = graph.nodes[use.node]
    guard isLinear(use), let weightID = node.input(1), let weight = graph.constant(weightID),
      let made = output(use.node)
    else {
      throw misfit(
        use.node, "\(node.operation) is not a linear layer", expected: "MatMul with a constant weight, or Gemm")
    }
    var transposed = weight.transposed
    if node.op == "Gemm" {
      guard node.float("alpha") ?? 1 == 1, node.float("beta") ?? 1 == 1, (node.int("transA") ?? 0) == 0 else {
        throw misfit(use.node, "Gemm scales or transposes", expected: "alpha 1, beta 1, transA 0")
      }
      if node.int("transB") == 1 { transposed.toggle() }
    }
    let matrix = try matrix(
      weight.tensor, transposed: transposed, inputSize: inputSize, outputSize: outputSize, node: use.node)

    var bias: Tensor?
    var value = made
    if node.op == "Gemm", let third = node.input(2) {
      bias = try biasTensor(third, matrix, node: use.node)
    } else if let add = uses[made].first, uses[made].count == 1, outputNames[made] == nil,
      graph.nodes[add.node].operation == "Add", let other = otherOperand(add), graph.constant(other) != nil,
      let sum = output(add.node)
    {
      bias = try biasTensor(other, matrix, node: add.node)
      value = sum
    }
    note("linear", node.origin ?? (node.op == "Gemm" ? "Gemm" : bias == nil ? "MatMul" : "MatMul, Add"))
    try count(matrix.tensor)
    if let bias { try count(bias) }
    return (Linear(weight: matrix, bias: bias), value)
  }

  func matrix(_ tensor: Tensor, transposed: Bool, inputSize: Int, outputSize: Int?, node: NodeID) throws(ClozeError)
    -> Matrix
  {
    guard tensor.isReal else {
      throw misfit(
        node, "weight \(tensor.label) is not floating-point", expected: "float32, float16 or bfloat16 weights")
    }
    guard tensor.shape.count == 2 else { throw contradiction("weight \(tensor.label) is not a matrix", node: node) }
    let (rows, columns) = (tensor.shape[0], tensor.shape[1])
    let matrix = Matrix(
      tensor: tensor, layout: transposed ? .outIn : .inOut, inputSize: transposed ? columns : rows,
      outputSize: transposed ? rows : columns)
    guard matrix.inputSize == inputSize else {
      throw contradiction("weight \(tensor.label) has \(matrix.inputSize) inputs, expected \(inputSize)", node: node)
    }
    if let outputSize, matrix.outputSize != outputSize {
      throw contradiction("weight \(tensor.label) has \(matrix.outputSize) outputs, expected \(outputSize)", node: node)
    }
    guard matrix.outputSize > 0 else { throw contradiction("weight \(tensor.label) has no outputs", node: node) }
    return matrix
  }

  private func biasTensor(_ value: ValueID, _ matrix: Matrix, node: NodeID) throws(ClozeError) -> Tensor {
    guard let bias = graph.constant(value)?.tensor, bias.isReal else {
      throw misfit(node, "the bias is not a constant", expected: "a constant bias")
    }
    guard bias.count == matrix.outputSize, bias.shape.last == matrix.outputSize,
      let vector = bias.reshaped([bias.count])
    else {
      throw contradiction(
        "bias \(bias.label) does not match weight \(matrix.tensor.label), which has " + "\(matrix.outputSize) outputs",
        node: node)
    }
    return vector
  }

  mutating func count(_ tensor: Tensor) throws(ClozeError) {
    weightBytes[tensor.elementType, default: 0] += tensor.place.count
    guard let quantization = tensor.quantization, tensor.shape.count == 2 else { return }
    let fits = Matrix(tensor: tensor, layout: .inOut, inputSize: tensor.shape[0], outputSize: tensor.shape[1])
      .isStoredInt8
    let rows = Matrix(tensor: tensor, layout: .outIn, inputSize: tensor.shape[1], outputSize: tensor.shape[0])
      .isStoredInt8
    var text = "\(tensor.elementType) \(quantization.label)"
    if let bits = try tensor.bitsUsed() { text += ", \(bits) bits used" }
    text += fits || rows ? ", used as stored" : ", quantized anew for its zero point"
    note(place == "embeddings" ? "tables" : "weights", text)
  }
}
