internal import Cloze
internal import ClozeIO

/// The last layers of an encoder, forward and backward, over a ragged batch: all tokens end to end,
/// attention within each sequence.
///
///     c = attention(x Wq + bq, x Wk + bk, x Wv + bv)
///     h = norm(c Wo + bo + x)
///     y = norm(activation(h Wi + bi) Wd + bd + h)
final class EncoderStack<S: TrainingScalar> {
  struct Settings {
    var width: Int
    var heads: Int
    var intermediate: Int
    /// Of each layer.
    var activations: [Activation]
    var scales: [S]
    var epsilons: [(S, S)]
  }

  let settings: Settings
  let arithmetic: Arithmetic
  let parameters: Block<S>
  let gradients: Block<S>
  let segments: [NetworkShape.Segment]
  private(set) var offsets: [Int] = [0]
  var width: Int { settings.width }
  var layers: Int { settings.activations.count }

  /// What `forward` keeps of a layer.
  private struct Trace {
    var input = Room<S>()
    var qkv = [Room<S>](repeating: Room(), count: 3)
    /// softmax, sequence by sequence and head by head: [length, length] each
    var shares = Room<S>()
    var context = Room<S>()
    var normed = Room<S>()
    var inverse = Room<S>()
    var middle = Room<S>()
    var sum = Room<S>()
    var active = Room<S>()
    var normed2 = Room<S>()
    var inverse2 = Room<S>()
  }
  private var traces: [Trace]
  private var output = Room<S>()
  private var rooms = [Room<S>](repeating: Room(), count: 6)
  private var weightRoom = Room<S>()
  /// Where each sequence's shares begin, for one head; the last is their number.
  private var shareOffsets: [Int] = [0]

  init(_ settings: Settings, _ arithmetic: Arithmetic) throws(ClozeError) {
    self.settings = settings
    self.arithmetic = arithmetic
    var segments: [NetworkShape.Segment] = []
    var at = 0
    for _ in settings.activations {
      for size in EncoderLayer.sizes(settings.width, settings.intermediate) {
        segments.append(
          NetworkShape.Segment(
            range: at..<(at + size), isTrained: true, decays: size > settings.intermediate * 2))
        at += size
      }
    }
    self.segments = segments
    parameters = try Block(at)
    gradients = try Block(at)
    traces = Array(repeating: Trace(), count: settings.activations.count)
  }

  private func part(_ layer: Int, _ part: Int) -> UnsafeMutablePointer<S> {
    parameters.base + segments[EncoderLayer.parts * layer + part].range.lowerBound
  }

  private func gradient(_ layer: Int, _ part: Int) -> UnsafeMutablePointer<S> {
    gradients.base + segments[EncoderLayer.parts * layer + part].range.lowerBound
  }

  /// y [rows, outputs] = x W + b
  private func dense(
    _ x: UnsafePointer<S>, _ rows: Int, _ inputs: Int, _ outputs: Int, _ weight: UnsafePointer<S>,
    _ bias: UnsafePointer<S>, _ y: UnsafeMutablePointer<S>
  ) throws(ClozeError) {
    try S.product(.turnedRight, rows, outputs, inputs, x, weight, y, arithmetic)
    try arithmetic.forEach(rows, parallel: rows > 512) { row in
      let y = y + row &* outputs
      for i in 0..<outputs { y[i] += bias[i] }
    }
  }

  /// Adds dW and db, and writes dx, or adds it to what is there.
  private func denseBackward(
    _ x: UnsafePointer<S>, _ dy: UnsafePointer<S>, _ rows: Int, _ inputs: Int, _ outputs: Int,
    _ weight: UnsafePointer<S>, _ dWeight: UnsafeMutablePointer<S>,
    _ dBias: UnsafeMutablePointer<S>, _ dx: UnsafeMutablePointer<S>, adds: Bool = false
  ) throws(ClozeError) {
    let room = try weightRoom.reserve(max(inputs * outputs, rows * inputs))
    try S.product(.turnedLeft, outputs, inputs, rows, dy, x, room, arithmetic)
    for i in 0..<(inputs &* outputs) { dWeight[i] += room[i] }
    for row in 0..<rows {
      let dy = dy + row &* outputs
      for i in 0..<outputs { dBias[i] += dy[i] }
    }
    guard adds else {
      return try S.product(.plain, rows, inputs, outputs, dy, weight, dx, arithmetic)
    }
    try S.product(.plain, rows, inputs, outputs, dy, weight, room, arithmetic)
    for i in 0..<(rows &* inputs) { dx[i] += room[i] }
  }

  /// The states [T, D] after all layers, of those before, x [T, D]; they stay until the next call.
  func forward(_ x: UnsafePointer<S>, offsets: [Int]) throws(ClozeError) -> UnsafeMutablePointer<S>
  {
    self.offsets = offsets
    shareOffsets = [0]
    for i in 0..<(offsets.count - 1) {
      let length = offsets[i + 1] - offsets[i]
      shareOffsets.append(shareOffsets[i] + length * length)
    }
    let (rows, d, f) = (offsets[offsets.count - 1], width, settings.intermediate)
    let result = try output.reserve(rows * d)
    result.update(from: x, count: rows * d)
    for layer in 0..<layers {
      let input = try traces[layer].input.reserve(rows * d)
      input.update(from: result, count: rows * d)
      var qkv: [UnsafeMutablePointer<S>] = []
      for p in 0..<3 {
        let target = try traces[layer].qkv[p].reserve(rows * d)
        try dense(input, rows, d, d, part(layer, 2 * p), part(layer, 2 * p + 1), target)
        qkv.append(target)
      }
      let context = try traces[layer].context.reserve(rows * d)
      let shares = try traces[layer].shares.reserve(
        shareOffsets[offsets.count - 1] * settings.heads)
      try attend(qkv, shares, settings.scales[layer], context)
      let attended = try rooms[0].reserve(rows * d)
      try dense(context, rows, d, d, part(layer, 6), part(layer, 7), attended)
      for i in 0..<(rows &* d) { attended[i] += input[i] }
      let middle = try traces[layer].middle.reserve(rows * d)
      layernormForward(
        attended, rows, d, part(layer, 8), part(layer, 9), settings.epsilons[layer].0,
        try traces[layer].normed.reserve(rows * d), try traces[layer].inverse.reserve(rows), middle)
      let sum = try traces[layer].sum.reserve(rows * f)
      try dense(middle, rows, d, f, part(layer, 10), part(layer, 11), sum)
      let active = try traces[layer].active.reserve(rows * f)
      let kind = settings.activations[layer]
      try arithmetic.forEach(rows, parallel: rows > 16) { row in
        activate(kind, sum + row &* f, active + row &* f, f)
      }
      try dense(active, rows, f, d, part(layer, 12), part(layer, 13), attended)
      for i in 0..<(rows &* d) { attended[i] += middle[i] }
      layernormForward(
        attended, rows, d, part(layer, 14), part(layer, 15), settings.epsilons[layer].1,
        try traces[layer].normed2.reserve(rows * d), try traces[layer].inverse2.reserve(rows),
        result)
    }
    return result
  }

  /// Adds the gradients of the last `forward`; `d` [T, D], of its result, is overwritten by that of
  /// its input.
  func backward(_ d: UnsafeMutablePointer<S>) throws(ClozeError) {
    let (rows, width, f) = (offsets[offsets.count - 1], width, settings.intermediate)
    for layer in (0..<layers).reversed() {
      layernormBackward(
        d, try traces[layer].normed2.reserve(rows * width),
        try traces[layer].inverse2.reserve(rows),
        rows, width, part(layer, 14), gradient(layer, 14), gradient(layer, 15), d)
      let active = try traces[layer].active.reserve(rows * f)
      let middle = try traces[layer].middle.reserve(rows * width)
      let dActive = try rooms[1].reserve(rows * f)
      try denseBackward(
        active, d, rows, f, width, part(layer, 12), gradient(layer, 12), gradient(layer, 13),
        dActive)
      let sum = try traces[layer].sum.reserve(rows * f)
      let kind = settings.activations[layer]
      try arithmetic.forEach(rows, parallel: rows > 16) { row in
        activateBackward(kind, sum + row &* f, dActive + row &* f, f)
      }
      // d is the residual's gradient as well.
      try denseBackward(
        middle, dActive, rows, width, f, part(layer, 10), gradient(layer, 10),
        gradient(layer, 11), d, adds: true)
      layernormBackward(
        d, try traces[layer].normed.reserve(rows * width), try traces[layer].inverse.reserve(rows),
        rows, width, part(layer, 8), gradient(layer, 8), gradient(layer, 9), d)
      let context = try traces[layer].context.reserve(rows * width)
      let dContext = try rooms[2].reserve(rows * width)
      try denseBackward(
        context, d, rows, width, width, part(layer, 6), gradient(layer, 6), gradient(layer, 7),
        dContext)
      var (qkv, dqkv): ([UnsafeMutablePointer<S>], [UnsafeMutablePointer<S>]) = ([], [])
      for p in 0..<3 {
        qkv.append(try traces[layer].qkv[p].reserve(rows * width))
        dqkv.append(try rooms[3 + p].reserve(rows * width))
      }
      let shares = try traces[layer].shares.reserve(
        shareOffsets[offsets.count - 1] * settings.heads)
      try attendBackward(dContext, qkv, shares, settings.scales[layer], dqkv)
      let input = try traces[layer].input.reserve(rows * width)
      for p in 0..<3 {
        try denseBackward(
          input, dqkv[p], rows, width, width, part(layer, 2 * p), gradient(layer, 2 * p),
          gradient(layer, 2 * p + 1), d, adds: true)
      }
    }
  }

  /// context = softmax(scale q k^T) v, head by head; the softmax is kept in `shares`.
  private func attend(
    _ qkv: [UnsafeMutablePointer<S>], _ shares: UnsafeMutablePointer<S>, _ scale: S,
    _ context: UnsafeMutablePointer<S>
  ) throws(ClozeError) {
    let (d, heads) = (width, settings.heads)
    let size = d / heads
    try arithmetic.forEach((offsets.count - 1) * heads) { item in
      let (sequence, head) = item.quotientAndRemainder(dividingBy: heads)
      let first = offsets[sequence]
      let length = offsets[sequence + 1] - first
      let p = shares + (shareOffsets[sequence] &* heads &+ head &* length &* length)
      let at = first &* d &+ head &* size
      let (q, k, v) = (qkv[0] + at, qkv[1] + at, qkv[2] + at)
      for i in 0..<length {
        let row = p + i &* length
        let qi = q + i &* d
        var most = -S.infinity
        for j in 0..<length {
          let kj = k + j &* d
          var sum: S = 0
          for c in 0..<size { sum += qi[c] * kj[c] }
          row[j] = sum * scale
          most = max(most, row[j])
        }
        var total: S = 0
        for j in 0..<length {
          row[j] = S.exp(row[j] - most)
          total += row[j]
        }
        let out = context + at + i &* d
        for c in 0..<size { out[c] = 0 }
        for j in 0..<length {
          row[j] /= total
          let vj = v + j &* d
          for c in 0..<size { out[c] += row[j] * vj[c] }
        }
      }
    }
  }

  /// With P the softmax: dv = P^T dc, dP = dc v^T, ds = P (dP - sum(P dP)), dq = scale ds k,
  /// dk = scale ds^T q.
  private func attendBackward(
    _ dContext: UnsafeMutablePointer<S>, _ qkv: [UnsafeMutablePointer<S>],
    _ shares: UnsafeMutablePointer<S>, _ scale: S, _ dqkv: [UnsafeMutablePointer<S>]
  ) throws(ClozeError) {
    let (d, heads) = (width, settings.heads)
    let size = d / heads
    try arithmetic.forEach((offsets.count - 1) * heads) { item in
      let (sequence, head) = item.quotientAndRemainder(dividingBy: heads)
      let first = offsets[sequence]
      let length = offsets[sequence + 1] - first
      let p = shares + (shareOffsets[sequence] &* heads &+ head &* length &* length)
      let at = first &* d &+ head &* size
      let (q, k, v) = (qkv[0] + at, qkv[1] + at, qkv[2] + at)
      let (dq, dk, dv) = (dqkv[0] + at, dqkv[1] + at, dqkv[2] + at)
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
          let ds = row[j] * (dp - sum) * scale
          let (kj, dkj) = (k + j &* d, dk + j &* d)
          for c in 0..<size {
            dqi[c] += ds * kj[c]
            dkj[c] += ds * qi[c]
          }
        }
      }
    }
  }
}

extension EncoderStack where S == Float {
  /// The last `count` layers of a model.
  convenience init(_ model: Model, last count: Int, _ arithmetic: Arithmetic) throws(ClozeError) {
    let info = model.info
    let first = info.numHiddenLayers - count
    var settings = Settings(
      width: info.hiddenSize, heads: info.numAttentionHeads, intermediate: info.intermediateSize,
      activations: [], scales: [], epsilons: [])
    for layer in first..<info.numHiddenLayers {
      let own = model.encoderLayerSettings(layer)
      settings.activations.append(own.activation)
      settings.scales.append(own.scale)
      settings.epsilons.append((own.epsilons.0, own.epsilons.1))
    }
    try self.init(settings, arithmetic)
    load((first..<info.numHiddenLayers).map(model.encoderLayer))
  }

  /// Takes over weights.
  func load(_ layers: [EncoderLayer]) {
    for (i, layer) in layers.enumerated() {
      for (part, array) in layer.arrays.enumerated() {
        let range = segments[EncoderLayer.parts * i + part].range
        for (at, value) in zip(range, array) { parameters.base[at] = value }
      }
    }
  }

  /// The layers as a head holds them.
  var encoderLayers: [EncoderLayer] {
    (0..<layers).map { layer in
      EncoderLayer(
        arrays: (0..<EncoderLayer.parts).map { part in
          segments[EncoderLayer.parts * layer + part].range.map { parameters.base[$0] }
        })
    }
  }
}
