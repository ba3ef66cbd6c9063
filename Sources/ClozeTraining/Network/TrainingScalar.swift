internal import CClozeKernels
internal import Cloze
internal import ClozeIO

/// The numbers of layers and losses, with the operators of training on them: Float to train, by the runtime's kernels;
/// Double, in plain loops, to check gradients (in the tests).
///
/// Names of gradients begin with d. Operators write what they return; gradients of parameters they add to.
protocol TrainingScalar: BinaryFloatingPoint, BitwiseCopyable, Sendable {
  typealias Values = UnsafePointer<Self>
  typealias Results = UnsafeMutablePointer<Self>

  static func exp(_ x: Self) -> Self
  static func log(_ x: Self) -> Self

  /// c [m, n] = op(a) op(b) + bias, or c += op(a) op(b) where it `adds`; see `ProductForm`. Of `bias` [n], as many
  /// values as make n a multiple of 16 are read.
  static func product(
    _ form: ProductForm, _ m: Int, _ n: Int, _ k: Int, _ a: Values, _ b: Values, _ c: Results, bias: Values?,
    adds: Bool, _ arithmetic: Arithmetic) throws(ClozeError)

  /// y = activation(z) [count]
  static func activate(_ activation: Activation, _ z: Values, _ count: Int, _ y: Results, _ arithmetic: Arithmetic)
  /// d = d activation'(z) [count]
  static func activateBackward(
    _ activation: Activation, _ z: Values, _ count: Int, _ d: Results, _ arithmetic: Arithmetic)

  /// y = norm(x + residual) for rows of d, with what the backward pass needs; y may be x.
  static func layernorm(
    _ x: Values, plus residual: Values?, _ rows: Int, _ d: Int, _ p: NormParameters<Results>, _ epsilon: Self,
    _ kept: NormActivations<Self>, _ y: Results, _ arithmetic: Arithmetic)
  /// dx of dy; dx may be dy.
  static func layernormBackward(
    _ dy: Values, _ kept: NormActivations<Self>, _ rows: Int, _ d: Int, _ p: NormParameters<Results>,
    _ gradients: NormParameters<Results>, _ dx: Results, _ arithmetic: Arithmetic)

  /// y = x with dropout, rows of d, of which the first has the number `row`; y may be x.
  static func dropout(
    _ x: Values, _ rows: Int, _ d: Int, _ dropout: cloze_dropout, row: Int, _ y: Results, _ arithmetic: Arithmetic)
  /// y += x [count]
  static func add(_ x: Values, _ count: Int, _ y: Results, _ arithmetic: Arithmetic)
  /// y [d] += the column sums of x [rows, d]
  static func addColumnSums(_ x: Values, _ rows: Int, _ d: Int, _ y: Results, _ arithmetic: Arithmetic)

  /// context = dropout(softmax(scale query key^T + bias)) value
  static func attention(
    _ head: AttentionHead<Self>, _ context: Results, _ scratch: UnsafeMutableRawPointer, _ arithmetic: Arithmetic)
  /// The gradients of query, key and value, and of the bias where there is one.
  static func attentionBackward(
    _ head: AttentionHead<Self>, _ dContext: Values, _ gradients: AttentionGradients<Self>,
    _ scratch: UnsafeMutableRawPointer, _ arithmetic: Arithmetic)
  /// Bytes of scratch memory for both.
  static func attentionScratch(_ length: Int, _ size: Int, _ arithmetic: Arithmetic) -> Int

  /// The sum of exp(x - highest) [count], count >= 1.
  static func expSum(_ x: Values, _ count: Int, _ arithmetic: Arithmetic) -> (sum: Self, highest: Self)
  /// x = share exp(x - logSum) [count]
  static func scaledExp(_ x: Results, _ count: Int, logSum: Self, share: Self, _ arithmetic: Arithmetic)

  /// A step of AdamW over `count` weights w with moments m and v and gradients dw.
  static func adamw(
    _ w: Results, _ m: Results, _ v: Results, _ dw: Values, _ count: Int, _ step: AdamWStep<Self>,
    _ arithmetic: Arithmetic)
  static func sumOfSquares(_ x: Values, _ count: Int, _ arithmetic: Arithmetic) -> Double
}

/// Which operand of a product is transposed in memory, as in BLAS: n not, t transposed.
enum ProductForm {
  /// a [m, k], b [k, n]
  case nn
  /// a [m, k], b [n, k]
  case nt
  /// a [k, m], b [k, n]
  case tn
}

/// What a norm's forward pass keeps for the backward pass.
struct NormActivations<S: TrainingScalar> {
  /// [rows, d] (x - mean) / sqrt(variance + epsilon)
  var normalized: UnsafeMutablePointer<S>
  /// [rows] 1 / sqrt(variance + epsilon)
  var inverseDeviation: UnsafeMutablePointer<S>

  /// From a row on.
  func rows(from row: Int, _ d: Int) -> Self {
    Self(normalized: normalized + row &* d, inverseDeviation: inverseDeviation + row)
  }
}

/// One head's attention within one sequence.
struct AttentionHead<S: TrainingScalar> {
  /// [length, size] with row stride `stride`
  var query, key, value: UnsafePointer<S>
  var stride: Int
  /// The row stride of the context [length, size].
  var contextStride: Int
  var length, size: Int
  /// The factor of scores.
  var scale: S
  /// bias[j - i] of query i and key j; nil: none.
  var bias: UnsafePointer<S>?
  var dropout: cloze_dropout
  /// Dropout's number of the first query, and what it grows by from query to query.
  var row, rowStep: Int
}

/// Gradients of `AttentionHead`.
struct AttentionGradients<S: TrainingScalar> {
  var query, key, value: UnsafeMutablePointer<S>
  var bias: UnsafeMutablePointer<S>?
}

/// The constants of one step of AdamW, see `AdamW`.
struct AdamWStep<S: TrainingScalar> {
  var gradientScale: S
  /// 1 - b1, b2, 1 - b2
  var beta1Rest, beta2, beta2Rest: S
  /// 1 - rate decay
  var keep: S
  /// rate / (1 - b1^t)
  var stepSize: S
  /// sqrt(1 - b2^t)
  var root: S
  var epsilon: S
}
