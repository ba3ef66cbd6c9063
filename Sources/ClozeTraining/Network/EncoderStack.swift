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
  private let bias: (values: Pointer, gradients: Pointer)?
  /// [B + 1] of the last `forward`.
  private(set) var offsets: [Int] = [0]
  var width: Int { settings.width }
  var layers: Int { settings.layers.count }

  /// What `forward` keeps of a layer for `backward`.
  private struct Activations {
    /// [T, D]
    var input, query, key, value, context: Pointer
    /// softmax of the scores, sequence by sequence and head by head: [length, length] each
    var probabilities: Pointer
    /// [T, D] and [T]: what the norm multiplies by gamma, and 1 / standard deviation
    var attentionNormalized, attentionInverseDeviation: Pointer
    /// h [T, D]
    var attentionOutput: Pointer
    /// [T, F]
    var preActivation, activated: Pointer
    /// [T, D] and [T]
    var outputNormalized, outputInverseDeviation: Pointer
  }

  /// Memory that layers take turns in.
  private struct Scratch {
    /// [T, D] the sum that a norm reads
    var residual = GrowingBuffer<S>()
    /// [T, F]
    var dActivated = GrowingBuffer<S>()
    /// [T, D]
    var dContext = GrowingBuffer<S>()
    var dQuery = GrowingBuffer<S>()
    var dKey = GrowingBuffer<S>()
    var dValue = GrowingBuffer<S>()
    /// [B H, buckets] of each sequence and head
    var dBias = GrowingBuffer<S>()
    /// A product before it is added to a gradient.
    var product = GrowingBuffer<S>()
  }

  /// Of each layer, all its activations.
  private var activationBuffers: [GrowingBuffer<S>]
  private var scratch = Scratch()
  private var output = GrowingBuffer<S>()
  /// [B + 1] where each sequence's probabilities of one head begin.
  private var probabilityOffsets: [Int] = [0]

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
    let probabilities = probabilityOffsets[offsets.count - 1] * settings.heads
    var next = try activationBuffers[layer].reserve(8 * d + 2 * f + 2 * rows + probabilities)
    func take(_ count: Int) -> Pointer {
      defer { next += count }
      return next
    }
    return Activations(
      input: take(d), query: take(d), key: take(d), value: take(d), context: take(d),
      probabilities: take(probabilities), attentionNormalized: take(d), attentionInverseDeviation: take(rows),
      attentionOutput: take(d), preActivation: take(f), activated: take(f), outputNormalized: take(d),
      outputInverseDeviation: take(rows))
  }

  /// y [T, D], the states after all layers, of x [T, D], those before; valid until the next call.
  func forward(_ x: UnsafePointer<S>, offsets: [Int]) throws(ClozeError) -> Pointer {
    self.offsets = offsets
    probabilityOffsets = [0]
    for i in 0..<(offsets.count - 1) {
      let length = offsets[i + 1] - offsets[i]
      probabilityOffsets.append(probabilityOffsets[i] + length * length)
    }
    let (rows, d, f) = (offsets[offsets.count - 1], width, settings.intermediate)
    let result = try output.reserve(rows * d)
    result.update(from: x, count: rows * d)
    for (layer, constants) in settings.layers.enumerated() {
      let (p, a) = (layerValues[layer], try activations(layer))
      a.input.update(from: result, count: rows * d)
      try linear(a.input, rows, d, d, p.query, a.query)
      try linear(a.input, rows, d, d, p.key, a.key)
      try linear(a.input, rows, d, d, p.value, a.value)
      try attentionForward(a, constants.attentionScale)
      let residual = try scratch.residual.reserve(rows * d)
      try linear(a.context, rows, d, d, p.attentionOutput, residual)
      for i in 0..<(rows &* d) { residual[i] += a.input[i] }
      layernormForward(
        residual, rows, d, p.attentionNorm, constants.attentionNormEpsilon, a.attentionNormalized,
        a.attentionInverseDeviation, a.attentionOutput)
      try linear(a.attentionOutput, rows, d, f, p.intermediate, a.preActivation)
      try arithmetic.forEach(rows, parallel: rows > 16) { row in
        activate(constants.activation, a.preActivation + row &* f, a.activated + row &* f, f)
      }
      try linear(a.activated, rows, f, d, p.output, residual)
      for i in 0..<(rows &* d) { residual[i] += a.attentionOutput[i] }
      layernormForward(
        residual, rows, d, p.outputNorm, constants.outputNormEpsilon, a.outputNormalized, a.outputInverseDeviation,
        result)
    }
    return result
  }

  /// Adds the gradients of the last `forward`; `d` [T, D], the gradient of its result, is overwritten by that of its
  /// input.
  func backward(_ d: Pointer) throws(ClozeError) {
    let (rows, width, f) = (offsets[offsets.count - 1], width, settings.intermediate)
    for (layer, constants) in settings.layers.enumerated().reversed() {
      let (p, g, a) = (layerValues[layer], gradients[layer], try activations(layer))
      layernormBackward(d, a.outputNormalized, a.outputInverseDeviation, rows, width, p.outputNorm, g.outputNorm, d)
      let dActivated = try scratch.dActivated.reserve(rows * f)
      try linearBackward(a.activated, d, rows, f, width, p.output, g.output, dActivated)
      try arithmetic.forEach(rows, parallel: rows > 16) { row in
        activateBackward(constants.activation, a.preActivation + row &* f, dActivated + row &* f, f)
      }
      // d is the gradient of the residual connection as well.
      try linearBackward(a.attentionOutput, dActivated, rows, width, f, p.intermediate, g.intermediate, d, adds: true)
      layernormBackward(
        d, a.attentionNormalized, a.attentionInverseDeviation, rows, width, p.attentionNorm, g.attentionNorm, d)
      let dContext = try scratch.dContext.reserve(rows * width)
      try linearBackward(a.context, d, rows, width, width, p.attentionOutput, g.attentionOutput, dContext)
      let dQuery = try scratch.dQuery.reserve(rows * width)
      let dKey = try scratch.dKey.reserve(rows * width)
      let dValue = try scratch.dValue.reserve(rows * width)
      try attentionBackward(dContext, a, constants.attentionScale, dQuery, dKey, dValue)
      try linearBackward(a.input, dQuery, rows, width, width, p.query, g.query, d, adds: true)
      try linearBackward(a.input, dKey, rows, width, width, p.key, g.key, d, adds: true)
      try linearBackward(a.input, dValue, rows, width, width, p.value, g.value, d, adds: true)
    }
  }

  /// y [rows, outputs] = x W^T + b
  private func linear(
    _ x: UnsafePointer<S>, _ rows: Int, _ inputs: Int, _ outputs: Int, _ p: LinearParameters<Pointer>, _ y: Pointer
  ) throws(ClozeError) {
    try S.product(.nt, rows, outputs, inputs, x, p.weight, y, arithmetic)
    try arithmetic.forEach(rows, parallel: rows > 512) { row in
      let y = y + row &* outputs
      for i in 0..<outputs { y[i] += p.bias[i] }
    }
  }

  /// dW += dy^T x, db += dy, dx = dy W; or dx += dy W where it `adds`.
  private func linearBackward(
    _ x: UnsafePointer<S>, _ dy: UnsafePointer<S>, _ rows: Int, _ inputs: Int, _ outputs: Int,
    _ p: LinearParameters<Pointer>, _ d: LinearParameters<Pointer>, _ dx: Pointer, adds: Bool = false
  ) throws(ClozeError) {
    let product = try scratch.product.reserve(max(inputs * outputs, rows * inputs))
    try S.product(.tn, outputs, inputs, rows, dy, x, product, arithmetic)
    for i in 0..<(inputs &* outputs) { d.weight[i] += product[i] }
    for row in 0..<rows {
      let dy = dy + row &* outputs
      for i in 0..<outputs { d.bias[i] += dy[i] }
    }
    guard adds else { return try S.product(.nn, rows, inputs, outputs, dy, p.weight, dx, arithmetic) }
    try S.product(.nn, rows, inputs, outputs, dy, p.weight, product, arithmetic)
    for i in 0..<(rows &* inputs) { dx[i] += product[i] }
  }

  /// context = P value, P = softmax(scale query key^T + bias), head by head.
  private func attentionForward(_ a: Activations, _ scale: S) throws(ClozeError) {
    let (d, heads) = (width, settings.heads)
    let size = d / heads
    let (table, bucket) = (bias?.values, settings.bias?.bucket)
    try arithmetic.forEach((offsets.count - 1) * heads) { item in
      let (sequence, head) = item.quotientAndRemainder(dividingBy: heads)
      let first = offsets[sequence]
      let length = offsets[sequence + 1] - first
      let p = a.probabilities + (probabilityOffsets[sequence] &* heads &+ head &* length &* length)
      let at = first &* d &+ head &* size
      let (q, k, v) = (a.query + at, a.key + at, a.value + at)
      for i in 0..<length {
        let row = p + i &* length
        let qi = q + i &* d
        var highest = -S.infinity
        for j in 0..<length {
          let kj = k + j &* d
          var sum: S = 0
          for c in 0..<size { sum += qi[c] * kj[c] }
          row[j] = sum * scale
          if let table, let bucket { row[j] += table[bucket(j &- i) &* heads &+ head] }
          highest = max(highest, row[j])
        }
        var total: S = 0
        for j in 0..<length {
          row[j] = S.exp(row[j] - highest)
          total += row[j]
        }
        let out = a.context + at + i &* d
        for c in 0..<size { out[c] = 0 }
        for j in 0..<length {
          row[j] /= total
          let vj = v + j &* d
          for c in 0..<size { out[c] += row[j] * vj[c] }
        }
      }
    }
  }

  /// dvalue = P^T dcontext, dP = dcontext value^T, dscores = P (dP - sum(P dP)), dquery = scale dscores key,
  /// dkey = scale dscores^T query, and of a bias the sum of dscores over the pairs of each bucket.
  private func attentionBackward(
    _ dContext: Pointer, _ a: Activations, _ scale: S, _ dQuery: Pointer, _ dKey: Pointer, _ dValue: Pointer
  ) throws(ClozeError) {
    let (d, heads) = (width, settings.heads)
    let size = d / heads
    let items = (offsets.count - 1) * heads
    // Summed in a fixed order afterwards, as any thread may have any item.
    var dBias: Pointer?
    let (buckets, bucket) = (settings.bias?.buckets ?? 0, settings.bias?.bucket)
    if buckets > 0 {
      let sums = try scratch.dBias.reserve(items * buckets)
      sums.update(repeating: 0, count: items * buckets)
      dBias = sums
    }
    try arithmetic.forEach(items) { item in
      let (sequence, head) = item.quotientAndRemainder(dividingBy: heads)
      let first = offsets[sequence]
      let length = offsets[sequence + 1] - first
      let p = a.probabilities + (probabilityOffsets[sequence] &* heads &+ head &* length &* length)
      let at = first &* d &+ head &* size
      let (q, k, v) = (a.query + at, a.key + at, a.value + at)
      let (dq, dk, dv) = (dQuery + at, dKey + at, dValue + at)
      let dc = dContext + at
      for i in 0..<length {
        for c in 0..<size {
          dq[i &* d &+ c] = 0
          dk[i &* d &+ c] = 0
          dv[i &* d &+ c] = 0
        }
      }
      for i in 0..<length {
        let row = p + i &* length
        let dci = dc + i &* d
        var sum: S = 0
        for j in 0..<length {
          let vj = v + j &* d
          var dp: S = 0
          for c in 0..<size { dp += dci[c] * vj[c] }
          sum += row[j] * dp
        }
        let (qi, dqi) = (q + i &* d, dq + i &* d)
        for j in 0..<length {
          let (vj, dvj) = (v + j &* d, dv + j &* d)
          var dp: S = 0
          for c in 0..<size {
            dp += dci[c] * vj[c]
            dvj[c] += row[j] * dci[c]
          }
          let dScore = row[j] * (dp - sum) * scale
          if let dBias, let bucket { dBias[item &* buckets &+ bucket(j &- i)] += row[j] * (dp - sum) }
          let (kj, dkj) = (k + j &* d, dk + j &* d)
          for c in 0..<size {
            dqi[c] += dScore * kj[c]
            dkj[c] += dScore * qi[c]
          }
        }
      }
    }
    guard let dBias, let gradients = bias?.gradients else { return }
    for item in 0..<items {
      for bucket in 0..<buckets {
        gradients[bucket &* heads &+ item % heads] += dBias[item &* buckets &+ bucket]
      }
    }
  }
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
