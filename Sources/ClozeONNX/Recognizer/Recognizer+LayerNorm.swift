internal import ClozeIO

/// Layer normalisation, as one operator or decomposed.
extension Recognizer {
  /// Whether a use begins a layer normalisation.
  func startsNorm(_ use: Use) -> Bool {
    let operation = graph.nodes[use.node].operation
    return use.index == 0 && (operation == "LayerNormalization" || operation == "ReduceMean")
  }

  /// The layer normalisation of `value`, and its result.
  mutating func layerNorm(_ value: ValueID) throws(ClozeError) -> (norm: LayerNorm, output: ValueID) {
    if let use = uses[value].first(where: { $0.index == 0 && graph.nodes[$0.node].operation == "LayerNormalization" }) {
      return try nativeNorm(use)
    }
    return try decomposedNorm(value)
  }

  /// `LayerNormalization`, operator set 17.
  ///
  /// - Parameter width: elements of a row; nil: the hidden size.
  mutating func nativeNorm(_ use: Use, width: Int? = nil) throws(ClozeError) -> (norm: LayerNorm, output: ValueID) {
    let node = graph.nodes[use.node]
    let rank = node.input(0).flatMap { probes[0].values[$0]?.shape.count } ?? 3
    guard Probe.axis(node.int("axis") ?? -1, rank) == rank - 1, let made = output(use.node) else {
      throw misfit(use.node, "LayerNormalization is not over the last axis", expected: "axis -1")
    }
    var gamma: Tensor?
    if let scale = node.input(1) {
      if graph.constant(scale) != nil {
        gamma = try vector(scale, "scale", node: use.node, width: width)
      } else if probes[0].values[scale]?.elements?.allSatisfy({ $0 == 1 }) != true {
        throw misfit(use.node, "the scale is not a constant", expected: "a constant scale")
      }
    }
    let beta = try node.input(2).map { id throws(ClozeError) in
      try vector(id, "bias", node: use.node, width: width)
    }
    // The attribute's default, from the operator's definition.
    let epsilon = node.float("epsilon") ?? Double(Float(1e-5))
    note("layer norm", node.origin ?? "LayerNormalization")
    return (LayerNorm(gamma: gamma, beta: beta, epsilon: decimal(epsilon)), made)
  }

  /// ReduceMean, Sub, Pow or Mul, ReduceMean, Add, Sqrt, Div or Mul, then Mul gamma, Add beta.
  ///
  /// Epsilon is computed: for a sample x of mean 0 and variance v the quotient is x / sqrt(v + epsilon), which is
  /// solved for epsilon.
  private mutating func decomposedNorm(_ value: ValueID) throws(ClozeError) -> (norm: LayerNorm, output: ValueID) {
    let expected = "a layer normalisation over the last axis"
    let means = uses[value].filter { $0.index == 0 && graph.nodes[$0.node].operation == "ReduceMean" }.compactMap {
      output($0.node)
    }
    guard !means.isEmpty else { throw misfit(usersOf: value, expected) }

    for centred in uses[value] where centred.index == 0 && graph.nodes[centred.node].operation == "Sub" {
      guard let mean = root(centred.node, 1), means.contains(mean), let d = output(centred.node) else { continue }
      for quotient in uses[d] {
        let op = graph.nodes[quotient.node].operation
        guard (op == "Div" && quotient.index == 0) || op == "Mul", let other = otherOperand(quotient), other != d,
          graph.constant(other) == nil, let n = output(quotient.node), let epsilon = epsilon(of: n, from: value)
        else { continue }
        note("layer norm", op == "Div" ? "ReduceMean, Sub, Pow, Sqrt, Div" : "ReduceMean, Sub, Pow, Sqrt, Mul")
        return try affine(n, epsilon: epsilon)
      }
    }
    if let found = try factoredNorm(value, means: means) { return found }
    let first = uses[value].first { startsNorm($0) }
    throw misfit(
      first?.node, "this is not a layer normalisation, although it begins like one",
      expected: "(x - mean) / sqrt(variance + epsilon)")
  }

  /// TensorFlow's form: x s + (beta - mean s) with s = gamma / sqrt(variance + epsilon).
  private mutating func factoredNorm(_ value: ValueID, means: [ValueID]) throws(ClozeError) -> (
    norm: LayerNorm, output: ValueID
  )? {
    for use in uses[value] where graph.nodes[use.node].operation == "Mul" {
      guard let scale = otherOperand(use), graph.constant(scale) == nil, let scaled = output(use.node),
        let add = uses[scaled].first, uses[scaled].count == 1, graph.nodes[add.node].operation == "Add",
        let shift = otherOperand(add), let result = output(add.node), let difference = producer(shift),
        graph.nodes[difference].operation == "Sub", let beta = root(difference, 0), graph.constant(beta) != nil,
        let moved = root(difference, 1), let product = producer(moved), graph.nodes[product].operation == "Mul",
        let left = root(product, 0), let right = root(product, 1),
        (left == scale && means.contains(right)) || (right == scale && means.contains(left))
      else { continue }
      var factor = scale
      var gamma: Tensor?
      if let node = producer(scale), graph.nodes[node].operation == "Mul", let a = root(node, 0), let b = root(node, 1)
      {
        if graph.constant(a) != nil {
          (gamma, factor) = (try vector(a, "scale", node: node), b)
        } else if graph.constant(b) != nil {
          (gamma, factor) = (try vector(b, "scale", node: node), a)
        }
      }
      guard let epsilon = epsilon(ofFactor: factor, from: value) else { continue }
      note("layer norm", "ReduceMean, Mul, Sqrt, Reciprocal, Mul, Sub, Add")
      let norm = LayerNorm(gamma: gamma, beta: try vector(beta, "bias", node: difference), epsilon: epsilon)
      return (norm, result)
    }
    return nil
  }

  /// The epsilon with which `factor` is 1 / sqrt(variance + epsilon) of `x`; nil where it is another function.
  private func epsilon(ofFactor factor: ValueID, from x: ValueID) -> Double? {
    let (sample, variance) = sample()
    let given = [x: Probe.Value(.float32, [1, 1, sample.count], sample)]
    guard case .known(let result, _) = probes[0].evaluate(factor, given: given), let y = result.scalar, y > 0 else {
      return nil
    }
    let epsilon = 1 / (y * y) - variance
    guard epsilon > -1e-18, epsilon < 1 else { return nil }
    return decimal(Swift.max(epsilon, 0))
  }

  /// Values of mean 0 and about 1e-6, whose variance does not absorb an epsilon of 1e-12.
  private func sample() -> (elements: [Double], variance: Double) {
    let n = Swift.max(hiddenSize, 2)
    var sample: [Double] = []
    for i in 0..<n {
      let magnitude = 1 + Double(i % 7) / 8
      sample.append(i % 2 == 0 ? 1e-6 * magnitude : -1e-6 * magnitude)
    }
    let mean: Double = sample.reduce(0, +) / Double(n)
    for i in sample.indices { sample[i] -= mean }
    var variance = 0.0
    for element in sample { variance += element * element / Double(n) }
    return (sample, variance)
  }

  /// The epsilon with which `quotient` is (x - mean) / sqrt(variance + epsilon); nil where it is another function.
  private func epsilon(of quotient: ValueID, from x: ValueID) -> Double? {
    let (sample, variance) = sample()
    let n = sample.count
    let given = [x: Probe.Value(.float32, [1, 1, n], sample)]
    guard case .known(let result, _) = probes[0].evaluate(quotient, given: given), let y = result.elements,
      y.count == n, y[0] != 0
    else { return nil }
    let ratio: Double = sample[0] / y[0]
    let epsilon: Double = ratio * ratio - variance
    guard epsilon > -1e-18, epsilon < 1 else { return nil }
    for i in sample.indices where !(abs(y[i] * abs(ratio) - sample[i]) <= 1e-9 * 1e-6) { return nil }
    return decimal(Swift.max(epsilon, 0))
  }

  /// Mul gamma and Add beta, each optional.
  private func affine(_ value: ValueID, epsilon: Double) throws(ClozeError) -> (norm: LayerNorm, output: ValueID) {
    var norm = LayerNorm(gamma: nil, beta: nil, epsilon: epsilon)
    var current = value
    for op in ["Mul", "Add"] {
      guard uses[current].count == 1, let use = uses[current].first, graph.nodes[use.node].operation == op,
        let other = otherOperand(use), graph.constant(other) != nil, let made = output(use.node)
      else { continue }
      let tensor = try vector(other, op == "Mul" ? "scale" : "bias", node: use.node)
      if op == "Mul" { norm.gamma = tensor } else { norm.beta = tensor }
      current = made
    }
    return (norm, current)
  }

  private func vector(_ value: ValueID, _ role: String, node: NodeID, width: Int? = nil) throws(ClozeError) -> Tensor {
    let width = width ?? hiddenSize
    guard let tensor = graph.constant(value)?.tensor, tensor.isReal else {
      throw misfit(node, "the layer normalisation's \(role) is not a constant", expected: "a constant vector")
    }
    guard tensor.count == width, tensor.shape.last == width, let vector = tensor.reshaped([width]) else {
      throw contradiction(
        "the layer normalisation's \(role) \(tensor.label) does not match the \(width) columns before it", node: node)
    }
    return vector
  }

  /// A float32 constant as its shortest decimal: 1e-12, not 9.99999996e-13.
  func decimal(_ value: Double) -> Double { Double(Float(value).description) ?? value }
}
