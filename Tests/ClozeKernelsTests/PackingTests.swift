import CClozeKernels
import Testing

@Suite struct PackingTests {
  /// x is within half a step of what was stored. In steps, x / scale is up to 255, and scale, its
  /// inverse, their product and the zero point's product round: 255 * 8 u covers these.
  @Test(arguments: Variant.all) func rowsAreQuantizedToTheNearestStep(variant: Variant) {
    var random = Random(11)
    for k in Sizes.spread(upTo: 130) {
      for m in [1, Int(variant[.int8].mr), Int(variant[.int8].mr) + 1] {
        var product = Product(m: m, n: 1, k: k, x: random.floats(m * k))
        product.gap = k % 3
        if k % 2 == 0 { product.inverseSmoothing = (0..<k).map { _ in random.float(0.1...3) } }
        let packed = product.packRows(variant, .int8)
        let all = packed.integers
        for i in 0..<m {
          let row = (0..<k).map { product.x[i * k + $0] * (product.inverseSmoothing?[$0] ?? 1) }
          let range = Double(max(row.max() ?? 0, 0)) - Double(min(row.min() ?? 0, 0))
          let scale = Double(packed.scale.pointer[i])
          if range > 1e-30 { #expect(abs(scale - range / 255) <= 3 * unit * range / 255) } else { #expect(scale == 1) }
          let integers = Array(all[(i * k)..<((i + 1) * k)])
          #expect((integers.max() ?? 0) - (integers.min() ?? 0) <= 255)
          let off = (0..<k).first {
            abs(Double(integers[$0]) * scale - Double(row[$0])) > scale * (0.5 + 255 * 8 * unit)
              || (row[$0] == 0 && integers[$0] != 0)
          }
          #expect(off == nil, "row \(i) of \(m), k \(k)")
        }
      }
    }
  }

  @Test(arguments: Variant.all) func rowOfZerosHasScaleOne(variant: Variant) {
    for k in [1, 15, 16, 17, 64] {
      let zeros = (0..<3 * k).map { $0 % 2 == 0 ? Float(0) : -0.0 }
      let packed = Product(m: 3, n: 1, k: k, x: zeros).packRows(variant, .int8)
      #expect(packed.scale.array == [1, 1, 1])
      #expect(packed.integers.allSatisfy { $0 == 0 })
    }
  }

  /// Not promised a meaning, but not allowed to reach memory or int8 that is not theirs.
  @Test(arguments: Variant.all) func valuesThatAreNotFiniteDoNoHarm(variant: Variant) {
    for bad in [Float.nan, .infinity, -.infinity, -.nan, .signalingNaN] {
      for k in [1, 7, 16, 40] {
        for at in [0, k / 2, k - 1] {
          var x = [Float](repeating: 1.5, count: 2 * k)
          x[at] = bad
          let packed = Product(m: 2, n: 1, k: k, x: x).packRows(variant, .int8)
          #expect(packed.integers.allSatisfy { (-255...255).contains($0) })
          // The other row is as it would be alone.
          #expect(packed.scale.pointer[1] == 1.5 / 255)
        }
      }
    }
  }

  @Test(arguments: Variant.all) func float32PacksTheValuesThemselves(variant: Variant) {
    let (m, k, mr) = (2 * Int(variant[.float32].mr) + 1, 5, Int(variant[.float32].mr))
    let x = (0..<m * k).map { Float($0) }
    let packed = Product(m: m, n: 1, k: k, x: x).packRows(variant, .float32)
    packed.panels.pointer.withMemoryRebound(to: Float.self, capacity: m * k) { stored in
      // A tile of rows, and two that share the rest.
      let last = mr + (mr + 2) / 2
      for (first, end) in [(0, mr), (mr, last), (last, m)] {
        for i in first..<end {
          for p in 0..<k { #expect(stored[first * k + p * (end - first) + i - first] == x[i * k + p]) }
        }
      }
    }
  }
}

/// Weights may be packed by one variant and multiplied by another.
@Suite struct WeightPanelTests {
  private func pack<Element: BitwiseCopyable>(_ kernels: cloze_matrix_kernels, _ w: [Element], _ n: Int, _ k: Int) -> (
    panels: [UInt8], sum: [Int32]
  ) {
    let (wide, deep) = (roundedUp(n, to: 16), roundedUp(k, to: Int(kernels.kr)))
    let panels = GuardedBuffer<UInt8>(count: wide * deep * MemoryLayout<Element>.size)
    let sum = GuardedBuffer<Int32>(count: wide)
    kernels.pack_columns(w, k, n, k, panels.pointer, sum.pointer)
    return (panels.array, sum.array)
  }

  @Test(arguments: Variant.all) func panelsAreTheSameEverywhere(variant: Variant) {
    var random = Random(31)
    for (n, k) in [(1, 1), (15, 3), (16, 4), (17, 5), (33, 18), (48, 31)] {
      let q = (0..<n * k).map { _ in Int8.random(in: -127...127, using: &random) }
      let ours = pack(variant[.int8], q, n, k)
      for j in 0..<ours.sum.count {
        #expect(ours.sum[j] == (j < n ? q[j * k..<(j + 1) * k].reduce(0) { $0 + Int32($1) } : 0))
        for p in 0..<roundedUp(k, to: 4) {
          let byte = ours.panels[((j / 16 * ((k + 3) / 4) + p / 4) * 16 + j % 16) * 4 + p % 4]
          #expect(Int(byte) - 128 == (j < n && p < k ? Int(q[j * k + p]) : 0))
        }
      }
      let w = random.floats(n * k)
      #expect(pack(variant[.float32], w, n, k).panels == pack(Variant.scalar[.float32], w, n, k).panels)
    }
  }
}

@Suite struct WeightQuantizationTests {
  private func quantize(_ variant: Variant, _ w: [Float], n: Int, k: Int, gap: Int = 0, smoothing: [Float]? = nil) -> (
    bad: Int, q: [Int8], scale: [Float]
  ) {
    let input = GuardedBuffer(w, width: k, stride: k + gap)
    let factors = smoothing.map { GuardedBuffer($0) }
    let q = GuardedBuffer<Int8>(count: (n - 1) * (k + gap) + k)
    let scale = GuardedBuffer<Float>(count: n)
    let bad = variant.rows.quantize_weights(
      input.pointer, k + gap, factors?.pointer, n, k, q.pointer, k + gap, scale.pointer)
    let (rows, untouched) = q.rows(n, width: k, stride: k + gap)
    #expect(untouched)
    return (bad, rows, scale.array)
  }

  /// Within half a step, where w / scale is up to 127 and scale, its inverse and the product round.
  @Test(arguments: Variant.supported) func weightsAreQuantizedToTheNearestStep(variant: Variant) {
    var random = Random(12)
    for k in Sizes.spread(upTo: 200) {
      let n = 3
      let w = random.floats(n * k)
      let smoothing = k % 2 == 0 ? (0..<k).map { _ in random.float(0.1...3) } : nil
      let (bad, q, scale) = quantize(variant, w, n: n, k: k, gap: k % 4, smoothing: smoothing)
      #expect(bad == 0)
      for row in 0..<n {
        let values = (0..<k).map { w[row * k + $0] * (smoothing?[$0] ?? 1) }
        let largest = Double(values.map(abs).max() ?? 0)
        #expect(largest <= 1e-35 ? scale[row] == 1 : abs(Double(scale[row]) - largest / 127) <= unit * largest / 127)
        let step = Double(scale[row])
        let off = (0..<k).first {
          abs(Double(q[row * k + $0]) * step - Double(values[$0])) > step * (0.5 + 127 * 4 * unit)
            || q[row * k + $0] == -128
        }
        #expect(off == nil, "k \(k)")
      }
      let expected = quantize(.scalar, w, n: n, k: k, smoothing: smoothing)
      #expect(q == expected.q && sameBits(scale, expected.scale))
    }
  }

  @Test(arguments: Variant.supported) func firstRowThatIsNotFiniteIsNamed(variant: Variant) {
    let (n, k) = (5, 37)
    for value in [Float.nan, -.nan, .infinity, -.infinity, .signalingNaN] {
      for row in 0..<n {
        for column in [0, 15, 16, 31, 32, 36] {
          var w = [Float](repeating: 0.5, count: n * k)
          w[row * k + column] = value
          w[(n - 1) * k + 3] = value
          #expect(quantize(variant, w, n: n, k: k).bad == row + 1, "\(value) at \(row), \(column)")
        }
      }
    }
    // The product with the smoothing factor counts.
    var smoothing = [Float](repeating: 1, count: k)
    smoothing[20] = 1e30
    var w = [Float](repeating: 0.5, count: n * k)
    w[2 * k + 20] = 1e30
    #expect(quantize(variant, w, n: n, k: k).bad == 0)
    #expect(quantize(variant, w, n: n, k: k, smoothing: smoothing).bad == 3)
  }

  @Test(arguments: Variant.supported) func extremeRowsStayFinite(variant: Variant) {
    let largest = Float.greatestFiniteMagnitude
    let (bad, q, scale) = quantize(variant, [0, -0.0, largest, -largest, 0x1p-149, -0x1p-130, 1, -1], n: 4, k: 2)
    #expect(bad == 0)
    #expect(q == [0, 0, 127, -127, 0, 0, 127, -127])
    #expect(scale == [1, largest / 127, 1, 1 / 127])
  }
}
