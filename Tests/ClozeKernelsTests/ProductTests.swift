import CClozeKernels
import ClozeKernelsTestSupport
import Testing

/// Shapes that reach every tail of a variant's tiles.
func shapes(_ kernels: cloze_matrix_kernels) -> [(m: Int, n: Int, k: Int)] {
  let (mr, nr) = (Int(kernels.mr), Int(kernels.nr))
  var shapes: [(m: Int, n: Int, k: Int)] = []
  for m in 1...2 * mr + 1 { shapes.append((m, nr + 3, 37)) }
  for n in 1...2 * nr + 1 { shapes.append((mr + 1, n, 21)) }
  for k in Sizes.spread(upTo: 1025) { shapes.append((3, 17, k)) }
  var random = Random(1)
  let sizes = Sizes.spread(upTo: 97)
  for _ in 0..<40 {
    func size() -> Int { sizes[Int.random(in: sizes.indices, using: &random)] }
    shapes.append((size(), size(), size()))
  }
  return shapes
}

/// Whole numbers that quantize to themselves: each row spans 255, so that its scale is 1. The kinds
/// of rows put the zero point at 0, 255 and 128 and reach both ends of u8 against both ends of s8.
/// Most values are within `spread`, because variants may treat rows of small ones differently.
private func wholeNumbers(m: Int, n: Int, k: Int, random: inout Random) -> Product {
  var x: [Float] = []
  let spread = [255, 255, 60, 40, 20, 10, 4][random.int(0...6)]
  for row in 0..<m {
    let zero = k == 1 ? [0, 255][row % 2] : [0, 255, 128, random.int(1...254)][row % 4]
    let ends = [-zero, 255 - zero]
    // The first two elements are the ends of the range; zero is within it already at 0 and 255.
    let start = zero == 0 ? [255] : zero == 255 ? [-255] : ends
    x += (0..<k).map { p in
      Float(
        p < start.count
          ? start[p]
          : spread < 255 && random.int(0...15) > 0
            ? min(max(random.int(-spread...spread), -zero), 255 - zero)
            : row % 3 == 0 ? ends[random.int(0...1)] : random.int(-zero...255 - zero))
    }
  }
  var product = Product(m: m, n: n, k: k, x: x)
  product.quantized = (0..<n * k).map { _ in [-128, -127, 127, Int8(random.int(-127...127))][random.int(0...3)] }
  product.scale = [Float](repeating: 1, count: n)
  product.gap = random.int(0...3)
  return product
}

private func exact(_ product: Product) -> [Float] {
  var sums = [Int64](repeating: 0, count: product.m * product.n)
  reference_integer_product(product.x.map { Int32($0) }, product.quantized, product.m, product.n, product.k, &sums)
  return sums.map { Float(Int32($0)) }
}

@Suite struct ProductTests {
  @Test(arguments: Variant.all) func int8SumsAreExact(variant: Variant) {
    var random = Random(2)
    for (m, n, k) in shapes(variant[.int8]) {
      let product = wholeNumbers(m: m, n: n, k: k, random: &random)
      let result = product.run(variant, .int8)
      #expect(sameBits(result, exact(product)), "\(m) x \(n) x \(k)")
    }
  }

  /// All corners at the largest k: 255 * 127 overflows int16 after two products, and the sum comes
  /// to 0.996 of what int32 holds.
  @Test(arguments: Variant.all) func int8SumsReachTheEndsOfInt32(variant: Variant) {
    let k = 65536
    let rows: [Float] = [255, -255, 127]
    var product = Product(m: 4, n: 4, k: k, x: rows.flatMap { [Float](repeating: $0, count: k) })
    // 127 spans 255 only with -128 beside it; the fourth row alternates.
    for p in 0..<k where p % 2 == 1 { product.x[2 * k + p] = -128 }
    product.x += (0..<k).map { $0 % 2 == 0 ? 255 : 0 }
    for weight: Int8 in [127, -128, 0, 0] { product.quantized += [Int8](repeating: weight, count: k) }
    for p in 0..<k {
      product.quantized[2 * k + p] = p % 2 == 0 ? 127 : -127
      product.quantized[3 * k + p] = p % 2 == 0 ? -128 : 127
    }
    product.scale = [1, 1, 1, 1]
    let expected = exact(product)
    #expect(expected.contains { abs(Double($0)) > 0.99 * 0x1p31 })
    #expect(sameBits(product.run(variant, .int8), expected))
  }

  /// c = activation(scale_a scale_b S + bias) with the S of what was packed. Rounded: S, the
  /// product of the scales, the fma; then the activation.
  @Test(arguments: Variant.all) func int8EpilogueScalesAddsAndActivates(variant: Variant) {
    var random = Random(3)
    for (at, activation) in (0..<3).flatMap({ _ in cloze_activation.every }).enumerated() {
      var product = Product(m: 2 + at, n: 19 + at, k: 33 + at, random: &random)
      product.activation = activation
      product.inverseSmoothing = at % 2 == 0 ? (0..<product.k).map { _ in random.float(0.5...2) } : nil
      if at % 3 == 0 { product.bias = nil }
      let packed = product.packRows(variant, .int8)
      var sums = [Int64](repeating: 0, count: product.m * product.n)
      reference_integer_product(packed.integers, product.quantized, product.m, product.n, product.k, &sums)
      let result = product.run(variant, .int8)
      for (index, sum) in sums.enumerated() {
        let column = index % product.n
        let scaled = Double(packed.scale.pointer[index / product.n]) * Double(product.scale[column]) * Double(sum)
        let total = scaled + Double(product.bias?[column] ?? 0)
        let tolerance =
          (3 * unit * abs(scaled) + unit * abs(total)) * cloze_activation.steepest
          + activation.boundAfterInt8(at: total) + unit * abs(activation.reference(total))
        #expect(
          abs(Double(result[index]) - activation.reference(total)) <= tolerance,
          "activation \(activation.rawValue), element \(index)")
      }
    }
  }

  /// A sum of k products of floats, rounded each time, is off by at most (k + 1) u sum |x w|, as
  /// Higham (Accuracy and Stability of Numerical Algorithms, 3.1) derives, and by the chain's
  /// definition is one float exactly.
  @Test(arguments: Variant.all) func float32ProductsAreTheChainOfTheContract(variant: Variant) {
    var random = Random(4)
    for (m, n, k) in shapes(variant[.float32]) {
      var product = Product(m: m, n: n, k: k, x: random.floats(m * k))
      product.weights = random.floats(n * k)
      product.gap = random.int(0...3)
      let result = product.run(variant, .float32)
      var chain = [Float](repeating: 0, count: m * n)
      reference_chain(product.x, product.weights, m, n, k, &chain)
      // Adding the bias that is not there makes +0 of -0.
      #expect(sameBits(result, chain.map { $0 + 0 }), "\(m) x \(n) x \(k)")
      var sums = [Double](repeating: 0, count: m * n)
      var magnitudes = sums
      reference_product(product.x, product.weights, m, n, k, &sums, &magnitudes)
      let off = (0..<m * n).first {
        let tolerance = Double(k + 1) * unit * magnitudes[$0] + Double(k) * Double(Float.leastNonzeroMagnitude)
        return abs(Double(result[$0]) - sums[$0]) > tolerance
      }
      #expect(off == nil, "\(m) x \(n) x \(k)")
    }
  }

  @Test(arguments: Variant.all, Precision.allCases) func variantAgreesWithScalar(variant: Variant, precision: Precision)
  {
    var random = Random(5)
    for (at, (m, n, k)) in shapes(variant[precision]).enumerated() {
      var product = Product(m: m, n: n, k: k, random: &random)
      product.activation = cloze_activation.every[at % cloze_activation.every.count]
      product.gap = at % 4
      if at % 3 == 0 { product.bias = nil }
      if at % 5 == 0 { product.inverseSmoothing = (0..<k).map { _ in random.float(0.25...4) } }
      #expect(
        sameBits(product.run(variant, precision), product.run(.scalar, precision)),
        "\(m) x \(n) x \(k), activation \(product.activation.rawValue)")
    }
  }

  @Test(arguments: Variant.all, Precision.allCases) func rowDoesNotDependOnTheRowsBesideIt(
    variant: Variant, precision: Precision
  ) {
    var random = Random(6)
    let m = 2 * Int(variant[precision].mr) + 1
    var product = Product(m: m, n: 35, k: 53, random: &random)
    product.activation = CLOZE_ACTIVATION_GELU
    let together = product.run(variant, precision)
    for rows in [0..<1, 1..<m, 2..<5, m - 1..<m] + (0..<m).map({ $0..<$0 + 1 }) {
      var some = product
      some.m = rows.count
      some.x = Array(product.x[rows.lowerBound * 53..<rows.upperBound * 53])
      let alone = some.run(variant, precision)
      #expect(sameBits(alone, Array(together[rows.lowerBound * 35..<rows.upperBound * 35])), "rows \(rows)")
    }
  }

  @Test(arguments: Variant.all, Precision.allCases) func panelsOfColumnsCanBePackedOneAtATimeAndUnpacked(
    variant: Variant, precision: Precision
  ) {
    let kernels = variant[precision]
    let (nr, k) = (Int(kernels.nr), 29)
    let n = 2 * nr + 5
    var random = Random(7)
    let product = Product(m: 1, n: n, k: k, random: &random)
    let bytes = nr * roundedUp(k, to: Int(kernels.kr)) * Int(kernels.column_element_size)
    let (whole, parts) = (GuardedBuffer<UInt8>(count: 3 * bytes), GuardedBuffer<UInt8>(count: 3 * bytes))
    let (wholeSum, partSum) = (GuardedBuffer<Int32>(count: 3 * nr), GuardedBuffer<Int32>(count: 3 * nr))
    func pack(from column: Int, count: Int, _ panels: UnsafeMutablePointer<UInt8>, _ sum: UnsafeMutablePointer<Int32>) {
      switch precision {
      case .int8:
        let w = GuardedBuffer(Array(product.quantized[column * k..<(column + count) * k]))
        kernels.pack_columns(w.pointer, k, count, k, panels, sum)
      case .float32:
        let w = GuardedBuffer(Array(product.weights[column * k..<(column + count) * k]))
        kernels.pack_columns(w.pointer, k, count, k, panels, nil)
      }
    }
    pack(from: 0, count: n, whole.pointer, wholeSum.pointer)
    for panel in 0..<3 {
      pack(
        from: panel * nr, count: min(nr, n - panel * nr), parts.pointer + panel * bytes, partSum.pointer + panel * nr)
    }
    #expect(whole.array == parts.array)
    if precision == .int8 {
      #expect(wholeSum.array == partSum.array)
      for j in 0..<3 * nr {
        let sum = j < n ? product.quantized[j * k..<(j + 1) * k].reduce(0) { $0 + Int32($1) } : 0
        #expect(wholeSum.pointer[j] == sum)
      }
    }
    for j in 0..<n {
      switch precision {
      case .int8:
        let column = GuardedBuffer<Int8>(count: k)
        kernels.unpack_column(whole.pointer, k, j, column.pointer)
        #expect(column.array == Array(product.quantized[j * k..<(j + 1) * k]))
      case .float32:
        let column = GuardedBuffer<Float>(count: k)
        kernels.unpack_column(whole.pointer, k, j, column.pointer)
        #expect(sameBits(column.array, Array(product.weights[j * k..<(j + 1) * k])))
      }
    }
  }

  /// Sums of values near the largest float are right in int8, where only the result can overflow.
  @Test(arguments: Variant.all) func int8HoldsRowsAsWideAsFloat(variant: Variant) {
    let largest = Float.greatestFiniteMagnitude
    var product = Product(m: 4, n: 1, k: 2, x: [largest, -largest, -largest, 0, largest, largest, 0x1p-130, -0x1p-149])
    product.quantized = [127, 0]
    product.scale = [1e-30]
    let result = product.run(variant, .int8)
    // Half a step of a row of range 2 max, and what rounding adds.
    for (value, x) in zip(result, [largest, -largest, largest, 0]) {
      let step = 2 * Double(largest) / 255
      #expect(abs(Double(value) - Double(x) * 127e-30) <= (step / 2 + 255 * step * 8 * unit) * 127e-30)
    }
  }
}
