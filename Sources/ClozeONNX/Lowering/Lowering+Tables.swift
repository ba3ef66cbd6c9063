internal import ClozeIO

/// Weights and tables in other forms than a tensor of real numbers and a lookup: stored in few bits and widened by
/// plain operators, or multiplied by one-hot rows.
extension Lowering {
  /// Whether a node can begin one of these forms.
  static func hasTableForm(_ node: Node, in graph: Graph) -> Bool {
    switch node.op {
    case "OneHot": return true
    case "Cast":
      guard let value = node.input(0) else { return false }
      if let tensor = graph.constant(value)?.tensor { return isSmall(tensor) }
      return graph.producer(of: value).map { graph.nodes[$0].op == "Gather" } ?? false
    default: return false
    }
  }

  /// Whether elements take two bytes or one.
  private static func isSmall(_ tensor: Tensor) -> Bool { tensor.elementType.size <= 2 && tensor.elementType != .bool }

  /// Mul(Cast(weights), scales), or Mul(Cast(weights) - zero points, scales): the weights with a quantization.
  ///
  /// Scales and zero points are one number, or one for each index of an axis.
  mutating func widened(_ node: Node) throws(ClozeError) -> Bool {
    guard node.inputs.count == 2, let y = node.output(0) else { return false }
    for (value, factor) in [(node.input(0), node.input(1)), (node.input(1), node.input(0))] {
      guard let value, let factor, let scale = constant(factor), scale.elementType.isFloat else { continue }
      var stored = value
      var zero: Tensor?
      if let difference = step("Sub", value), let left = difference.input(0), let right = difference.input(1) {
        guard let found = constant(right) else { continue }
        (stored, zero) = (left, found)
      }
      // A tensor of real numbers is a factor like any other.
      guard let cast = step("Cast", stored), let (tensor, transposed) = graph.constant(stored), cast.int("to") != nil,
        tensor.quantization == nil, Lowering.isSmall(tensor), tensor.count > scale.count || tensor.shape.count == 1,
        !tensor.elementType.isFloat || zero == nil,
        let made = try scaled(tensor, transposed: transposed, scale, zero)
      else { continue }
      real[y] = transposed ? emit("Transpose", [made], [("perm", .ints([1, 0]))]) : made
      return true
    }
    return false
  }

  /// Mul(Cast(rows) - zero point, scales) with rows of a table, and scales, gathered by the same ids: rows of the
  /// real table. A scale for all rows, or one for each column, is a constant.
  mutating func storedRows(_ node: Node) throws(ClozeError) -> Bool {
    guard node.inputs.count == 2, let y = node.output(0) else { return false }
    for (value, factor) in [(node.input(0), node.input(1)), (node.input(1), node.input(0))] {
      guard let value, let factor else { continue }
      var stored = value
      var zero: Tensor?
      if let difference = step("Sub", value) {
        guard let left = difference.input(0), let found = difference.input(1).flatMap({ constant($0) }) else {
          continue
        }
        (stored, zero) = (left, found)
      }
      guard let cast = step("Cast", stored), let rows = step("Gather", cast.input(0)), (rows.int("axis") ?? 0) == 0,
        let ids = rows.input(1), let (table, transposed) = rows.input(0).flatMap({ graph.constant($0) }), !transposed,
        table.quantization == nil, Lowering.isSmall(table), !table.elementType.isFloat, table.shape.count == 2
      else { continue }
      var scale: Tensor?
      if let gathered = step("Gather", factor) {
        guard gathered.input(1) == ids, (gathered.int("axis") ?? 0) == 0 else { continue }
        scale = gathered.input(0).flatMap { constant($0) }
        guard scale?.shape == [table.shape[0], 1] else { continue }
      } else {
        scale = constant(factor)
        guard let shape = scale?.shape, shape.count < 2 || shape.dropLast().allSatisfy({ $0 == 1 }) else { continue }
      }
      guard let scale, scale.elementType.isFloat, zero?.count ?? 1 == 1,
        let made = try scaled(table, transposed: false, scale, zero)
      else { continue }
      emit("Gather", [made, ids], [("axis", .int(0))], to: y)
      return true
    }
    return false
  }

  /// MatMul(OneHot(ids, rows, [0, 1]), table): rows of the table.
  mutating func oneHotRows(_ node: Node) -> Bool {
    guard node.op == "MatMul", let y = node.output(0), let table = node.input(1),
      let (tensor, transposed) = graph.constant(table), !transposed, tensor.shape.count == 2,
      let hot = step("OneHot", step("Cast", node.input(0))?.input(0) ?? node.input(0)), (hot.int("axis") ?? -1) == -1,
      let ids = hot.input(0),
      hot.input(1).flatMap({ constant($0) }).flatMap({ Probe.constant($0).scalar }) == Double(tensor.shape[0]),
      hot.input(2).flatMap({ constant($0) }).flatMap({ Probe.constant($0).elements }) == [0, 1]
    else { return false }
    emit("Gather", [table, ids], [("axis", .int(0))], to: y)
    return true
  }

  // MARK: - Parts

  /// A constant tensor that no Transpose turns.
  private func constant(_ value: ValueID) -> Tensor? {
    guard let (tensor, transposed) = graph.constant(value), !transposed else { return nil }
    return tensor
  }

  /// A constant of integers or small floats with a quantization; nil where scales or zero points match no axis.
  ///
  /// - Parameters:
  ///   - transposed: whether scales are those of the transpose.
  ///   - scale: broadcast to the tensor.
  ///   - zero: broadcast to the tensor, in real numbers; nil: 0.
  /// - Throws: `.notFinite` for a scale that is NaN or infinite.
  private mutating func scaled(_ tensor: Tensor, transposed: Bool, _ scale: Tensor, _ zero: Tensor?) throws(ClozeError)
    -> ValueID?
  {
    let shape = transposed ? tensor.shape.reversed() : tensor.shape
    /// The axis along which a tensor varies; nil inside where it is one number.
    func axis(_ part: Tensor) -> Int?? {
      guard part.shape.count <= shape.count else { return nil }
      let offset = shape.count - part.shape.count
      let wide = part.shape.indices.filter { part.shape[$0] != 1 }
      guard wide.count <= 1 else { return nil }
      guard let index = wide.first else { return .some(nil) }
      return part.shape[index] == shape[index + offset] ? index + offset : nil
    }
    guard let scaleAxis = axis(scale), let zeroAxis = zero.map({ axis($0) }) ?? .some(nil),
      zeroAxis == nil || zeroAxis == scaleAxis
    else { return nil }
    let key = tensor.place.baseAddress.map {
      Made(
        address: $0, count: tensor.place.count, ranges: [], scale: scale.place.baseAddress,
        zeroPoint: zero?.place.baseAddress)
    }
    if let key, let known = made[key] { return known }
    try charge(12 * scale.count)
    try scale.checkFinite()
    let scales = try numbers(of: scale)
    let zeros = try zero.map { zero throws(ClozeError) in try numbers(of: zero) } ?? [0]
    guard scales.allSatisfy({ $0 >= 0 }), zeros.allSatisfy({ $0 == $0.rounded() && abs($0) <= 65536 }) else {
      return nil
    }
    let points = scales.indices.map { Int32(zeros[zeros.count == 1 ? 0 : $0]) }
    let id = constant(
      Tensor(
        name: tensor.name, elementType: tensor.elementType, shape: tensor.shape, place: tensor.place,
        quantization: Quantization(
          scales: scales, zeroPoints: points, axis: scaleAxis.map { transposed ? shape.count - 1 - $0 : $0 }),
        file: tensor.file, owner: tensor.owner))
    if let key { made[key] = id }
    return id
  }

  private func numbers(of tensor: Tensor) throws(ClozeError) -> [Float] {
    var numbers = [Float](repeating: 0, count: tensor.count)
    try numbers.withUnsafeMutableBufferPointer { buffer throws(ClozeError) in try tensor.copyFloat32(to: buffer) }
    return numbers
  }
}
