internal import CClozeKernels
internal import Cloze
internal import ClozeIO

/// The last layers of an encoder, forward and backward, over a ragged batch: T tokens end to end, attention within each
/// of B sequences. D is the hidden size, F the intermediate size, H the number of heads.
///
///     h = attentionNorm(attentionOutput(attention(query(x), key(x), value(x))) + x)
///     y = outputNorm(output(activation(intermediate(h))) + h)
final class EncoderStack<S: TrainingScalar> {
  struct Settings {
    var width: Int
    var heads: Int
    var intermediate: Int
    var layers: [Layer]
    /// The bias of attention scores by relative position, which all layers share; nil: none.
    var bias: Bias?

    struct Bias {
      /// Rows of its table.
      var buckets: Int
      /// The row of a key that lies so many tokens after its query.
      var bucket: @Sendable (Int) -> Int
      /// False where layers before these, which are frozen, have it too.
      var isTrained: Bool
    }

    /// A layer's constants.
    struct Layer {
      var activation: Activation
      /// The factor of attention scores.
      var attentionScale: S
      var attentionNormEpsilon: S
      var outputNormEpsilon: S
    }
  }

  typealias Pointer = UnsafeMutablePointer<S>

  let settings: Settings
  let arithmetic: Arithmetic
  let parameters: ParameterBlock<S>
  /// Of each layer.
  let layerValues: [EncoderLayerParameters<Pointer>]
  private let gradients: [EncoderLayerParameters<Pointer>]
  /// [buckets, H] the last parameters; nil: none.
  let bias: (values: Pointer, gradients: Pointer)?
  /// [B + 1] of the last `forward`.
  private(set) var offsets: [Int] = [0]
  var width: Int { settings.width }
  var layers: Int { settings.layers.count }

  /// What `forward` keeps of a layer for `backward`. Attention's probabilities are not kept, but computed again.
  struct Activations {
    /// [T, 3 D] query, key and value of each token
    var projections: Pointer
    /// [T, D]
    var context: Pointer
    var attentionNorm: NormActivations<S>
    /// h [T, D]
    var attentionOutput: Pointer
    /// [T, F]
    var preActivation, activated: Pointer
    var outputNorm: NormActivations<S>
    /// y [T, D], which the next layer reads
    var output: Pointer
  }

  /// Memory that layers take turns in.
  struct Scratch {
    /// [T, D] the sum that a norm reads; backward the gradient of a layer's output before dropout
    var residual = GrowingBuffer<S>()
    /// [T, F]
    var dActivated = GrowingBuffer<S>()
    /// [T, D]
    var dContext = GrowingBuffer<S>()
    /// [T, 3 D]
    var dProjections = GrowingBuffer<S>()
    /// [3 D, D] and [3 D]: query, key and value as one linear layer, and its gradients
    var projection = GrowingBuffer<S>()
    var dProjection = GrowingBuffer<S>()
    /// Attention's bias by head and relative position, and its gradient by sequence, head and relative position
    var bias = GrowingBuffer<S>()
    var dBias = GrowingBuffer<S>()
  }

  /// Of each layer, all its activations.
  private var activationBuffers: [GrowingBuffer<S>]
  /// [T, D] what the first layer reads
  private var input = GrowingBuffer<S>()
  var scratch = Scratch()
  private(set) var dropout = Dropout.none

  init(_ settings: Settings, _ arithmetic: Arithmetic) throws(ClozeError) {
    self.settings = settings
    self.arithmetic = arithmetic
    let all = EncoderLayerParameter.allCases
    var parts: [ParameterSegment.Part] = settings.layers.flatMap { _ in
      all.map { ($0.count(settings.width, settings.intermediate), true, $0.isMatrix) }
    }
    if let bias = settings.bias { parts.append((bias.buckets * settings.heads, bias.isTrained, false)) }
    let block = try ParameterBlock<S>(parts)
    parameters = block
    let last = parts.count - 1
    bias = settings.bias.map { _ in (block.value(last), block.gradient(last)) }
    let layers = settings.layers.indices
    layerValues = layers.map { layer in EncoderLayerParameters { block.value(all.count * layer + $0.index) } }
    gradients = layers.map { layer in EncoderLayerParameters { block.gradient(all.count * layer + $0.index) } }
    activationBuffers = Array(repeating: GrowingBuffer(), count: settings.layers.count)
  }

  /// A layer's activations for the present batch; what they hold stays from `forward` to `backward`.
  private func activations(_ layer: Int) throws(ClozeError) -> Activations {
    let rows = offsets[offsets.count - 1]
    let (d, f) = (rows * width, rows * settings.intermediate)
    var next = try activationBuffers[layer].reserve(8 * d + 2 * f + 2 * rows)
    func take(_ count: Int) -> Pointer {
      defer { next += count }
      return next
    }
    return Activations(
      projections: take(3 * d), context: take(d),
      attentionNorm: .init(normalized: take(d), inverseDeviation: take(rows)), attentionOutput: take(d),
      preActivation: take(f), activated: take(f),
      outputNorm: .init(normalized: take(d), inverseDeviation: take(rows)), output: take(d))
  }

  /// y [T, D], the states after all layers, of x [T, D], those before; valid until the next call.
  func forward(_ x: UnsafePointer<S>, offsets: [Int], dropout: Dropout = .none) throws(ClozeError) -> Pointer {
    self.offsets = offsets
    self.dropout = dropout
    let (rows, d, f) = (offsets[offsets.count - 1], width, settings.intermediate)
    var state = try input.reserve(rows * d)
    state.update(from: x, count: rows * d)
    let residual = try scratch.residual.reserve(rows * d)
    for (layer, constants) in settings.layers.enumerated() {
      let (p, a) = (layerValues[layer], try activations(layer))
      try arithmetic.linear(state, rows, d, 3 * d, try projection(layer), a.projections)
      try attentionForward(a, layer)
      try arithmetic.linear(a.context, rows, d, d, p.attentionOutput, residual)
      try arithmetic.layernorm(
        residual, dropout: dropout[.attentionOutput(layer: layer)], plus: state, rows, d, p.attentionNorm,
        constants.attentionNormEpsilon, a.attentionNorm, a.attentionOutput)
      try arithmetic.linear(a.attentionOutput, rows, d, f, p.intermediate, a.preActivation)
      try arithmetic.activate(constants.activation, a.preActivation, rows, f, a.activated)
      try arithmetic.linear(a.activated, rows, f, d, p.output, residual)
      try arithmetic.layernorm(
        residual, dropout: dropout[.output(layer: layer)], plus: a.attentionOutput, rows, d, p.outputNorm,
        constants.outputNormEpsilon, a.outputNorm, a.output)
      state = a.output
    }
    return state
  }

  /// Adds the gradients of the last `forward`; `d` [T, D], the gradient of its result, is overwritten by that of its
  /// input.
  func backward(_ d: Pointer) throws(ClozeError) {
    let (rows, width, f) = (offsets[offsets.count - 1], width, settings.intermediate)
    let dActivated = try scratch.dActivated.reserve(rows * f)
    let dContext = try scratch.dContext.reserve(rows * width)
    for (layer, constants) in settings.layers.enumerated().reversed() {
      let (p, g, a) = (layerValues[layer], gradients[layer], try activations(layer))
      let state = layer == 0 ? try input.reserve(rows * width) : try activations(layer - 1).output
      // After a norm d is the gradient of the residual connection as well: what is left of the layer's is added to it.
      try arithmetic.layernormBackward(d, a.outputNorm, rows, width, p.outputNorm, g.outputNorm, d)
      try linearBackward(
        a.activated, try beforeDropout(d, .output(layer: layer)), f, width, p.output, g.output, dActivated)
      try arithmetic.activateBackward(constants.activation, a.preActivation, rows, f, dActivated)
      try linearBackward(a.attentionOutput, dActivated, width, f, p.intermediate, g.intermediate, d, adds: true)
      try arithmetic.layernormBackward(d, a.attentionNorm, rows, width, p.attentionNorm, g.attentionNorm, d)
      try linearBackward(
        a.context, try beforeDropout(d, .attentionOutput(layer: layer)), width, width, p.attentionOutput,
        g.attentionOutput, dContext)
      try projectionBackward(state, try attentionBackward(dContext, a, layer), layer, d)
    }
  }

  /// Query, key and value of a layer as one linear layer, in a copy: their input is packed once.
  private func projection(_ layer: Int) throws(ClozeError) -> LinearParameters<Pointer> {
    let weight = try scratch.projection.reserve(3 * width * (width + 1))
    let bias = weight + 3 * width * width
    for (i, part) in layerValues[layer].projections.enumerated() {
      (weight + i * width * width).update(from: part.weight, count: width * width)
      (bias + i * width).update(from: part.bias, count: width)
    }
    return LinearParameters(weight: weight, bias: bias)
  }

  /// d += the gradient of x, of dy [T, 3 D]
  private func projectionBackward(_ x: Pointer, _ dy: Pointer, _ layer: Int, _ d: Pointer) throws(ClozeError) {
    let count = 3 * width * (width + 1)
    let dWeight = try scratch.dProjection.reserve(count)
    dWeight.update(repeating: 0, count: count)
    let sum = LinearParameters(weight: dWeight, bias: dWeight + 3 * width * width)
    try linearBackward(x, dy, width, 3 * width, try projection(layer), sum, d, adds: true)
    for (i, part) in gradients[layer].projections.enumerated() {
      S.add(sum.weight + i * width * width, width * width, part.weight, arithmetic)
      S.add(sum.bias + i * width, width, part.bias, arithmetic)
    }
  }

  private func linearBackward(
    _ x: Pointer, _ dy: Pointer, _ inputs: Int, _ outputs: Int, _ p: LinearParameters<Pointer>,
    _ gradients: LinearParameters<Pointer>, _ dx: Pointer, adds: Bool = false
  ) throws(ClozeError) {
    try arithmetic.linearBackward(
      x, dy, offsets[offsets.count - 1], inputs, outputs, p.weight, dWeight: gradients.weight, dBias: gradients.bias,
      dx: dx, adds: adds)
  }

  /// The gradient of what dropout at `site` was applied to; d itself stays.
  private func beforeDropout(_ d: Pointer, _ site: Dropout.Site) throws(ClozeError) -> Pointer {
    let mask = dropout[site]
    guard mask.threshold > 0 else { return d }
    let rows = offsets[offsets.count - 1]
    let result = try scratch.residual.reserve(rows * width)
    try arithmetic.dropout(d, rows, width, mask, result)
    return result
  }
}

extension EncoderLayerParameters {
  /// What attention reads of a layer's input.
  fileprivate var projections: [LinearParameters<Values>] { [query, key, value] }
}

/// The layers of a model and of a head.
extension EncoderStack where S == Float {
  /// The last `count` layers of a model.
  convenience init(_ model: Model, last count: Int, _ arithmetic: Arithmetic) throws(ClozeError) {
    let info = model.info
    let range = (info.numHiddenLayers - count)..<info.numHiddenLayers
    var settings = Settings(
      width: info.hiddenSize, heads: info.numAttentionHeads, intermediate: info.intermediateSize, layers: [])
    let bias = model.attentionBias
    if let bias {
      settings.bias = .init(
        buckets: bias.count / info.numAttentionHeads, bucket: Model.relativePositionBucket,
        isTrained: count == info.numHiddenLayers)
    }
    for layer in range {
      let constants = model.encoderLayerConstants(layer)
      settings.layers.append(
        .init(
          activation: constants.activation, attentionScale: constants.attentionScale,
          attentionNormEpsilon: constants.attentionNormEpsilon, outputNormEpsilon: constants.outputNormEpsilon))
    }
    try self.init(settings, arithmetic)
    let all = EncoderLayerParameter.allCases
    for (i, layer) in range.enumerated() {
      let weights = model.encoderLayer(layer)
      for parameter in all { parameters.set(all.count * i + parameter.index, weights[parameter]) }
    }
    if let bias { parameters.set(all.count * count, bias) }
  }

  /// The layers as a head holds them.
  var encoderLayers: [EncoderLayer] {
    settings.layers.indices.map { layer in
      EncoderLayer { parameters.array(EncoderLayerParameter.allCases.count * layer + $0.index) }
    }
  }

  /// The bias of attention scores as a head holds it; nil where it is not trained.
  var attentionBias: [Float]? {
    guard settings.bias?.isTrained == true else { return nil }
    return parameters.array(parameters.segments.count - 1)
  }
}
