import Testing

@testable import ClozeTraining

/// Losses and steps against the numbers that PyTorch 2 gives for the same input, in Double where
/// gradients are meant.
struct ReferenceTests {
  @Test func crossEntropyIsPyTorchs() throws {
    let z = try Block<Double>(12)
    z.fill(from: [0.5, -1, 2, 1.5, 0.2, -0.3, 0, 0.1, 0.2, -1, 2.5, 0.7])
    let loss = Loss(smoothing: 0.1, classWeights: [1, 2, 0.5])
    let value = try loss(
      z.base, rows: 4, outputs: 3, .classes([0, 2, -1, 1]), offsets: [0, 1, 2, 3, 4], Arithmetic(threads: 1))
    #expect(abs(value - 0.990_481_695_603_423_7) < 1e-9)
    let expected = [
      -0.215_748_981_330_751_3, -0.007_686_347_764_228_88, 0.223_435_329_094_980_14, 0.103_079_686_851_283_2,
      0.011_640_413_721_383_911, -0.114_720_100_572_667_09, 0, 0, 0, 0.004_308_657_161_827_24,
      -0.075_264_947_334_917_27, 0.070_956_290_173_089_98,
    ]
    for (ours, theirs) in zip(z.array, expected) { #expect(abs(ours - theirs) < 1e-8) }
  }

  @Test func binaryCrossEntropyIsPyTorchs() throws {
    let z = try Block<Double>(4)
    z.fill(from: [0.5, -1, 3, -2])
    let value = try Loss()(
      z.base, rows: 2, outputs: 2, .labels([1, 0, 0, 1]), offsets: [0, 1, 2], Arithmetic(threads: 1))
    #expect(abs(value - 1.490_713_508_578_761) < 1e-12)
    let expected = [
      -0.094_385_167_199_536_37, 0.067_235_355_342_498_78, 0.238_143_531_705_608_26, -0.220_199_269_494_470_6,
    ]
    for (ours, theirs) in zip(z.array, expected) { #expect(abs(ours - theirs) < 1e-7) }
  }

  @Test func stepsAreThoseOfPyTorchsAdamW() throws {
    let block = try ParameterBlock<Float>([(count: 4, isTrained: true, decays: true)])
    block.values.fill(from: [1, -2, 0.5, 3])
    var optimizer = try AdamW<Float>(parameters: 4)
    for gradient in [[0.1, -0.2, 0.3, 0], [0.05, 0.4, -0.1, 2], [-1, 0, 0.2, 0.5]] as [[Float]] {
      block.gradients.fill(from: gradient)
      try optimizer.step(block, rate: 0.01, decay: 0.1, scale: 1, Arithmetic(threads: 1))
    }
    let expected: [Float] = [0.983_259_32, -1.990_513_56, 0.478_492_47, 2.976_444_96]
    for (ours, theirs) in zip(block.values.array, expected) { #expect(abs(ours - theirs) <= 1e-6 * abs(theirs)) }
  }

  /// Rows that never had a gradient are treated as all others are, to the bit.
  @Test func rowsWithoutGradientsTakeWholeSteps() throws {
    let (count, width) = (1000, 48)
    let (arithmetic, single) = (try Arithmetic(threads: 3), try Arithmetic(threads: 1))
    func run(_ isSparse: Bool, resumes: Bool = false) throws -> [UInt32] {
      let block = try ParameterBlock<Float>([(count * width, true, true), (100, true, false)])
      let (w, g) = (block.values, block.gradients)
      var random = TrainingRandom(1)
      w.fill(from: (0..<w.count).map { _ in Float(random.normal()) })
      var optimizer = try AdamW<Float>(parameters: w.count)
      var touched = TouchedRows(count: count, width: width)
      for step in 0..<5 {
        touched.clear(g)
        for i in (count * width)..<g.count { g.base[i] = Float(random.normal()) }
        for _ in 0..<30 {
          let row = random.below(count)
          touched.add(row)
          for i in 0..<width { g.base[row * width + i] = Float(random.normal()) }
        }
        let dense = try arithmetic.gradientNorm([block])
        block.touched = touched
        #expect(try arithmetic.gradientNorm([block]).isApproximately(dense))
        if !isSparse { block.touched = nil }
        try optimizer.step(block, rate: 0.01, decay: 0.1, scale: 0.5, isSparse ? arithmetic : single)
        block.touched = nil
        if resumes, step == 2 {
          let rows = touched.now
          touched = TouchedRows(count: count, width: width)
          touched.restore(optimizer.first)
          touched.restore(optimizer.second)
          for row in rows { touched.add(row) }
        }
      }
      return w.array.map(\.bitPattern)
    }
    let whole = try run(false)
    #expect(try run(true) == whole)
    #expect(try run(true, resumes: true) == whole)
  }

  /// A quadratic function, whose minimum is known.
  @Test func lbfgsFindsTheMinimum() throws {
    func function(_ x: [Double]) -> (value: Double, gradient: [Double]) {
      var (value, gradient) = (0.0, x)
      for i in x.indices {
        let (d, scale) = (x[i] - Double(i), Double(1 + i * i))
        value += scale * d * d
        gradient[i] = 2 * scale * d
      }
      return (value, gradient)
    }
    var solver = try LBFGS(from: [Double](repeating: 0, count: 12), function)
    while solver.slope > 1e-9, solver.iterations < 200, try solver.iterate(function) {}
    #expect(solver.iterations < 100)
    for (i, x) in solver.x.enumerated() { #expect(abs(x - Double(i)) < 1e-8) }
  }

  /// Features with a large mean, small spreads and one that follows from another: in the variables
  /// of `Whitening` logits have the variance of the variables' length, and gradients follow suit.
  @Test func whiteningEvensOutFeatures() throws {
    let (rows, inputs) = (5000, 4)
    let x = try Block<Float>(rows * inputs)
    var random = TrainingRandom(3, path: [1])
    for row in 0..<rows {
      let values = (0..<3).map { _ in random.unit() - 0.5 }
      let at = x.base + row * inputs
      at[0] = Float(7 + values[0])
      at[1] = Float(0.01 * values[1] + 0.1 * values[0])
      at[2] = Float(3 * values[2])
      at[3] = 2 * at[2]
    }
    let whitening = try Whitening(x.base, rows: rows, inputs: inputs, outputs: 1, ridge: 1e-9, Arithmetic(threads: 1))
    let variables = [0.3, -0.5, 0.2, 0, 0.7]
    let parameters = whitening.parameters(variables)
    func logit(_ row: Int) -> Double {
      (0..<inputs).reduce(parameters[4]) { $0 + parameters[$1] * Double(x.base[row * inputs + $1]) }
    }
    let logits = (0..<rows).map(logit)
    let mean = logits.reduce(0, +) / Double(rows)
    let variance = logits.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(rows)
    #expect(abs(mean - 0.7) < 1e-4)
    #expect(abs(variance - 0.38) < 1e-3)
    let slopes = [0.4, 2, -1, 0.5, 3]
    let gradient = whitening.gradient(slopes)
    for i in variables.indices {
      var moved = variables
      moved[i] += 1
      let change = zip(whitening.parameters(moved), parameters).map { $0 - $1 }
      let expected = zip(change, slopes).reduce(0) { $0 + $1.0 * $1.1 }
      #expect(abs(gradient[i] - expected) <= 1e-6 * max(1, abs(expected)))
    }
  }
}

extension Double { fileprivate func isApproximately(_ other: Double) -> Bool { abs(self - other) <= 1e-6 * other } }
