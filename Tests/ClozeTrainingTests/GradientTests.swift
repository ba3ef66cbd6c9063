import Cloze
import Testing

@testable import ClozeTraining

/// Analytic gradients against central differences in Double.
struct GradientTests {
  let arithmetic: Arithmetic

  init() throws { arithmetic = try Arithmetic(threads: 2) }

  /// The largest difference between gradients and central differences, relative to the largest.
  private func difference(_ parameters: ParameterBlock<Double>, _ loss: () throws -> Double) throws -> Double {
    try difference(parameters.values, parameters.gradients.array, loss)
  }

  private func difference(_ parameters: Block<Double>, _ gradients: [Double], _ loss: () throws -> Double) throws
    -> Double
  {
    var (most, worst) = (0.0, 0.0)
    for i in 0..<parameters.count {
      let value = parameters.base[i]
      let step = 1e-5
      parameters.base[i] = value + step
      let above = try loss()
      parameters.base[i] = value - step
      let below = try loss()
      parameters.base[i] = value
      let numeric = (above - below) / (2 * step)
      most = max(most, abs(numeric))
      worst = max(worst, abs(numeric - gradients[i]))
    }
    return worst / max(most, 1e-30)
  }

  private func random(_ count: Int, seed: UInt64) -> [Double] {
    var random = TrainingRandom(seed)
    return (0..<count).map { _ in random.normal() }
  }

  private var targets: [Targets] {
    [
      .classes([0, 2, 1, -1, 2, 2]), .values([1, 0, -2, 0.5, 3, 1]),
      .labels([1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 1, 0, 1, 0, 1, 0, 0]),
      .spans([Targets.Span(first: 0, last: 1), Targets.Span(first: 2, last: 2)]),
    ]
  }

  @Test(arguments: 0..<4, Activation.allCases) func ofHeads(_ which: Int, _ activation: Activation) throws {
    let targets = targets[which]
    let outputs = [3, 1, 3, 2][which]
    let network = try Network<Double>(
      [
        .init(inputs: 5, outputs: 4, activation: activation, norm: 1e-5),
        .init(inputs: 4, outputs: 6, activation: activation), .init(inputs: 6, outputs: outputs),
      ], arithmetic)
    network.initialize(seed: 1)
    let noise = random(network.parameters.values.count, seed: 2)
    for (i, value) in noise.enumerated() { network.parameters.values.base[i] += 0.3 * value }
    let x = random(6 * 5, seed: 3)
    let input = try Block<Double>(30)
    input.fill(from: x)
    let loss = Loss(smoothing: 0.1, classWeights: [1, 2, 0.5])
    func value() throws -> Double {
      let logits = try network.forward(input.base, rows: 6, dropout: Dropout(head: 0.2, key: 9))
      return try loss(logits, rows: 6, outputs: outputs, targets, offsets: [0, 2, 6], arithmetic)
    }
    let logits = try network.forward(input.base, rows: 6, dropout: Dropout(head: 0.2, key: 9))
    _ = try loss(logits, rows: 6, outputs: outputs, targets, offsets: [0, 2, 6], arithmetic)
    let dx = try #require(try network.backward(logits, rows: 6, wantsInput: true))
    let dInput = (0..<30).map { dx[$0] }
    #expect(try difference(network.parameters, value) < 1e-6)
    #expect(try difference(input, dInput, value) < 1e-6)
  }

  private func constants<S: TrainingScalar>(_ activation: Activation, _ scale: S) -> EncoderStack<S>.Settings.Layer {
    .init(activation: activation, attentionScale: scale, attentionNormEpsilon: 1e-5, outputNormEpsilon: 1e-5)
  }

  /// Rows of a table of biases, of near and far keys before and after their queries.
  private let bias = EncoderStack<Double>.Settings.Bias(
    buckets: 5, bucket: { max(-2, min($0, 2)) + 2 }, isTrained: true)

  @Test(arguments: [Activation.gelu, .geluTanh, .relu], [(false, 0.0), (true, 0), (false, 0.3), (true, 0.3)])
  func ofEncoderLayers(_ activation: Activation, _ form: (isBiased: Bool, dropout: Double)) throws {
    let stack = try EncoderStack<Double>(
      .init(
        width: 6, heads: 2, intermediate: 8, layers: [constants(activation, 0.577), constants(activation, 0.577)],
        bias: form.isBiased ? bias : nil), arithmetic)
    let dropout = Dropout(encoder: form.dropout, key: 3)
    for (i, value) in random(stack.parameters.values.count, seed: 4).enumerated() {
      stack.parameters.values.base[i] = 0.5 * value
    }
    let input = try Block<Double>(7 * 6)
    input.fill(from: random(42, seed: 5))
    let weights = random(42, seed: 6)
    func value() throws -> Double {
      let y = try stack.forward(input.base, offsets: [0, 3, 7], dropout: dropout)
      return (0..<42).reduce(0) { $0 + y[$1] * weights[$1] }
    }
    _ = try value()
    let d = try Block<Double>(42)
    d.fill(from: weights)
    try stack.backward(d.base)
    #expect(try difference(stack.parameters, value) < 1e-6)
    #expect(try difference(input, d.array, value) < 1e-6)
  }

  /// Tokens of two sequences, one of them twice.
  private let tokens = EncoderInput<Double>.Tokens(
    ids: [3, 0, 4, 3, 1, 1, 3], types: [0, 1, 1, 0, 0, 1, 1], offsets: [0, 3, 7])

  @Test(arguments: [0, 2]) func ofEmbeddings(_ types: Int) throws {
    let input = try EncoderInput<Double>(
      .init(width: 6, vocabulary: 5, positions: 4, types: types, epsilon: 1e-5), arithmetic)
    input.parameters.values.fill(from: random(input.parameters.values.count, seed: 7))
    let weights = random(42, seed: 8)
    func value() throws -> Double {
      let y = try input.forward(tokens, dropout: Dropout(encoder: types == 0 ? 0 : 0.2, key: 4))
      return (0..<42).reduce(0) { $0 + y[$1] * weights[$1] }
    }
    _ = try value()
    let d = try Block<Double>(42)
    d.fill(from: weights)
    try input.backward(d.base)
    #expect(try difference(input.parameters, value) < 1e-6)
    #expect(input.touched.now == [0, 1, 3, 4])
    let sparse = try arithmetic.gradientNorm([input.parameters])
    input.parameters.touched = nil
    #expect(abs(sparse - (try arithmetic.gradientNorm([input.parameters]))) < 1e-12 * sparse)
    let segments = input.parameters.segments
    #expect(segments[EmbeddingParameter.tokenType.index].isTrained == (types > 0))
    input.touched.clear(input.parameters.gradients)
    #expect(input.parameters.gradients.array.prefix(30).allSatisfy { $0 == 0 })
    // What is not the model's is refused.
    for (ids, types) in [([5], [0]), ([-1], [0]), ([0, 0, 0, 0, 0], [0, 0, 0, 0, 0])] as [([Int32], [Int32])] {
      #expect(throws: ClozeError.self) { try input.forward(.init(ids: ids, types: types, offsets: [0, ids.count])) }
    }
  }

  /// From token ids to the loss of a masked language model whose decoder is the word embeddings.
  @Test func ofATiedModel() throws {
    let input = try EncoderInput<Double>(
      .init(width: 6, vocabulary: 5, positions: 4, types: 2, epsilon: 1e-5), arithmetic)
    let stack = try EncoderStack<Double>(
      .init(width: 6, heads: 2, intermediate: 8, layers: [constants(.gelu, 0.577)]), arithmetic)
    let network = try Network<Double>(
      [.init(inputs: 6, outputs: 6, activation: .gelu, norm: 1e-5), .init(inputs: 6, outputs: 5, borrowsWeight: true)],
      arithmetic)
    for (i, block) in [input.parameters, stack.parameters, network.parameters].enumerated() {
      let noise = random(block.values.count, seed: 20 + UInt64(i))
      block.values.fill(from: noise.map { 0.6 * $0 })
    }
    network.borrow(.init(weight: input.values.word, gradient: input.gradients.word, owner: input))
    let classes: [Int32] = [0, 2, 1, -1, 2, 4, 3]
    func logits() throws -> UnsafeMutablePointer<Double> {
      let x = try input.forward(tokens)
      return try network.forward(try stack.forward(x, offsets: tokens.offsets), rows: 7)
    }
    func value() throws -> Double {
      try Loss()(try logits(), rows: 7, outputs: 5, .classes(classes), offsets: [0, 7], arithmetic)
    }
    let y = try logits()
    _ = try Loss()(y, rows: 7, outputs: 5, .classes(classes), offsets: [0, 7], arithmetic)
    let d = try #require(try network.backward(y, rows: 7, wantsInput: true))
    try stack.backward(d)
    try input.backward(d)
    for parameters in [input.parameters, stack.parameters, network.parameters] {
      #expect(try difference(parameters, value) < 1e-6)
    }
  }

  /// Embeddings and layers in Float are near those in Double.
  @Test(arguments: [0, 0.2]) func floatEncoderIsNearDouble(_ rate: Double) throws {
    let dropout = Dropout(encoder: rate, key: 7)
    // One token, fewer than a block of queries, and more.
    let (tokens, offsets) = (130, [0, 1, 20, 130])
    let ids = (0..<tokens).map { Int32($0 * 7 % 50) }
    let types = (0..<tokens).map { Int32($0 % 2) }
    let weights = random(tokens * 32, seed: 3)
    func gradients<S: TrainingScalar>(_ type: S.Type) throws -> [Double] {
      let input = try EncoderInput<S>(
        .init(width: 32, vocabulary: 50, positions: 110, types: 2, epsilon: 1e-5), arithmetic)
      let stack = try EncoderStack<S>(
        .init(
          width: 32, heads: 4, intermediate: 64, layers: [constants(.gelu, 0.35), constants(.gelu, 0.35)],
          bias: .init(buckets: 5, bucket: { max(-2, min($0, 2)) + 2 }, isTrained: true)), arithmetic)
      let (a, b) = (input.parameters.values, stack.parameters.values)
      a.fill(from: random(a.count, seed: 1).map { S($0) })
      b.fill(from: random(b.count, seed: 2).map { S(0.2 * $0) })
      let x = try input.forward(.init(ids: ids, types: types, offsets: offsets), dropout: dropout)
      _ = try stack.forward(x, offsets: offsets, dropout: dropout)
      let d = try Block<S>(tokens * 32)
      d.fill(from: weights.map { S($0) })
      try stack.backward(d.base)
      try input.backward(d.base)
      return (input.parameters.gradients.array + stack.parameters.gradients.array).map { Double($0) }
    }
    let (wide, narrow) = (try gradients(Double.self), try gradients(Float.self))
    let most = wide.reduce(0) { max($0, abs($1)) }
    for (f, d) in zip(narrow, wide) { #expect(abs(f - d) <= 1e-3 * most) }
  }

  @Test func ofAMixOfLayers() throws {
    let mixture = try LayerMixture<Double>(states: 3, width: 5)
    mixture.parameters.values.fill(from: [0.3, -0.5, 0.9, 1.4])
    let network = try Network<Double>([.init(inputs: 5, outputs: 3)], arithmetic)
    network.parameters.values.fill(from: random(network.parameters.values.count, seed: 12))
    let x = random(4 * 3 * 5, seed: 11)
    let classes: [Int32] = [0, 2, 1, 1]
    func logits() throws -> UnsafeMutablePointer<Double> { try network.forward(mixture.forward(x, rows: 4), rows: 4) }
    func value() throws -> Double {
      try Loss()(try logits(), rows: 4, outputs: 3, .classes(classes), offsets: [0, 4], arithmetic)
    }
    let y = try logits()
    _ = try Loss()(y, rows: 4, outputs: 3, .classes(classes), offsets: [0, 4], arithmetic)
    let d = try #require(try network.backward(y, rows: 4, wantsInput: true))
    try mixture.backward(d)
    #expect(try difference(mixture.parameters, value) < 1e-6)
    #expect(try difference(network.parameters, value) < 1e-6)
  }

  /// Of states that are noise but for one, that one gets the largest share.
  @Test(arguments: [0, 2]) func aMixFindsTheStateThatKnows(_ right: Int) throws {
    let (rows, width) = (256, 8)
    let mixture = try LayerMixture<Float>(states: 4, width: width)
    let network = try Network<Float>([.init(inputs: width, outputs: 2)], arithmetic)
    var x = random(rows * 4 * width, seed: 1).map { Float($0) }
    let classes = (0..<rows).map { Int32($0 % 3 == 0 ? 1 : 0) }
    for row in 0..<rows { x[(row * 4 + right) * width + 3] = classes[row] == 1 ? 1 : -1 }
    var optimizers = [
      try AdamW<Float>(parameters: mixture.parameters.values.count),
      try AdamW<Float>(parameters: network.parameters.values.count),
    ]
    for _ in 0..<200 {
      for block in [mixture.parameters, network.parameters] { block.clearGradients() }
      let y = try network.forward(mixture.forward(x, rows: rows), rows: rows)
      _ = try Loss()(y, rows: rows, outputs: 2, .classes(classes), offsets: [0, rows], arithmetic)
      let d = try #require(try network.backward(y, rows: rows, wantsInput: true))
      try mixture.backward(d)
      try optimizers[0].step(mixture.parameters, rate: 0.02, decay: 0, scale: 1, arithmetic)
      try optimizers[1].step(network.parameters, rate: 0.02, decay: 0, scale: 1, arithmetic)
    }
    let mix = mixture.mix
    #expect(abs(mix.shares.reduce(0, +) - 1) < 1e-5)
    #expect(mix.shares[right] > 0.7, "\(mix)")
  }

  /// The same layers in Float are near those in Double.
  @Test func floatIsNearDouble() throws {
    let layers: [DenseLayer] = [
      .init(inputs: 40, outputs: 33, activation: .gelu, norm: 1e-5), .init(inputs: 33, outputs: 7),
    ]
    let wide = try Network<Double>(layers, arithmetic)
    let narrow = try Network<Float>(layers, arithmetic)
    narrow.initialize(seed: 3)
    wide.parameters.values.fill(from: narrow.parameters.values.array.map { Double($0) })
    let x = try Block<Float>(50 * 40)
    x.fill(from: random(2000, seed: 1).map { Float($0) })
    let y = try Block<Double>(2000)
    y.fill(from: x.array.map { Double($0) })
    let classes = (0..<50).map { Int32($0 % 7) }
    let offsets = Array(0...50)
    let a = try narrow.forward(x.base, rows: 50)
    let b = try wide.forward(y.base, rows: 50)
    _ = try Loss()(a, rows: 50, outputs: 7, .classes(classes), offsets: offsets, arithmetic)
    _ = try Loss()(b, rows: 50, outputs: 7, .classes(classes), offsets: offsets, arithmetic)
    try narrow.backward(a, rows: 50)
    try wide.backward(b, rows: 50)
    let most = wide.parameters.gradients.array.reduce(0) { max($0, abs($1)) }
    for (f, d) in zip(narrow.parameters.gradients.array, wide.parameters.gradients.array) {
      #expect(abs(Double(f) - d) <= 1e-3 * most)
    }
  }

  /// On any number of threads, and by any instruction set, the encoder's gradients are the same to the bit.
  @Test func encoderBitsDependOnNothingButTheBatch() throws {
    let (tokens, offsets) = (301, [0, 7, 60, 301])
    func bits(_ arithmetic: Arithmetic) throws -> [UInt32] {
      let input = try EncoderInput<Float>(
        .init(width: 48, vocabulary: 50, positions: 300, types: 2, epsilon: 1e-5), arithmetic)
      let stack = try EncoderStack<Float>(
        .init(width: 48, heads: 4, intermediate: 100, layers: [constants(.gelu, 0.35), constants(.gelu, 0.35)]),
        arithmetic)
      input.parameters.values.fill(from: random(input.parameters.values.count, seed: 1).map { Float($0) })
      stack.parameters.values.fill(from: random(stack.parameters.values.count, seed: 2).map { Float(0.2 * $0) })
      let dropout = Dropout(encoder: 0.1, key: 1)
      let x = try input.forward(
        .init(
          ids: (0..<tokens).map { Int32($0 * 7 % 50) }, types: (0..<tokens).map { Int32($0 % 2) }, offsets: offsets),
        dropout: dropout)
      let y = try stack.forward(x, offsets: offsets, dropout: dropout)
      try stack.backward(y)
      try input.backward(y)
      return (input.parameters.gradients.array + stack.parameters.gradients.array).map(\.bitPattern)
    }
    for precision in TrainingPrecision.allCases {
      let expected = try bits(Arithmetic(threads: 1, precision: precision))
      #expect(try bits(Arithmetic(threads: 3, precision: precision)) == expected)
      #expect(try bits(Arithmetic(threads: 2, isa: .scalar, precision: precision)) == expected)
    }
  }

  /// An encoder's gradients in bfloat16 are those of Double, but for what rounding operands changes: each by at most
  /// 2^-8 of itself, as random numbers are, and so the products of each of its two layers, forward and backward.
  @Test func bfloat16GradientsAreNearThoseOfDouble() throws {
    let (tokens, offsets) = (67, [0, 7, 30, 67])
    func gradients<S: TrainingScalar>(_ type: S.Type, _ arithmetic: Arithmetic) throws -> [Double] {
      let stack = try EncoderStack<S>(
        .init(
          width: 48, heads: 4, intermediate: 100,
          layers: Array(
            repeating: .init(
              activation: .gelu, attentionScale: S(0.3), attentionNormEpsilon: S(1e-5), outputNormEpsilon: S(1e-5)),
            count: 2)), arithmetic)
      stack.parameters.values.fill(from: random(stack.parameters.values.count, seed: 2).map { S(0.2 * $0) })
      let x = random(tokens * 48, seed: 3).map { S($0) }
      _ = try x.withUnsafeBufferPointer { try stack.forward($0.baseAddress!, offsets: offsets) }
      var dy = random(tokens * 48, seed: 4).map { S($0) }
      try dy.withUnsafeMutableBufferPointer { try stack.backward($0.baseAddress!) }
      return (stack.parameters.gradients.array + dy).map { Double($0) }
    }
    let expected = try gradients(Double.self, Arithmetic(threads: 1))
    func error(_ precision: TrainingPrecision) throws -> Double {
      let found = try gradients(Float.self, Arithmetic(threads: 2, precision: precision))
      let squares = zip(found, expected).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
      return (squares / expected.reduce(0) { $0 + $1 * $1 }).squareRoot()
    }
    let (rounded, exact) = (try error(.bfloat16), try error(.float32))
    #expect(rounded < 4 * 0x1p-8 && exact < 4 * 0x1p-24 * 10, "\(rounded) \(exact)")
    // That they are not near in a greater degree shows that operands are rounded.
    #expect(rounded > 0x1p-12)
  }

  /// Dropout sets its share of values to 0 and scales the others, differently in each row and for each key.
  @Test func dropoutTakesItsShare() throws {
    let (rows, width) = (400, 333)
    let ones = [Float](repeating: 1, count: rows * width)
    func masked(_ key: UInt64) -> [Float] {
      var y = ones
      Float.dropout(ones, rows, width, Dropout(encoder: 0.1, key: key)[.embeddings], row: 0, &y, arithmetic)
      return y
    }
    let y = masked(1)
    #expect(Set(y) == [0, 1 / 0.9])
    // Four standard deviations.
    let count = Double(rows * width)
    #expect(abs(Double(y.count { $0 == 0 }) - 0.1 * count) < 4 * (0.09 * count).squareRoot())
    let other = masked(2)
    #expect(abs(Double(zip(y, other).count { $0 == 0 && $1 == 0 }) - 0.01 * count) < 4 * (0.0099 * count).squareRoot())
    let shifted = zip(y, y.dropFirst(width)).count { $0 == 0 && $1 == 0 }
    #expect(abs(Double(shifted) - 0.01 * count) < 4 * (0.0099 * count).squareRoot())
    let next = zip(y, y.dropFirst()).count { $0 == 0 && $1 == 0 }
    #expect(abs(Double(next) - 0.01 * count) < 4 * (0.0099 * count).squareRoot())
  }

  /// The products, in all forms and sizes around those of panels, on one thread and on several.
  @Test(arguments: [ProductForm.nn, .tn, .nt]) func products(_ form: ProductForm) throws {
    let single = try Arithmetic(threads: 1)
    for (m, n, k) in [
      (1, 1, 1), (2, 17, 5), (13, 16, 33), (97, 40, 64), (300, 130, 120), (2, 384, 9000), (200, 40, 1100),
    ] {
      let a = random(m * k, seed: 1).map { Float($0) }
      let b = random(n * k, seed: 2).map { Float($0) }
      var (c, d) = ([Float](repeating: .nan, count: m * n), [Float](repeating: .nan, count: m * n))
      var e = [Double](repeating: 0, count: m * n)
      try arithmetic.product(form, m, n, k, a, b, &c)
      try single.product(form, m, n, k, a, b, &d)
      try Double.product(
        form, m, n, k, a.map { Double($0) }, b.map { Double($0) }, &e, bias: nil, adds: false, arithmetic)
      var f = c
      try arithmetic.product(form, m, n, k, a, b, &f, adds: true)
      for (x, y) in zip(f, c) { #expect(abs(x - 2 * y) <= 1e-5 * max(abs(y), Float(k))) }
      #expect(c.map(\.bitPattern) == d.map(\.bitPattern))
      let bound = Double(Float.ulpOfOne) * Double(k + 1) * 30
      for (x, y) in zip(c, e) { #expect(abs(Double(x) - y) <= bound) }

      // In bfloat16: on any number of threads and by any instruction set the same, near the product of magnitudes.
      var g = [Float](repeating: .nan, count: m * n)
      try Arithmetic(threads: 2, precision: .bfloat16).product(form, m, n, k, a, b, &g)
      try Arithmetic(threads: 1, isa: .scalar, precision: .bfloat16).product(form, m, n, k, a, b, &d)
      #expect(g.map(\.bitPattern) == d.map(\.bitPattern))
      var magnitudes = [Double](repeating: 0, count: m * n)
      try Double.product(
        form, m, n, k, a.map { abs(Double($0)) }, b.map { abs(Double($0)) }, &magnitudes, bias: nil, adds: false,
        arithmetic)
      // Each operand by half of 2^-7 of itself.
      for (i, x) in g.enumerated() { #expect(abs(Double(x) - e[i]) <= (0x1p-7 + 0x1p-15) * magnitudes[i] + bound) }
      if k > 1 { #expect(g != c) }
    }
  }
}
