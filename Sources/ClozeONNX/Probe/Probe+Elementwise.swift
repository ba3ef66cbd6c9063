internal import Glibc

/// Elementwise operators with broadcasting.
extension Probe {
  /// The result of an elementwise operator; nil for other operators.
  func elementwise(_ node: Graph.Node, _ inputs: [Value?]) -> Value? {
    if let function = Probe.unary(node) {
      guard let x = inputs.first.flatMap({ $0 }) else { return nil }
      let boolean = ["Not", "IsNaN", "IsInf"].contains(node.op)
      if inputs.count > 1, node.op == "FastGelu", inputs[1] != nil { return nil }
      return Value(boolean ? .bool : x.type, x.shape, x.elements.map { $0.map(function) })
    }
    switch node.op {
    case "Cast", "CastLike":
      guard let x = inputs.first.flatMap({ $0 }) else { return nil }
      let code = node.op == "Cast" ? node.int("to").flatMap { Int32(exactly: $0) } : nil
      let type =
        node.op == "Cast"
        ? code.flatMap { Tensor.ElementType(rawValue: $0) } : (inputs.count > 1 ? inputs[1]?.type : nil)
      guard let type else { return nil }
      return Value(type, x.shape, x.elements.map { $0.map { Probe.cast($0, from: x.type, to: type) } })
    case "Clip":
      guard let x = inputs.first.flatMap({ $0 }) else { return nil }
      let low = node.float("min") ?? (inputs.count > 1 ? inputs[1]?.scalar : nil)
      let high = node.float("max") ?? (inputs.count > 2 ? inputs[2]?.scalar : nil)
      return Value(
        x.type, x.shape, x.elements.map { $0.map { Swift.min(Swift.max($0, low ?? -.infinity), high ?? .infinity) } })
    case "Where":
      guard inputs.count == 3, let c = inputs[0], let x = inputs[1], let y = inputs[2],
        let xy = Probe.broadcast(x.shape, y.shape), let shape = Probe.broadcast(c.shape, xy)
      else { return nil }
      guard x.elements != nil, y.elements != nil, let a = Probe.expand(c, to: shape),
        let b = Probe.expand(x, to: shape), let d = Probe.expand(y, to: shape)
      else { return Value(x.type, shape) }
      return Value(x.type, shape, a.indices.map { a[$0] != 0 ? b[$0] : d[$0] })
    case "Sum", "Min", "Max":
      let function: (Double, Double) -> Double =
        node.op == "Sum" ? { $0 + $1 } : node.op == "Min" ? { Swift.min($0, $1) } : { Swift.max($0, $1) }
      guard var result = inputs.first.flatMap({ $0 }) else { return nil }
      for other in inputs.dropFirst() {
        guard let other, let next = Probe.combine(result, other, result.type, function) else { return nil }
        result = next
      }
      return result
    default:
      guard inputs.count == 2, let a = inputs[0], let b = inputs[1],
        let (function, boolean) = Probe.binary(node, integers: !a.type.isFloat)
      else { return nil }
      return Probe.combine(a, b, boolean ? .bool : a.type, function)
    }
  }

  private static func unary(_ node: Graph.Node) -> ((Double) -> Double)? {
    switch node.op {
    case "Identity", "Dropout": return { $0 }
    case "Neg": return { -$0 }
    case "Abs": return { Swift.abs($0) }
    case "Sqrt": return { $0.squareRoot() }
    case "Exp": return { exp($0) }
    case "Log": return { log($0) }
    case "Erf": return { erf($0) }
    case "Tanh": return { tanh($0) }
    case "Sigmoid": return { 1 / (1 + exp(-$0)) }
    case "Relu": return { Swift.max($0, 0) }
    case "Reciprocal": return { 1 / $0 }
    case "Floor": return { floor($0) }
    case "Ceil": return { ceil($0) }
    case "Round": return { $0.rounded(.toNearestOrEven) }
    case "Sign": return { $0 > 0 ? 1 : $0 < 0 ? -1 : 0 }
    case "Not": return { $0 == 0 ? 1 : 0 }
    case "IsNaN": return { $0.isNaN ? 1 : 0 }
    case "IsInf": return { $0.isInfinite ? 1 : 0 }
    case "Softplus": return { log1p(exp($0)) }
    case "Gelu":
      if case .string("tanh")? = node.attribute("approximate") { return Activation.geluTanh.callAsFunction }
      return Activation.gelu.callAsFunction
    case "FastGelu": return Activation.geluTanh.callAsFunction
    case "QuickGelu":
      let alpha = node.float("alpha") ?? 1.702
      return { $0 / (1 + exp(-alpha * $0)) }
    case "Swish":
      let alpha = node.float("alpha") ?? 1
      return { $0 / (1 + exp(-alpha * $0)) }
    default: return nil
    }
  }

  private static func binary(_ node: Graph.Node, integers: Bool) -> (
    function: (Double, Double) -> Double, boolean: Bool
  )? {
    switch node.op {
    case "Add": return ({ $0 + $1 }, false)
    case "Sub": return ({ $0 - $1 }, false)
    case "Mul": return ({ $0 * $1 }, false)
    case "Div":
      if integers { return ({ $1 == 0 ? 0 : ($0 / $1).rounded(.towardZero) }, false) }
      return ({ $0 / $1 }, false)
    case "Pow": return ({ pow($0, $1) }, false)
    case "Mod":
      let truncated = node.int("fmod") == 1
      return (
        { a, b in
          if b == 0 { return .nan }
          let r = fmod(a, b)
          return !truncated && r != 0 && (r < 0) != (b < 0) ? r + b : r
        }, false
      )
    case "Equal": return ({ $0 == $1 ? 1 : 0 }, true)
    case "Greater": return ({ $0 > $1 ? 1 : 0 }, true)
    case "GreaterOrEqual": return ({ $0 >= $1 ? 1 : 0 }, true)
    case "Less": return ({ $0 < $1 ? 1 : 0 }, true)
    case "LessOrEqual": return ({ $0 <= $1 ? 1 : 0 }, true)
    case "And": return ({ $0 != 0 && $1 != 0 ? 1 : 0 }, true)
    case "Or": return ({ $0 != 0 || $1 != 0 ? 1 : 0 }, true)
    case "Xor": return ({ ($0 != 0) != ($1 != 0) ? 1 : 0 }, true)
    case "BitwiseAnd": return ({ Double(Probe.integer($0) & Probe.integer($1)) }, false)
    case "BitwiseOr": return ({ Double(Probe.integer($0) | Probe.integer($1)) }, false)
    default: return nil
    }
  }

  /// ONNX `Cast`: to integers by truncation, to bool as "not zero", to half precision with overflow to infinity.
  ///
  /// What is within the precision of its own type of an integer is that integer, as a graph computes it in that type:
  /// the buckets of relative positions are truncated logarithms, some of them integers.
  private static func cast(_ value: Double, from source: Tensor.ElementType, to type: Tensor.ElementType) -> Double {
    switch type {
    case .bool: return value == 0 ? 0 : 1
    case .float64: return value
    case .float32, .bfloat16: return Double(Float(value))
    case .float16: return Swift.abs(value) >= 65520 ? (value < 0 ? -.infinity : .infinity) : value
    default:
      let nearest = value.rounded()
      // Two units in the last place of float32, one of float16.
      let precision = source == .float16 ? 0x1p-10 : 0x1p-22
      if Swift.abs(value - nearest) <= precision * Swift.abs(value) { return nearest }
      return value.isNaN ? 0 : value.rounded(.towardZero)
    }
  }

  // MARK: - Broadcasting

  /// The shape of both, broadcast (ONNX, multidirectional); nil where they are incompatible.
  static func broadcast(_ a: [Int], _ b: [Int]) -> [Int]? {
    let rank = Swift.max(a.count, b.count)
    var shape = Array(repeating: 1, count: rank)
    for i in 0..<rank {
      let x = i < rank - a.count ? 1 : a[i - (rank - a.count)]
      let y = i < rank - b.count ? 1 : b[i - (rank - b.count)]
      guard x == y || x == 1 || y == 1 else { return nil }
      shape[i] = x == 1 ? y : x
    }
    return shape
  }

  /// The elements of `value` broadcast to `shape`; nil where they are unknown, too many, or incompatible.
  static func expand(_ value: Value, to shape: [Int]) -> [Double]? {
    guard let elements = value.elements, let total = count(shape), total <= maximumElements,
      value.shape.count <= shape.count, elements.count == count(value.shape)
    else { return nil }
    if value.shape == shape { return elements }
    if elements.count == 1 { return Array(repeating: elements[0], count: total) }
    // Stride 0 along each repeated axis.
    var strides = Array(repeating: 0, count: shape.count)
    var stride = 1
    let offset = shape.count - value.shape.count
    for i in value.shape.indices.reversed() {
      let size = value.shape[i]
      guard size == shape[i + offset] || size == 1 else { return nil }
      strides[i + offset] = size == 1 ? 0 : stride
      stride *= size
    }
    return gather(elements, shape: shape, strides: strides, start: 0)
  }

  /// Elements at `start + sum(index * stride)` for every index of `shape`, last axis fastest; nil where one is
  /// out of range.
  static func gather(_ elements: [Double], shape: [Int], strides: [Int], start: Int) -> [Double]? {
    guard let total = count(shape), total <= maximumElements else { return nil }
    if total == 0 { return [] }
    // The lowest and the highest position read.
    var (low, high) = (start, start)
    for (size, stride) in zip(shape, strides) {
      let (reach, overflow) = (size - 1).multipliedReportingOverflow(by: stride)
      let (end, again) = (reach < 0 ? low : high).addingReportingOverflow(reach)
      if overflow || again { return nil }
      if reach < 0 { low = end } else { high = end }
    }
    guard low >= 0, high < elements.count else { return nil }
    let inner = shape.last ?? 1
    let step = strides.last ?? 0
    return [Double](unsafeUninitializedCapacity: total) { result, written in
      var index = Array(repeating: 0, count: shape.count)
      var position = start
      while written < total {
        for i in 0..<inner { result[written &+ i] = elements[position &+ i &* step] }
        written &+= inner
        var axis = shape.count - 2
        while axis >= 0 {
          index[axis] += 1
          position = position &+ strides[axis]
          if index[axis] < shape[axis] { break }
          position = position &- strides[axis] &* shape[axis]
          index[axis] = 0
          axis -= 1
        }
      }
    }
  }

  private static func combine(
    _ a: Value, _ b: Value, _ type: Tensor.ElementType, _ function: (Double, Double) -> Double
  ) -> Value? {
    guard let shape = broadcast(a.shape, b.shape) else { return nil }
    // Most operands are unknown or scalars, which need no broadcasting.
    guard let known = a.elements, let other = b.elements else { return Value(type, shape) }
    if shape == a.shape, let number = b.scalar { return Value(type, shape, known.map { function($0, number) }) }
    if shape == b.shape, let number = a.scalar { return Value(type, shape, other.map { function(number, $0) }) }
    guard let x = expand(a, to: shape), let y = expand(b, to: shape) else { return Value(type, shape) }
    return Value(type, shape, x.indices.map { function(x[$0], y[$0]) })
  }
}

/// Activations as functions.
extension Activation {
  /// The function, in double precision.
  func callAsFunction(_ x: Double) -> Double {
    switch self {
    case .identity: return x
    case .gelu: return x / 2 * (1 + erf(x / 2.0.squareRoot()))
    case .geluTanh: return x / 2 * (1 + Glibc.tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    case .quickGelu: return x / (1 + exp(-1.702 * x))
    case .relu: return Swift.max(x, 0)
    case .silu: return x / (1 + exp(-x))
    case .tanh: return Glibc.tanh(x)
    }
  }
}
