internal import ClozeIO

/// Products with weights, in float32 and in int8.
extension GraphWriter {
  /// Rows of unsigned bytes, each row with a scale and a zero point.
  struct QuantizedRows {
    var integers: Value
    /// [..., 1] float32
    var scale: Value
    /// [..., 1] int32
    var zeroPoint: Value
    var factors: [Float]?
  }

  mutating func linear(_ x: Value, _ linear: Linear, _ name: String, to output: Value? = nil) throws(ClozeError)
    -> Value
  {
    let matrix = linear.weight
    let last = linear.bias == nil ? output : nil
    let product: Value
    if format == .int8, matrix.isStoredInt8 {
      product = try integerProduct(x, matrix, "\(name).weight", to: last)
    } else {
      let weight = try real("\(name).weight", [matrix.inputSize, matrix.outputSize]) { () throws(ClozeError) in
        try matrix.asFloat32()
      }
      product = node("MatMul", [x, weight], to: last)
    }
    guard let bias = linear.bias else { return product }
    return node("Add", [product, try vector(bias, "\(name).bias")], to: output)
  }

  /// x W, for stored integers W of zero point 128.
  mutating func integerProduct(_ x: Value, _ matrix: Matrix, _ name: String, to output: Value?) throws(ClozeError)
    -> Value
  {
    let parts = Shared { () throws(ClozeError) in try matrix.asRows() }
    let (inputs, outputs) = (matrix.inputSize, matrix.outputSize)
    try document.tensor(name, .uint8, [inputs, outputs]) { () throws(ClozeError) in
      try parts.value().integers.transposed()
    }
    try document.tensor(name + ".scale", .float32, [outputs]) { () throws(ClozeError) in try parts.value().scales }
    try document.tensor(name + ".sum", .int32, [outputs]) { () throws(ClozeError) in
      defer { parts.drop() }
      return try parts.value().sums
    }
    return try product(x, matrix.inputFactors, name, scale: name + ".scale", sum: name + ".sum", to: output)
  }

  /// The product with integers [inputs, outputs] of zero point 128, given their scales and column sums [outputs].
  ///
  /// With q = x / s + z the integers of a row, and w those of a column without their zero point:
  /// x W = s scale (sum of q w - z sum of w).
  mutating func product(_ x: Value, _ factors: [Float]?, _ integers: Value, scale: Value, sum: Value, to output: Value?)
    throws(ClozeError) -> Value
  {
    let rows = try quantize(x, factors, integers)
    let zero = try constant("constant.uint8.0") { () throws(ClozeError) in try Tensor.made("", .uint8, []) { $0[0] = 0 }
    }
    let middle = try constant("constant.uint8.128") { () throws(ClozeError) in
      try Tensor.made("", .uint8, []) { $0[0] = 128 }
    }
    let total = node("MatMulInteger", [rows.integers, integers, zero, middle])
    let exact = node("Sub", [total, node("Mul", [rows.zeroPoint, sum])])
    let float = node("Cast", [exact], [("to", .int(1))])
    return node("Mul", [node("Mul", [float, rows.scale]), scale], to: output)
  }

  /// Quantizes rows: scale = (max - min) / 255, zero point = round(-min / scale), with
  /// min <= 0 <= max, so that 0 is exact.
  ///
  /// - Parameter factors: what channels are multiplied by before.
  private mutating func quantize(_ x: Value, _ factors: [Float]?, _ name: String) throws(ClozeError) -> QuantizedRows {
    if let known = quantizedRows[x], known.factors == factors { return known }
    var source = x
    if let factors {
      let name = name + ".smoothing"
      try document.tensor(name, .float32, [factors.count]) { () throws(ClozeError) in
        try Tensor.floats(factors, shape: [factors.count], name: name)
      }
      source = node("Mul", [x, name])
    }
    let last: [(String, ONNXDocument.Attribute)] = [("axes", .ints([-1])), ("keepdims", .int(1))]
    let none = try constant(0 as Float)
    let high = node("Max", [node("ReduceMax", [source], last), none])
    let low = node("Min", [node("ReduceMin", [source], last), none])
    // A row of zeros has no range and may have any scale.
    let scale = node(
      "Max", [node("Div", [node("Sub", [high, low]), try constant(255 as Float)]), try constant(1e-30 as Float)])
    let zero = node("Round", [node("Neg", [node("Div", [low, scale])])])
    let shifted = node("Add", [node("Round", [node("Div", [source, scale])]), zero])
    let bounded = node("Clip", [shifted, none, try constant(255 as Float)])
    let rows = QuantizedRows(
      integers: node("Cast", [bounded], [("to", .int(2))]), scale: scale,
      zeroPoint: node("Cast", [zero], [("to", .int(6))]), factors: factors)
    quantizedRows[x] = rows
    return rows
  }

  // MARK: - Word embeddings

  /// Rows of the word table for the token ids.
  mutating func words(_ table: Tensor) throws(ClozeError) -> Value {
    let name = wordTable
    guard let matrix = storedWords else {
      wordValue = try self.table(table, name)
      return node("Gather", [wordValue, "input_ids"], [("axis", .int(0))])
    }
    let count = matrix.outputSize
    try document.tensor(name, .uint8, [count, matrix.inputSize]) { () throws(ClozeError) in try matrix.asRows().integers
    }
    let scales = try matrix.asRows().scales
    try document.tensor(name + ".scale", .float32, [count, 1]) { () throws(ClozeError) in scales }
    let rows = node("Gather", [name, "input_ids"], [("axis", .int(0))])
    let integers = node("Sub", [node("Cast", [rows], [("to", .int(1))]), try constant(128 as Float)])
    return node("Mul", [integers, node("Gather", [name + ".scale", "input_ids"], [("axis", .int(0))])])
  }

  var wordTable: String { "\(prefix)embeddings.word_embeddings.weight" }

  /// The word table as a matrix of stored integers, D -> V; nil where it is written in float.
  var storedWords: Matrix? {
    let table = graph.embeddings.word
    guard format == .int8, table.shape.count == 2 else { return nil }
    let matrix = Matrix(tensor: table, layout: .outIn, inputSize: table.shape[1], outputSize: table.shape[0])
    return matrix.isStoredInt8 && matrix.inputFactors == nil ? matrix : nil
  }

  /// x [.., D] times the transposed word table.
  mutating func decode(_ x: Value) throws(ClozeError) -> Value {
    let name = wordTable
    guard let matrix = storedWords else {
      return node("MatMul", [x, node("Transpose", [wordValue], [("perm", .ints([1, 0]))])])
    }
    let (_, scales, sums) = try matrix.asRows()
    let scale = name + ".decoder_scale"
    let sum = name + ".decoder_sum"
    try document.tensor(scale, .float32, [matrix.outputSize]) { () throws(ClozeError) in scales }
    try document.tensor(sum, .int32, [matrix.outputSize]) { () throws(ClozeError) in sums }
    let transposed = node("Transpose", [name], [("perm", .ints([1, 0]))])
    return try product(x, nil, transposed, scale: scale, sum: sum, to: nil)
  }
}

/// A value that is made at its first use.
private final class Shared<T> {
  private let make: () throws(ClozeError) -> T
  private var made: T?

  init(_ make: @escaping () throws(ClozeError) -> T) { self.make = make }

  func value() throws(ClozeError) -> T {
    if let made { return made }
    let value = try make()
    made = value
    return value
  }

  func drop() { made = nil }
}
