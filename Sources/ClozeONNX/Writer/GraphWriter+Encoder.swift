internal import ClozeIO

/// Embeddings and layers.
extension GraphWriter {
  mutating func embeddings() throws(ClozeError) -> Value {
    let parts = graph.embeddings
    scope = prefix + "embeddings"
    let width = parts.width
    var sum = try words(parts.word)
    if let types = parts.tokenType {
      if takesTypes {
        let table = try table(types, "\(scope).token_type_embeddings.weight")
        sum = node("Add", [sum, node("Gather", [table, "token_type_ids"], [("axis", .int(0))])])
      } else {
        let row = try vector(types, "\(scope).token_type_embeddings.weight")
        sum = node("Add", [sum, row])
      }
    }
    let positions = try table(parts.position, "\(scope).position_embeddings.weight")
    let length = node("Shape", ["input_ids"], [("start", .int(1)), ("end", .int(2))])
    let rows = node("Slice", [positions, try constant([0]), length, try constant([0])])
    sum = node("Add", [sum, rows])
    let normed = try norm(sum, parts.norm, width, "\(scope).LayerNorm")
    guard let projection = parts.projection else { return normed }
    scope = prefix + "embeddings_project"
    return try linear(normed, projection, scope)
  }

  /// The bias of attention scores [B, 1, 1, S]: 0 for a token, the lowest float32 number for padding.
  mutating func maskBias() throws(ClozeError) -> Value {
    scope = prefix + "mask"
    let four = node("Unsqueeze", ["attention_mask", try constant([1, 2])])
    let kept = node("Cast", [four], [("to", .int(1))])
    let left = node("Sub", [try constant(1 as Float), kept])
    return node("Mul", [left, try constant(-Float.greatestFiniteMagnitude)])
  }

  /// The bias of attention scores [1, H, S, S] by relative position; nil: none.
  mutating func attentionBias() throws(ClozeError) -> Value? {
    guard let bias = graph.attentionBias else { return nil }
    scope = prefix + "encoder.relative_attention_bias"
    let name = "\(scope).weight"
    try document.tensor(name, .float32, bias.shape) { () throws(ClozeError) in try bias.asFloat32() }
    let length = node("Squeeze", [node("Shape", ["input_ids"], [("start", .int(1)), ("end", .int(2))])])
    let places = node("Range", [try constant(0), length, try constant(1)])
    let offsets = node(
      "Sub", [node("Unsqueeze", [places, try constant([0])]), node("Unsqueeze", [places, try constant([1])])])
    // From here on all distances have one bucket.
    let far = RelativePosition.farDistance
    let near = node("Min", [node("Max", [offsets, try constant(-far)]), try constant(far)])
    let buckets = try constant((-far...far).map { RelativePosition.bucket($0) })
    let rows = node("Gather", [buckets, node("Add", [near, try constant(far)])], [("axis", .int(0))])
    let values = node("Gather", [name, rows], [("axis", .int(0))])
    return node("Unsqueeze", [node("Transpose", [values], [("perm", .ints([2, 0, 1]))]), try constant([0])])
  }

  mutating func layer(_ layer: BERTGraph.Layer, _ index: Int, _ x: Value, _ mask: Value, _ bias: Value?, name: Value?)
    throws(ClozeError) -> Value
  {
    let width = configuration.hiddenSize
    let heads = configuration.numAttentionHeads
    let base = "\(prefix)encoder.layer.\(index)"
    let splitShape = try constant([0, 0, heads, width / max(heads, 1)])
    let mergedShape = try constant([0, 0, width])
    quantizedRows = [:]

    scope = "\(base).attention.self"
    func split(_ value: Value, _ order: [Int]) -> Value {
      node("Transpose", [node("Reshape", [value, splitShape])], [("perm", .ints(order))])
    }
    let query = split(try linear(x, layer.query, "\(scope).query"), [0, 2, 1, 3])
    let key = split(try linear(x, layer.key, "\(scope).key"), [0, 2, 3, 1])
    let value = split(try linear(x, layer.value, "\(scope).value"), [0, 2, 1, 3])
    var scaled = node("Mul", [node("MatMul", [query, key]), try constant(Float(layer.attentionScale))])
    if let bias { scaled = node("Add", [scaled, bias]) }
    let probabilities = node("Softmax", [node("Add", [scaled, mask])], [("axis", .int(-1))])
    let context = node("Transpose", [node("MatMul", [probabilities, value])], [("perm", .ints([0, 2, 1, 3]))])
    let merged = node("Reshape", [context, mergedShape])

    scope = "\(base).attention.output"
    let attended = try linear(merged, layer.attentionOutput, "\(scope).dense")
    let normalized = try norm(node("Add", [attended, x]), layer.attentionNorm, width, "\(scope).LayerNorm")

    scope = "\(base).intermediate"
    let activated = try activation(linear(normalized, layer.intermediate, "\(scope).dense"), configuration.hiddenAct)
    scope = "\(base).output"
    let output = try linear(activated, layer.output, "\(scope).dense")
    return try norm(node("Add", [output, normalized]), layer.outputNorm, width, "\(scope).LayerNorm", to: name)
  }

  mutating func norm(_ x: Value, _ norm: LayerNorm, _ width: Int, _ name: String, to output: Value? = nil)
    throws(ClozeError) -> Value
  {
    func filled(_ tensor: Tensor?, with value: Float) throws(ClozeError) -> Tensor {
      if let tensor { return tensor }
      return try Tensor.floats(Array(repeating: value, count: width), shape: [width], name: name)
    }
    let gamma = try vector(filled(norm.gamma, with: 1), name + ".weight")
    let beta = try vector(filled(norm.beta, with: 0), name + ".bias")
    return node(
      "LayerNormalization", [x, gamma, beta], [("axis", .int(-1)), ("epsilon", .float(Float(norm.epsilon)))], to: output
    )
  }

  mutating func activation(_ x: Value, _ function: Activation) throws(ClozeError) -> Value {
    switch function {
    case .identity: return x
    case .gelu:
      let scaled = node("Div", [x, try constant(Float(2).squareRoot())])
      let sum = node("Add", [node("Erf", [scaled]), try constant(1 as Float)])
      return node("Mul", [node("Mul", [x, sum]), try constant(0.5 as Float)])
    case .geluTanh:
      // 0.7978845608 = sqrt(2 / pi)
      let cube = node("Pow", [x, try constant(3 as Float)])
      let inner = node("Add", [x, node("Mul", [cube, try constant(0.044715 as Float)])])
      let curve = node("Tanh", [node("Mul", [inner, try constant(0.7978845608 as Float)])])
      let sum = node("Add", [curve, try constant(1 as Float)])
      return node("Mul", [node("Mul", [x, try constant(0.5 as Float)]), sum])
    case .quickGelu: return node("Mul", [x, node("Sigmoid", [node("Mul", [x, try constant(1.702 as Float)])])])
    case .relu: return node("Relu", [x])
    case .silu: return node("Mul", [x, node("Sigmoid", [x])])
    case .tanh: return node("Tanh", [x])
    }
  }
}
