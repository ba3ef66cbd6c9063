internal import ClozeIO
internal import Glibc

/// The numbers of layers and losses: Float to train, Double to check gradients.
protocol TrainingScalar: BinaryFloatingPoint, BitwiseCopyable, Sendable {
  static func exp(_ x: Self) -> Self
  static func log(_ x: Self) -> Self
  static func tanh(_ x: Self) -> Self
  static func erf(_ x: Self) -> Self
  /// c [m, n] = op(a) op(b); see `ProductForm`.
  static func product(
    _ form: ProductForm, _ m: Int, _ n: Int, _ k: Int, _ a: UnsafePointer<Self>, _ b: UnsafePointer<Self>,
    _ c: UnsafeMutablePointer<Self>, _ arithmetic: Arithmetic) throws(ClozeError)
}

extension Float: TrainingScalar {
  static func exp(_ x: Float) -> Float { expf(x) }
  static func log(_ x: Float) -> Float { logf(x) }
  static func tanh(_ x: Float) -> Float { tanhf(x) }
  static func erf(_ x: Float) -> Float { erff(x) }
  static func product(
    _ form: ProductForm, _ m: Int, _ n: Int, _ k: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
    _ c: UnsafeMutablePointer<Float>, _ arithmetic: Arithmetic
  ) throws(ClozeError) { try arithmetic.product(form, m, n, k, a, b, c) }
}

extension Double: TrainingScalar {
  static func exp(_ x: Double) -> Double { Glibc.exp(x) }
  static func log(_ x: Double) -> Double { Glibc.log(x) }
  static func tanh(_ x: Double) -> Double { Glibc.tanh(x) }
  static func erf(_ x: Double) -> Double { Glibc.erf(x) }
  static func product(
    _ form: ProductForm, _ m: Int, _ n: Int, _ k: Int, _ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>,
    _ c: UnsafeMutablePointer<Double>, _ arithmetic: Arithmetic
  ) throws(ClozeError) {
    for i in 0..<m {
      for j in 0..<n {
        var sum = 0.0
        for p in 0..<k {
          let x = form == .tn ? a[p &* m &+ i] : a[i &* k &+ p]
          let y = form == .nt ? b[j &* k &+ p] : b[p &* n &+ j]
          sum += x * y
        }
        c[i &* n &+ j] = sum
      }
    }
  }
}
