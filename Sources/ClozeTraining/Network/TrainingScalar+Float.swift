internal import CClozeKernels
internal import Cloze
internal import ClozeIO
internal import Glibc

/// The operators of training in float32: the kernels, which give the same bits on every instruction set.
extension Float: TrainingScalar {
  static func exp(_ x: Float) -> Float { expf(x) }
  static func log(_ x: Float) -> Float { logf(x) }

  static func product(
    _ form: ProductForm, _ m: Int, _ n: Int, _ k: Int, _ a: Values, _ b: Values, _ c: Results, bias: Values?,
    adds: Bool, _ arithmetic: Arithmetic
  ) throws(ClozeError) { try arithmetic.product(form, m, n, k, a, b, c, bias: bias, adds: adds) }

  static func activate(_ activation: Activation, _ z: Values, _ count: Int, _ y: Results, _ arithmetic: Arithmetic) {
    // Pieces that stay in the first cache.
    for first in stride(from: 0, to: count, by: 2048) {
      let piece = min(2048, count &- first)
      (y + first).update(from: z + first, count: piece)
      arithmetic.kernels.rows.activate(y + first, piece, activation.kernel)
    }
  }

  static func activateBackward(
    _ activation: Activation, _ z: Values, _ count: Int, _ d: Results, _ arithmetic: Arithmetic
  ) {
    if activation != .identity { arithmetic.kernels.training.activate_backward(z, count, activation.kernel, d) }
  }

  static func layernorm(
    _ x: Values, plus residual: Values?, _ rows: Int, _ d: Int, _ p: NormParameters<Results>, _ epsilon: Float,
    _ kept: NormActivations<Float>, _ y: Results, _ arithmetic: Arithmetic
  ) {
    arithmetic.kernels.training.layernorm_forward(
      x, residual, p.gamma, p.beta, epsilon, rows, d, kept.normalized, kept.inverseDeviation, y)
  }

  static func layernormBackward(
    _ dy: Values, _ kept: NormActivations<Float>, _ rows: Int, _ d: Int, _ p: NormParameters<Results>,
    _ gradients: NormParameters<Results>, _ dx: Results, _ arithmetic: Arithmetic
  ) {
    arithmetic.kernels.training.layernorm_backward(
      dy, kept.normalized, kept.inverseDeviation, p.gamma, rows, d, gradients.gamma, gradients.beta, dx)
  }

  static func dropout(
    _ x: Values, _ rows: Int, _ d: Int, _ dropout: cloze_dropout, row: Int, _ y: Results, _ arithmetic: Arithmetic
  ) { arithmetic.kernels.training.dropout(x, rows, d, dropout, UInt64(row), y) }

  static func add(_ x: Values, _ count: Int, _ y: Results, _ arithmetic: Arithmetic) {
    arithmetic.kernels.training.add(x, count, y)
  }

  static func addColumnSums(_ x: Values, _ rows: Int, _ d: Int, _ y: Results, _ arithmetic: Arithmetic) {
    arithmetic.kernels.training.add_column_sums(x, rows, d, y)
  }

  static func attention(
    _ head: AttentionHead<Float>, _ context: Results, _ scratch: UnsafeMutableRawPointer, _ arithmetic: Arithmetic
  ) {
    arithmetic.kernels.training.attention_forward(
      head.query, head.key, head.value, head.stride, head.length, head.size, head.scale, head.bias, head.dropout,
      UInt64(head.row), UInt64(head.rowStep), context, head.contextStride, scratch)
  }

  static func attentionBackward(
    _ head: AttentionHead<Float>, _ dContext: Values, _ gradients: AttentionGradients<Float>,
    _ scratch: UnsafeMutableRawPointer, _ arithmetic: Arithmetic
  ) {
    arithmetic.kernels.training.attention_backward(
      head.query, head.key, head.value, head.stride, head.length, head.size, head.scale, head.bias, head.dropout,
      UInt64(head.row), UInt64(head.rowStep), dContext, head.contextStride, gradients.query, gradients.key,
      gradients.value, gradients.bias, scratch)
  }

  static func attentionScratch(_ length: Int, _ size: Int, _ arithmetic: Arithmetic) -> Int {
    arithmetic.kernels.training.attention_scratch(length, size)
  }

  static func expSum(_ x: Values, _ count: Int, _ arithmetic: Arithmetic) -> (sum: Float, highest: Float) {
    var highest: Float = 0
    let sum = arithmetic.kernels.training.exp_sum(x, count, &highest)
    return (sum, highest)
  }

  static func scaledExp(_ x: Results, _ count: Int, logSum: Float, share: Float, _ arithmetic: Arithmetic) {
    arithmetic.kernels.training.scaled_exp(x, count, logSum, share)
  }

  static func adamw(
    _ w: Results, _ m: Results, _ v: Results, _ dw: Values, _ count: Int, _ step: AdamWStep<Float>,
    _ arithmetic: Arithmetic
  ) {
    var constants = cloze_adamw(
      gradient_scale: step.gradientScale, beta1_rest: step.beta1Rest, beta2: step.beta2, beta2_rest: step.beta2Rest,
      keep: step.keep, step_size: step.stepSize, root: step.root, epsilon: step.epsilon)
    arithmetic.kernels.training.adamw(w, m, v, dw, count, &constants)
  }

  /// Of pieces short enough for Float, in Double.
  static func sumOfSquares(_ x: Values, _ count: Int, _ arithmetic: Arithmetic) -> Double {
    var sum = 0.0
    for first in stride(from: 0, to: count, by: 4096) {
      sum += Double(arithmetic.kernels.rows.sum_of_squares(x + first, min(4096, count &- first)))
    }
    return sum
  }
}
