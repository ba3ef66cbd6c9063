internal import Cloze
internal import ClozeIO

/// One dense layer's shape.
struct DenseLayer: Sendable {
  var inputs: Int
  var outputs: Int
  var activation: Activation = .identity
  /// Epsilon of the norm after it; nil: none.
  var norm: Float?
  /// Whether the matrix is not the layer's own, see `Network.borrow`; bias and norm are.
  var borrowsWeight = false
}

/// The dense layers of a head, forward and backward:
///
///     z = W dropout(x) + b,   a = activation(z),   y = norm(a)
final class Network<S: TrainingScalar> {
  typealias Pointer = UnsafeMutablePointer<S>

  let layers: [DenseLayer]
  let arithmetic: Arithmetic
  let parameters: ParameterBlock<S>

  /// Parameters of a layer, or their gradients.
  struct Parameters<Values> {
    var linear: LinearParameters<Values>
    var norm: NormParameters<Values>
  }

  /// Segments of a layer in `parameters`, the norm's empty where there is none.
  private enum Part: Int, CaseIterable { case weight, bias, gamma, beta }

  private(set) var layerValues: [Parameters<Pointer>]
  private let gradients: [Parameters<Pointer>]

  /// What `forward` keeps of a layer for `backward`.
  private struct Activations {
    /// [rows, inputs] after dropout
    var input = GrowingBuffer<S>()
    /// [rows, inputs] 0 or 1 / (1 - rate)
    var dropoutFactors = GrowingBuffer<S>()
    /// [rows, outputs]
    var preActivation = GrowingBuffer<S>()
    var normalized = GrowingBuffer<S>()
    var inverseDeviation = GrowingBuffer<S>()
    var output = GrowingBuffer<S>()
  }
  private var activations: [Activations]
  private var product = GrowingBuffer<S>()
  private var dropoutRate: S = 0
  private var borrowed: Borrowed?

  /// A matrix that a layer shares with something else.
  struct Borrowed {
    var weight: UnsafeMutablePointer<S>
    /// nil: it is not trained.
    var gradient: UnsafeMutablePointer<S>?
    /// Keeps both alive.
    var owner: AnyObject
  }

  init(_ layers: [DenseLayer], _ arithmetic: Arithmetic) throws(ClozeError) {
    self.layers = layers
    self.arithmetic = arithmetic
    let block = try ParameterBlock<S>(
      layers.flatMap { layer -> [ParameterSegment.Part] in
        let norm = layer.norm == nil ? 0 : layer.outputs
        return [
          (layer.borrowsWeight ? 0 : layer.inputs * layer.outputs, true, true), (layer.outputs, true, false),
          (norm, true, false), (norm, true, false),
        ]
      })
    parameters = block
    func pointers(_ layer: Int, _ at: (Int) -> Pointer) -> Parameters<Pointer> {
      func pointer(_ part: Part) -> Pointer { at(Self.segment(layer, part)) }
      return Parameters(
        linear: LinearParameters(weight: pointer(.weight), bias: pointer(.bias)),
        norm: NormParameters(gamma: pointer(.gamma), beta: pointer(.beta)))
    }
    layerValues = layers.indices.map { pointers($0, block.value) }
    gradients = layers.indices.map { pointers($0, block.gradient) }
    activations = Array(repeating: Activations(), count: layers.count)
  }

  private static func segment(_ layer: Int, _ part: Part) -> Int { Part.allCases.count * layer + part.rawValue }

  var outputs: Int { layers.last?.outputs ?? 0 }

  /// Initial values: weights uniform in +-sqrt(1 / inputs), but 0 in a linear head, whose loss is convex; biases 0;
  /// norms the identity.
  func initialize(seed: UInt64) {
    for (i, layer) in layers.enumerated() {
      var random = TrainingRandom(seed, .weights(layer: i))
      let bound = layers.count == 1 ? 0 : (1 / Double(layer.inputs)).squareRoot()
      for p in parameters.segments[Self.segment(i, .weight)].range {
        parameters.values.base[p] = S((2 * random.unit() - 1) * bound)
      }
      for (part, value) in [(Part.bias, 0), (.gamma, 1), (.beta, 0)] as [(Part, S)] {
        parameters.set(Self.segment(i, part), repeatElement(value, count: layer.outputs))
      }
    }
  }

  /// The norms of the layers that have one.
  var norms: [NormParameters<Pointer>] {
    layers.indices.filter { layers[$0].norm != nil }.map { layerValues[$0].norm }
  }

  /// Gives the layer that has no matrix of its own one.
  func borrow(_ matrix: Borrowed) {
    borrowed = matrix
    for (i, layer) in layers.enumerated() where layer.borrowsWeight { layerValues[i].linear.weight = matrix.weight }
  }

  /// logits [rows, outputs] of x [rows, inputs]; valid until the next call.
  ///
  /// - Parameter dropout: the share of each layer's inputs that is set to 0, and the generator that chooses them; nil:
  ///   none.
  func forward(_ x: UnsafePointer<S>, rows: Int, dropout: (rate: Double, random: TrainingRandom)? = nil)
    throws(ClozeError) -> Pointer
  {
    var random = dropout?.random
    let rate = S(dropout?.rate ?? 0)
    dropoutRate = rate
    let scale = 1 / (1 - rate)
    var source = x
    for (i, layer) in layers.enumerated() {
      let (inputs, outputs, p) = (layer.inputs, layer.outputs, layerValues[i])
      let input = try activations[i].input.reserve(rows * inputs)
      if rate > 0, var generator = random {
        let factors = try activations[i].dropoutFactors.reserve(rows * inputs)
        let threshold = Double(rate)
        for k in 0..<(rows &* inputs) {
          let factor: S = generator.unit() < threshold ? 0 : scale
          factors[k] = factor
          input[k] = source[k] * factor
        }
        random = generator
      } else {
        input.update(from: source, count: rows &* inputs)
      }
      let preActivation = try activations[i].preActivation.reserve(rows * outputs)
      try S.product(.nt, rows, outputs, inputs, input, p.linear.weight, preActivation, arithmetic)
      let output = try activations[i].output.reserve(rows * outputs)
      for row in 0..<rows {
        let (z, y) = (preActivation + row &* outputs, output + row &* outputs)
        for column in 0..<outputs { z[column] += p.linear.bias[column] }
        activate(layer.activation, z, y, outputs)
      }
      if let epsilon = layer.norm {
        layernormForward(
          output, rows, outputs, p.norm, S(epsilon), try activations[i].normalized.reserve(rows * outputs),
          try activations[i].inverseDeviation.reserve(rows), output)
      }
      source = UnsafePointer(output)
    }
    return UnsafeMutablePointer(mutating: source)
  }

  /// Adds the gradients of the last `forward`.
  ///
  /// - Parameter dLogits: [rows, outputs]; is overwritten.
  /// - Returns: the gradient of x [rows, inputs] where it is wanted, valid until the next call.
  @discardableResult func backward(_ dLogits: Pointer, rows: Int, wantsInput: Bool = false) throws(ClozeError)
    -> Pointer?
  {
    var dOutput = dLogits
    for (i, layer) in layers.enumerated().reversed() {
      let (inputs, outputs, p, d) = (layer.inputs, layer.outputs, layerValues[i], gradients[i])
      if layer.norm != nil {
        layernormBackward(
          dOutput, try activations[i].normalized.reserve(rows * outputs),
          try activations[i].inverseDeviation.reserve(rows), rows, outputs, p.norm, d.norm, dOutput)
      }
      let preActivation = try activations[i].preActivation.reserve(rows * outputs)
      activateBackward(layer.activation, preActivation, dOutput, rows &* outputs)
      for row in 0..<rows {
        let dRow = dOutput + row &* outputs
        for column in 0..<outputs { d.linear.bias[column] += dRow[column] }
      }
      let input = try activations[i].input.reserve(rows * inputs)
      if let dWeight = layer.borrowsWeight ? borrowed?.gradient : d.linear.weight {
        let product = try product.reserve(max(inputs * outputs, rows * inputs))
        try S.product(.tn, outputs, inputs, rows, dOutput, input, product, arithmetic)
        for k in 0..<(inputs &* outputs) { dWeight[k] += product[k] }
      }
      if i == 0, !wantsInput { return nil }
      // The input itself is not needed any more: its memory takes its gradient.
      try S.product(.nn, rows, inputs, outputs, dOutput, p.linear.weight, input, arithmetic)
      if dropoutRate > 0 {
        let factors = try activations[i].dropoutFactors.reserve(rows * inputs)
        for k in 0..<(rows &* inputs) { input[k] *= factors[k] }
      }
      dOutput = input
    }
    return dOutput
  }
}

/// The layers of a head.
extension Network where S == Float {
  /// The layers as a head holds them.
  var headLayers: [Head.Dense] {
    layers.enumerated().map { i, layer in
      func array(_ part: Part) -> [Float] { parameters.array(Self.segment(i, part)) }
      return Head.Dense(
        inputs: layer.inputs, outputs: layer.outputs,
        weight: Array(UnsafeBufferPointer(start: layerValues[i].linear.weight, count: layer.inputs * layer.outputs)),
        bias: array(.bias), activation: layer.activation,
        norm: layer.norm.map { Head.Norm(gamma: array(.gamma), beta: array(.beta), epsilon: $0) })
    }
  }

  /// Takes the weights of a head of the same shape.
  func load(_ head: [Head.Dense]) {
    for (i, layer) in head.enumerated() where i < layers.count {
      parameters.set(Self.segment(i, .weight), layer.weight)
      parameters.set(Self.segment(i, .bias), layer.bias)
      parameters.set(Self.segment(i, .gamma), layer.norm?.gamma ?? [])
      parameters.set(Self.segment(i, .beta), layer.norm?.beta ?? [])
    }
  }
}
