import CClozeKernels
import Testing

/// c = activation(x w^T + bias), with what it takes to run it in one of the precisions. In int8 the
/// weights are given quantized.
struct Product {
  var m: Int, n: Int, k: Int
  var x: [Float]
  var weights: [Float] = []
  var quantized: [Int8] = []
  var scale: [Float] = []
  var bias: [Float]?
  var inverseSmoothing: [Float]?
  var activation: cloze_activation = CLOZE_ACTIVATION_NONE
  /// What row strides have beyond the width.
  var gap = 0

  /// Random values; weights quantized by the scalar variant.
  init(m: Int, n: Int, k: Int, random: inout Random) {
    self.init(m: m, n: n, k: k, x: random.floats(m * k))
    weights = random.floats(n * k)
    quantized = [Int8](repeating: 0, count: n * k)
    scale = [Float](repeating: 0, count: n)
    let bad = Variant.scalar.rows.quantize_weights(weights, k, nil, n, k, &quantized, k, &scale)
    #expect(bad == 0)
    bias = random.floats(n)
  }

  init(m: Int, n: Int, k: Int, x: [Float]) { (self.m, self.n, self.k, self.x) = (m, n, k, x) }

  /// The rows of x as a variant packs them. Every buffer has exactly the size that the header
  /// states.
  func packRows(_ variant: Variant, _ precision: Precision) -> PackedRows {
    let kernels = variant[precision]
    let packed = PackedRows(m: m, k: k, kernels: kernels)
    let input = GuardedBuffer(x, width: k, stride: k + gap)
    let smoothing = inverseSmoothing.map { GuardedBuffer($0) }
    kernels.pack_rows(input.pointer, k + gap, smoothing?.pointer, m, k, packed.rows)
    return packed
  }

  /// c [m, n]. Records an issue where something outside of it was written.
  func run(_ variant: Variant, _ precision: Precision) -> [Float] {
    let kernels = variant[precision]
    let nr = Int(kernels.nr)
    let wide = roundedUp(n, to: nr)
    let depth = roundedUp(k, to: Int(kernels.kr))
    let a = packRows(variant, precision)

    let panels = GuardedBuffer<UInt8>(count: wide * depth * Int(kernels.column_element_size))
    let sum = GuardedBuffer<Int32>(count: wide)
    switch precision {
    case .int8:
      let w = GuardedBuffer(quantized, width: k, stride: k + gap)
      kernels.pack_columns(w.pointer, k + gap, n, k, panels.pointer, sum.pointer)
    case .float32:
      let w = GuardedBuffer(weights, width: k, stride: k + gap)
      kernels.pack_columns(w.pointer, k + gap, n, k, panels.pointer, nil)
    }
    // Beyond n nothing matters: poison may be multiplied, but not stored.
    let columnScale = GuardedBuffer<Float>(count: wide)
    for (j, value) in scale.enumerated() { columnScale.pointer[j] = value }
    let columnBias = bias.map { values in
      let buffer = GuardedBuffer<Float>(count: wide)
      for (j, value) in values.enumerated() { buffer.pointer[j] = value }
      return buffer
    }

    let c = GuardedBuffer<Float>(count: (m - 1) * (n + gap) + n)
    kernels.multiply(
      m, n, k, a.rows, cloze_packed_columns(panels: panels.pointer, scale: columnScale.pointer, sum: sum.pointer),
      cloze_epilogue(bias: columnBias?.pointer, activation: Int32(activation.rawValue)), c.pointer, n + gap)
    let (result, untouched) = c.rows(m, width: n, stride: n + gap)
    #expect(untouched, "\(variant.name) wrote between rows of c, \(m) x \(n) x \(k)")
    return result
  }
}

/// A left operand, in buffers of exactly the stated size.
final class PackedRows {
  let m: Int, k: Int
  private let kernels: cloze_matrix_kernels
  let panels: GuardedBuffer<UInt8>
  let scale: GuardedBuffer<Float>
  let zero: GuardedBuffer<Int32>

  init(m: Int, k: Int, kernels: cloze_matrix_kernels) {
    (self.m, self.k, self.kernels) = (m, k, kernels)
    panels = GuardedBuffer(count: kernels.packed_rows_size(m, k))
    scale = GuardedBuffer(count: m)
    zero = GuardedBuffer(count: m)
  }

  var rows: cloze_packed_rows { cloze_packed_rows(panels: panels.pointer, scale: scale.pointer, zero: zero.pointer) }

  /// int8: the quantized elements less their row's zero point, [m, k]. How panels lie is each variant's own affair,
  /// so they are read through products with unit columns.
  var integers: [Int32] {
    let nr = Int(kernels.nr)
    var result = [Int32](repeating: 0, count: m * k)
    var c = [Float](repeating: 0, count: m * nr)
    let panel = GuardedBuffer<Int8>(count: nr * roundedUp(k, to: Int(kernels.kr)))
    var sum = [Int32](repeating: 0, count: nr)
    let ones = [Float](repeating: 1, count: max(nr, m))
    // With scales of 1 a product is the integer itself.
    var rowOnes = ones
    for first in stride(from: 0, to: k, by: nr) {
      let count = min(nr, k - first)
      var units = [Int8](repeating: 0, count: nr * k)
      for j in 0..<count { units[j * k + first + j] = 1 }
      kernels.pack_columns(units, k, count, k, panel.pointer, &sum)
      sum.withUnsafeBufferPointer { sum in
        ones.withUnsafeBufferPointer { ones in
          let columns = cloze_packed_columns(panels: panel.pointer, scale: ones.baseAddress, sum: sum.baseAddress)
          let plain = rowOnes.withUnsafeMutableBufferPointer {
            cloze_packed_rows(panels: panels.pointer, scale: $0.baseAddress, zero: zero.pointer)
          }
          kernels.multiply(m, count, k, plain, columns, cloze_epilogue(bias: nil, activation: 0), &c, nr)
        }
      }
      for i in 0..<m { for j in 0..<count { result[i * k + first + j] = Int32(c[i * nr + j]) } }
    }
    return result
  }
}
