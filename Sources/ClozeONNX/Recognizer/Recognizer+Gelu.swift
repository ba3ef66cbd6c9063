internal import ClozeIO

/// Activations, recognised by computing them.
extension Recognizer {
  /// The operators that activations consist of.
  static let activationOperators: Set<String> = [
    "Add", "Sub", "Mul", "Div", "Pow", "Sqrt", "Neg", "Exp", "Erf", "Tanh", "Sigmoid", "Relu", "Softplus", "Reciprocal",
    "Min", "Max", "Clip", "Gelu", "Swish", "Sum", "com.microsoft.Gelu", "com.microsoft.FastGelu",
    "com.microsoft.QuickGelu",
  ]

  enum Follower {
    case linear
    case norm
  }

  /// The activation between `value` and the next operator outside `activationOperators`, and its result.
  ///
  /// - Parameter next: the block that must follow.
  mutating func activation(_ value: ValueID, next: Follower, expected: String) throws(ClozeError) -> (
    activation: Activation, output: ValueID
  ) {
    let found = exits(from: value, through: Recognizer.activationOperators)
    guard let first = found.first else { throw misfit(usersOf: value, expected) }
    guard next == .linear ? isLinear(first.use) : startsNorm(first.use) else {
      throw misfit(first.use.node, "\(node(first.use).operation) is unexpected here", expected: expected)
    }
    guard first.value != value else {
      throw misfit(first.use.node, "the activation is missing before this", expected: expected)
    }
    let activation = try activation(from: value, to: first.value)
    return (activation, first.value)
  }

  /// The activation that computes `result` from `value`, compared on a grid that distinguishes all of `Activation`.
  private mutating func activation(from value: ValueID, to result: ValueID) throws(ClozeError) -> Activation {
    let grid = stride(from: -6.0, through: 6.0, by: 0.125).map { $0 }
    let expected = "gelu (erf or tanh), relu, silu, quick_gelu or tanh"
    func outcome(_ shape: [Int]) -> Probe.Outcome {
      let numbers = (0..<shape.reduce(1, *)).map { grid[$0 % grid.count] }
      return probes[0].evaluate(result, given: [value: Probe.Value(.float32, shape, numbers)])
    }
    var count = grid.count
    var found = outcome([1, 1, count])
    // Graphs that reshape in between need the value's own shape.
    if case .unknown = found, let shape = probes[0].values[value]?.shape, let room = Probe.count(shape), room >= count,
      room <= 1 << 16
    {
      count = room
      found = outcome(shape)
    }
    switch found {
    case .unknown(let node):
      throw misfit(
        node ?? producer(result), "the activation cannot be computed from its input alone", expected: expected)
    case .known(let computed, _):
      guard let y = computed.elements, y.count == count else {
        throw misfit(producer(result), "the activation changes the shape", expected: expected)
      }
      var best: (activation: Activation, error: Double)?
      for candidate in Activation.allCases where candidate != .identity {
        let wanted = grid.map { candidate($0) }
        var error = 0.0
        for i in 0..<count {
          let difference = abs(wanted[i % grid.count] - y[i])
          error = difference.isNaN ? .infinity : Swift.max(error, difference)
        }
        if error < best?.error ?? .infinity { best = (candidate, error) }
      }
      // The erf and tanh forms of gelu differ by 4.7e-4; constants rounded to float16 change a result by some
      // 5e-5.
      guard let best, best.error < 1.5e-4 else {
        throw misfit(producer(result), "unknown activation", expected: expected)
      }
      let operators = Set(path(from: value, to: result))
      let decisive = ["Erf", "Tanh", "Gelu", "com.microsoft.Gelu", "com.microsoft.FastGelu", "Sigmoid"].first {
        operators.contains($0)
      }
      note("activation", best.activation.configKey + (decisive.map { ", with \($0)" } ?? ""))
      return best.activation
    }
  }

  /// The operators between two values.
  func path(from value: ValueID, to result: ValueID) -> [String] {
    var names: [String] = []
    var pending = [result]
    var visited: Set<ValueID> = [value]
    while let current = pending.popLast(), names.count < 64 {
      guard visited.insert(current).inserted, let index = producer(current) else { continue }
      if probes[0].values[current]?.elements != nil { continue }
      names.append(graph.nodes[index].operation)
      for case let input? in graph.nodes[index].inputs { pending.append(roots[input]) }
    }
    return names
  }
}
