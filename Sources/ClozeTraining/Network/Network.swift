internal import Cloze
internal import ClozeIO

/// The sizes of a head's layers, and which of them are trained.
struct NetworkShape: Sendable {
  struct Layer: Sendable {
    var inputs: Int
    var outputs: Int
    var activation: Activation = .identity
    /// Epsilon of the norm after it; nil: none.
    var norm: Float?
    /// The matrix lies elsewhere, see `Network.borrow`; bias and norm are the layer's own.
    var borrowsWeight = false
  }

  /// A run of parameters that are treated alike.
  struct Segment: Sendable {
    var range: Range<Int>
    var isTrained: Bool
    /// Weights are decayed, biases and norms are not.
    var decays: Bool
  }

  var layers: [Layer]

  /// Weight, bias, gamma, beta of each layer, in this order.
  var segments: [Segment] {
    var segments: [Segment] = []
    var at = 0
    func add(_ count: Int, _ isTrained: Bool, _ decays: Bool) {
      segments.append(
        Segment(range: at..<(at + count), isTrained: isTrained, decays: decays))
      at += count
    }
    for layer in layers {
      add(layer.borrowsWeight ? 0 : layer.inputs * layer.outputs, true, true)
      add(layer.outputs, true, false)
      add(layer.norm == nil ? 0 : layer.outputs, true, false)
      add(layer.norm == nil ? 0 : layer.outputs, true, false)
    }
    return segments
  }

  var parameters: Int { segments.last?.range.upperBound ?? 0 }
}

/// The dense layers of a head, forward and backward, generic over the scalar so that the same code
/// that trains in Float is checked in Double.
///
///     z = W dropout(x) + b,   a = activation(z),   y = norm(a)
final class Network<S: TrainingScalar> {
  let shape: NetworkShape
  let arithmetic: Arithmetic
  let parameters: Block<S>
  let gradients: Block<S>
  private let segments: [NetworkShape.Segment]
  private var scratch: Room<S> = Room()

  /// What `forward` keeps of a layer for `backward`.
  private struct Trace {
    var input: Room<S> = Room()
    var sum: Room<S> = Room()
    var output: Room<S> = Room()
    var kept: Room<S> = Room()
    var inverse: Room<S> = Room()
    var difference: Room<S> = Room()
  }
  private var traces: [Trace]
  private var dropped: S = 0
  private var borrowed: Borrowed?

  /// A matrix that a layer shares with something else.
  struct Borrowed {
    var weight: UnsafeMutablePointer<S>
    /// nil: it is not trained.
    var gradient: UnsafeMutablePointer<S>?
    /// What keeps both.
    var owner: AnyObject
  }

  init(_ shape: NetworkShape, _ arithmetic: Arithmetic) throws(ClozeError) {
    self.shape = shape
    self.arithmetic = arithmetic
    segments = shape.segments
    parameters = try Block(shape.parameters)
    gradients = try Block(shape.parameters)
    traces = Array(repeating: Trace(), count: shape.layers.count)
  }

  /// Small random weights, zero biases, norms that change nothing: uniform in +-sqrt(1 / inputs)
  /// for the matrices of a head of several layers, zeros for the one of a linear head, whose loss
  /// has one minimum.
  func initialize(seed: UInt64) {
    for (i, layer) in shape.layers.enumerated() {
      var random = TrainingRandom(seed, 1, UInt64(i))
      let bound = shape.layers.count == 1 ? 0 : (1 / Double(layer.inputs)).squareRoot()
      for p in segments[4 * i].range { parameters.base[p] = S((2 * random.unit() - 1) * bound) }
      for p in segments[4 * i + 1].range { parameters.base[p] = 0 }
      for p in segments[4 * i + 2].range { parameters.base[p] = 1 }
      for p in segments[4 * i + 3].range { parameters.base[p] = 0 }
    }
  }

  /// Gives the layer that has no matrix of its own one.
  func borrow(_ matrix: Borrowed) { borrowed = matrix }

  private func part(_ layer: Int, _ part: Int) -> UnsafeMutablePointer<S> {
    if part == 0, shape.layers[layer].borrowsWeight, let borrowed { return borrowed.weight }
    return parameters.base + segments[4 * layer + part].range.lowerBound
  }

  private func gradient(_ layer: Int, _ part: Int) -> UnsafeMutablePointer<S> {
    gradients.base + segments[4 * layer + part].range.lowerBound
  }

  /// logits [rows, outputs] of x [rows, inputs]; they stay until the next call.
  ///
  /// - Parameter dropout: the share of each layer's inputs that is set to zero, and what decides
  ///   which; nil: none.
  func forward(
    _ x: UnsafePointer<S>, rows: Int, dropout: (rate: Double, random: TrainingRandom)? = nil
  ) throws(ClozeError) -> UnsafeMutablePointer<S> {
    var random = dropout?.random
    let rate = S(dropout?.rate ?? 0)
    dropped = rate
    let scale = 1 / (1 - rate)
    var source = x
    for (i, layer) in shape.layers.enumerated() {
      let (inputs, outputs) = (layer.inputs, layer.outputs)
      let input = try traces[i].input.reserve(rows * inputs)
      if rate > 0, var generator = random {
        let kept = try traces[i].kept.reserve(rows * inputs)
        let threshold = Double(rate)
        for p in 0..<(rows &* inputs) {
          let factor: S = generator.unit() < threshold ? 0 : scale
          kept[p] = factor
          input[p] = source[p] * factor
        }
        random = generator
      } else {
        input.update(from: source, count: rows &* inputs)
      }
      let sum = try traces[i].sum.reserve(rows * outputs)
      try S.product(.turnedRight, rows, outputs, inputs, input, part(i, 0), sum, arithmetic)
      let output = try traces[i].output.reserve(rows * outputs)
      let bias = part(i, 1)
      for row in 0..<rows {
        let (z, y) = (sum + row &* outputs, output + row &* outputs)
        for column in 0..<outputs { z[column] += bias[column] }
        activate(layer.activation, z, y, outputs)
      }
      if let epsilon = layer.norm {
        let inverse = try traces[i].inverse.reserve(rows)
        // `sum` keeps z for the activation's derivative; the normalised rows lie in `difference`.
        let normed = try traces[i].difference.reserve(rows * outputs)
        layernormForward(
          output, rows, outputs, part(i, 2), part(i, 3), S(epsilon), normed, inverse, output)
      }
      source = UnsafePointer(output)
    }
    return UnsafeMutablePointer(mutating: source)
  }

  /// Adds the gradients of the last `forward` to `gradients`.
  ///
  /// - Parameter dLogits: [rows, outputs]; is overwritten.
  /// - Returns: the gradient of x [rows, inputs], where it is wanted; stays until the next call.
  @discardableResult
  func backward(
    _ dLogits: UnsafeMutablePointer<S>, rows: Int, wantsInput: Bool = false
  ) throws(ClozeError) -> UnsafeMutablePointer<S>? {
    var dOutput = dLogits
    for (i, layer) in shape.layers.enumerated().reversed() {
      let (inputs, outputs) = (layer.inputs, layer.outputs)
      if layer.norm != nil {
        layernormBackward(
          dOutput, try traces[i].difference.reserve(rows * outputs),
          try traces[i].inverse.reserve(rows), rows, outputs, part(i, 2), gradient(i, 2),
          gradient(i, 3), dOutput)
      }
      let sum = try traces[i].sum.reserve(rows * outputs)
      activateBackward(layer.activation, sum, dOutput, rows &* outputs)
      let dBias = gradient(i, 1)
      for row in 0..<rows {
        let d = dOutput + row &* outputs
        for column in 0..<outputs { dBias[column] += d[column] }
      }
      let input = try traces[i].input.reserve(rows * inputs)
      if let target = layer.borrowsWeight ? borrowed?.gradient : gradient(i, 0) {
        let dWeight = try scratch.reserve(max(inputs * outputs, rows * inputs))
        try S.product(.turnedLeft, outputs, inputs, rows, dOutput, input, dWeight, arithmetic)
        for p in 0..<(inputs &* outputs) { target[p] += dWeight[p] }
      }
      if i == 0, !wantsInput { return nil }
      // The input itself is not needed any more: its memory takes its gradient.
      try S.product(.plain, rows, inputs, outputs, dOutput, part(i, 0), input, arithmetic)
      if dropped > 0 {
        let kept = try traces[i].kept.reserve(rows * inputs)
        for p in 0..<(rows &* inputs) { input[p] *= kept[p] }
      }
      dOutput = input
    }
    return dOutput
  }

  func clearGradients() { gradients.base.update(repeating: 0, count: gradients.count) }
}

extension Network where S == Float {
  /// The layers as a head holds them.
  var layers: [Head.Dense] {
    shape.layers.enumerated().map { i, layer in
      func values(_ part: Int) -> [Float] {
        segments[4 * i + part].range.map { parameters.base[$0] }
      }
      let weight = Array(
        UnsafeBufferPointer(start: self.part(i, 0), count: layer.inputs * layer.outputs))
      return Head.Dense(
        inputs: layer.inputs, outputs: layer.outputs, weight: weight, bias: values(1),
        activation: layer.activation,
        norm: layer.norm.map { Head.Norm(gamma: values(2), beta: values(3), epsilon: $0) })
    }
  }

  /// Takes over the weights of a head of the same shape.
  func load(_ layers: [Head.Dense]) {
    for (i, layer) in layers.enumerated() where i < shape.layers.count {
      let arrays = [layer.weight, layer.bias, layer.norm?.gamma ?? [], layer.norm?.beta ?? []]
      for (part, array) in arrays.enumerated() {
        let range = segments[4 * i + part].range
        for (at, value) in zip(range, array) { parameters.base[at] = value }
      }
    }
  }
}
