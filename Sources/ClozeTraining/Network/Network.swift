internal import CClozeKernels
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
    /// [rows, outputs]
    var preActivation = GrowingBuffer<S>()
    var normalized = GrowingBuffer<S>()
    var inverseDeviation = GrowingBuffer<S>()
    var output = GrowingBuffer<S>()
  }
  private var activations: [Activations]
  private var dropout = Dropout.none
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
  func forward(_ x: UnsafePointer<S>, rows: Int, dropout: Dropout = .none) throws(ClozeError) -> Pointer {
    self.dropout = dropout
    var source = x
    for (i, layer) in layers.enumerated() {
      let (inputs, outputs, p) = (layer.inputs, layer.outputs, layerValues[i])
      let input = try activations[i].input.reserve(rows * inputs)
      let mask = dropout[.head(layer: i)]
      if mask.threshold > 0 {
        try arithmetic.dropout(source, rows, inputs, mask, input)
      } else {
        input.update(from: source, count: rows &* inputs)
      }
      let preActivation = try activations[i].preActivation.reserve(rows * outputs)
      try arithmetic.linear(input, rows, inputs, outputs, p.linear, preActivation)
      var output = preActivation
      if layer.activation != .identity || layer.norm != nil {
        output = try activations[i].output.reserve(rows * outputs)
        try arithmetic.activate(layer.activation, preActivation, rows, outputs, output)
      }
      if let epsilon = layer.norm {
        try arithmetic.layernorm(output, rows, outputs, p.norm, S(epsilon), try kept(i, rows), output)
      }
      source = UnsafePointer(output)
    }
    return UnsafeMutablePointer(mutating: source)
  }

  private func kept(_ layer: Int, _ rows: Int) throws(ClozeError) -> NormActivations<S> {
    NormActivations(
      normalized: try activations[layer].normalized.reserve(rows * layers[layer].outputs),
      inverseDeviation: try activations[layer].inverseDeviation.reserve(rows))
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
        try arithmetic.layernormBackward(dOutput, try kept(i, rows), rows, outputs, p.norm, d.norm, dOutput)
      }
      try arithmetic.activateBackward(
        layer.activation, try activations[i].preActivation.reserve(rows * outputs), rows, outputs, dOutput)
      // The input itself is not needed any more: its memory takes its gradient.
      let input = try activations[i].input.reserve(rows * inputs)
      let isWanted = i > 0 || wantsInput
      try arithmetic.linearBackward(
        input, dOutput, rows, inputs, outputs, p.linear.weight,
        dWeight: layer.borrowsWeight ? borrowed?.gradient : d.linear.weight, dBias: d.linear.bias,
        dx: isWanted ? input : nil)
      guard isWanted else { return nil }
      let mask = dropout[.head(layer: i)]
      if mask.threshold > 0 { try arithmetic.dropout(input, rows, inputs, mask, input) }
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
