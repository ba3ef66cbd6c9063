internal import ClozeIO

/// Activations quantized per row: the form that `GraphWriter` writes.
extension Lowering {
  /// A Cast to bytes that ends the quantization of x by the ranges of its rows:
  ///
  ///   high = max(ReduceMax x, 0), low = min(ReduceMin x, 0)
  ///   scale = max((high - low) / 255, tiny), zero = round(-(low / scale))
  ///   bytes = clip(round(x / scale) + zero, 0, 255)
  mutating func quantizedRows(_ node: Node) -> Bool {
    guard node.int("to") == 2, let y = node.output(0), let clip = step("Clip", node.input(0)),
      number(clip.input(1)) == 0, number(clip.input(2)) == 255, let sum = step("Add", clip.input(0)),
      let round = step("Round", sum.input(0)), let quotient = step("Div", round.input(0)), let x = quotient.input(0),
      let scale = quotient.input(1), let zero = sum.input(1), let zeroRound = step("Round", zero),
      let negative = step("Neg", zeroRound.input(0)), let shift = step("Div", negative.input(0)),
      shift.input(1) == scale, let low = shift.input(0), let bounded = step("Max", scale),
      let range = step("Div", bounded.input(0)), number(range.input(1)) == 255, let tiny = number(bounded.input(1)),
      tiny > 0, tiny < 1e-6, let difference = step("Sub", range.input(0)), difference.input(1) == low,
      let minimum = step("Min", low), number(minimum.input(1)) == 0, let maximum = step("Max", difference.input(0)),
      number(maximum.input(1)) == 0, let reduceMin = step("ReduceMin", minimum.input(0)), reduceMin.input(0) == x,
      let reduceMax = step("ReduceMax", maximum.input(0)), reduceMax.input(0) == x,
      [reduceMin, reduceMax].allSatisfy({ $0.ints("axes") == [-1] && $0.int("keepdims") ?? 1 == 1 })
    else { return false }
    add(node)
    var origin = x
    if let product = step("Mul", x), let source = product.input(0), let other = product.input(1),
      let (factors, _) = graph.constant(other), factors.elementType == .float32, factors.shape.count == 1,
      factors.count > 1
    {
      origin = source
      channelFactors[y] = factors
    }
    real[y] = origin
    scales[y] = scale
    rowZeroPoints[y] = zero
    return true
  }

  /// An integer product minus its rows' zero points times the weights' column sums: the product without zero
  /// points.
  mutating func withoutZeroPoints(_ node: Node, _ source: Node) throws(ClozeError) -> Bool {
    guard let value = source.input(0), var product = products[value], let y = node.output(0),
      let zero = product.rowZeroPoint, let times = step("Mul", node.input(1)), let cast = step("Cast", times.input(0)),
      cast.input(0) == zero, cast.int("to") == 6, let sums = times.input(1).flatMap({ graph.constant($0) })?.tensor,
      case .weight(let weight, let point, nil) = product.right, try isSum(sums, of: weight, zeroPoint: point)
    else { return false }
    product.rowZeroPoint = nil
    products[y] = product
    add(node)
    return true
  }

  /// A weight with the factors of its inputs; nil where their number differs.
  mutating func multiplied(_ weight: ValueID, _ factors: Tensor) throws(ClozeError) -> ValueID? {
    guard let (tensor, transposed) = graph.constant(weight) else { return nil }
    try charge(4 * factors.count)
    var numbers = [Float](repeating: 0, count: factors.count)
    try numbers.withUnsafeMutableBufferPointer { buffer throws(ClozeError) in try factors.copyFloat32(to: buffer) }
    guard numbers.allSatisfy(\.isFinite), let made = tensor.multiplied(by: numbers, axis: transposed ? 1 : 0) else {
      return nil
    }
    let id = constant(made)
    return transposed ? emit("Transpose", [id], [("perm", .ints([1, 0]))]) : id
  }

  // MARK: - Parts

  /// The producer of a value, if it is this operator.
  func step(_ op: String, _ value: ValueID?) -> Node? {
    guard let value, let index = graph.producer(of: value), graph.nodes[index].operation == op else { return nil }
    return graph.nodes[index]
  }

  /// A constant of one element.
  private func number(_ value: ValueID?) -> Float? {
    guard let tensor = value.flatMap({ graph.constant($0) })?.tensor, tensor.count == 1, tensor.elementType.isFloat
    else { return nil }
    var number: Float = 0
    let copied = withUnsafeMutablePointer(to: &number) {
      (try? tensor.copyFloat32(to: UnsafeMutableBufferPointer(start: $0, count: 1))) != nil
    }
    return copied ? number : nil
  }

  /// Whether integers are the column sums of a weight without its zero point.
  private func isSum(_ sums: Tensor, of weight: ValueID, zeroPoint: ValueID?) throws(ClozeError) -> Bool {
    guard let (tensor, transposed) = graph.constant(weight), tensor.shape.count == 2,
      tensor.elementType == .uint8 || tensor.elementType == .int8, sums.elementType == .int32,
      sums.shape == [tensor.shape[transposed ? 0 : 1]]
    else { return false }
    var zero = 0
    if let zeroPoint {
      guard let point = graph.constant(zeroPoint)?.tensor, point.count == 1, point.elementType == tensor.elementType,
        let byte = try point.bytes().first
      else { return false }
      zero = tensor.elementType == .int8 ? Int(Int8(bitPattern: byte)) : Int(byte)
    }
    let (rows, columns) = (tensor.shape[0], tensor.shape[1])
    var totals = [Int](repeating: 0, count: sums.count)
    let isSigned = tensor.elementType == .int8
    let bytes = try tensor.bytes()
    for row in 0..<rows {
      for column in 0..<columns {
        let byte = bytes[row &* columns &+ column]
        let value = (isSigned ? Int(Int8(bitPattern: byte)) : Int(byte)) &- zero
        totals[transposed ? row : column] &+= value
      }
    }
    let stored = try sums.bytes()
    return totals.indices.allSatisfy {
      totals[$0] == Int(stored.loadUnaligned(fromByteOffset: 4 &* $0, as: Int32.self))
    }
  }
}
