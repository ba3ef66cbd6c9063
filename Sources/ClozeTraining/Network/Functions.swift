internal import CClozeKernels
internal import Cloze
internal import ClozeIO

// Functions of rows, forward and backward, on all threads. Names of gradients begin with d.

extension Arithmetic {
  /// y [rows, outputs] = x W^T + b
  func linear<S: TrainingScalar>(
    _ x: UnsafePointer<S>, _ rows: Int, _ inputs: Int, _ outputs: Int, _ p: LinearParameters<UnsafeMutablePointer<S>>,
    _ y: UnsafeMutablePointer<S>
  ) throws(ClozeError) {
    try S.product(.nt, rows, outputs, inputs, x, p.weight, y, bias: p.bias, adds: false, self)
  }

  /// dW += dy^T x, db += dy, dx = dy W, or dx += dy W where it `adds`.
  ///
  /// - Parameters:
  ///   - dWeight: nil: the matrix is not trained.
  ///   - dx: nil: it is not wanted. May be x.
  func linearBackward<S: TrainingScalar>(
    _ x: UnsafePointer<S>, _ dy: UnsafePointer<S>, _ rows: Int, _ inputs: Int, _ outputs: Int,
    _ weight: UnsafePointer<S>, dWeight: UnsafeMutablePointer<S>?, dBias: UnsafeMutablePointer<S>,
    dx: UnsafeMutablePointer<S>?, adds: Bool = false
  ) throws(ClozeError) {
    if let dWeight { try S.product(.tn, outputs, inputs, rows, dy, x, dWeight, bias: nil, adds: true, self) }
    try addSums(over: rows, width: outputs, to: dBias) { rows, sums in
      S.addColumnSums(dy + rows.lowerBound &* outputs, rows.count, outputs, sums, self)
    }
    if let dx { try S.product(.nn, rows, inputs, outputs, dy, weight, dx, bias: nil, adds: adds, self) }
  }

  /// y = activation(z), element by element, for rows of d.
  func activate<S: TrainingScalar>(
    _ activation: Activation, _ z: UnsafePointer<S>, _ rows: Int, _ d: Int, _ y: UnsafeMutablePointer<S>
  ) throws(ClozeError) {
    try forEachRows(rows, width: d) { rows in
      let at = rows.lowerBound &* d
      S.activate(activation, z + at, rows.count &* d, y + at, self)
    }
  }

  /// dy = dy activation'(z), element by element, for rows of d.
  func activateBackward<S: TrainingScalar>(
    _ activation: Activation, _ z: UnsafePointer<S>, _ rows: Int, _ d: Int, _ dy: UnsafeMutablePointer<S>
  ) throws(ClozeError) {
    if activation == .identity { return }
    try forEachRows(rows, width: d) { rows in
      let at = rows.lowerBound &* d
      S.activateBackward(activation, z + at, rows.count &* d, dy + at, self)
    }
  }

  /// y = norm(dropout(x) + residual) for rows of d; y may be x.
  func layernorm<S: TrainingScalar>(
    _ x: UnsafeMutablePointer<S>, dropout: cloze_dropout? = nil, plus residual: UnsafePointer<S>? = nil, _ rows: Int,
    _ d: Int, _ p: NormParameters<UnsafeMutablePointer<S>>, _ epsilon: S, _ kept: NormActivations<S>,
    _ y: UnsafeMutablePointer<S>
  ) throws(ClozeError) {
    try forEachRows(rows, width: d) { rows in
      let at = rows.lowerBound &* d
      if let dropout, dropout.threshold > 0 {
        S.dropout(x + at, rows.count, d, dropout, row: rows.lowerBound, x + at, self)
      }
      S.layernorm(
        x + at, plus: residual.map { $0 + at }, rows.count, d, p, epsilon, kept.rows(from: rows.lowerBound, d), y + at,
        self)
    }
  }

  /// The gradient of dropout(x) + residual, and those of the norm's parameters; dx may be dy.
  func layernormBackward<S: TrainingScalar>(
    _ dy: UnsafePointer<S>, _ kept: NormActivations<S>, _ rows: Int, _ d: Int,
    _ p: NormParameters<UnsafeMutablePointer<S>>, _ gradients: NormParameters<UnsafeMutablePointer<S>>,
    _ dx: UnsafeMutablePointer<S>
  ) throws(ClozeError) {
    // Gamma and beta lie next to each other.
    try addSums(over: rows, width: 2 &* d, to: gradients.gamma) { rows, sums in
      let at = rows.lowerBound &* d
      S.layernormBackward(
        dy + at, kept.rows(from: rows.lowerBound, d), rows.count, d, p, NormParameters(gamma: sums, beta: sums + d),
        dx + at, self)
    }
  }

  /// y = x with dropout for rows of d; y may be x.
  func dropout<S: TrainingScalar>(
    _ x: UnsafePointer<S>, _ rows: Int, _ d: Int, _ dropout: cloze_dropout, _ y: UnsafeMutablePointer<S>
  ) throws(ClozeError) {
    try forEachRows(rows, width: d) { rows in
      let at = rows.lowerBound &* d
      S.dropout(x + at, rows.count, d, dropout, row: rows.lowerBound, y + at, self)
    }
  }

  /// log of the sum of exp(z) over `count` values, at least one.
  func logSumExp<S: TrainingScalar>(_ z: UnsafePointer<S>, _ count: Int) -> S {
    let (sum, highest) = S.expSum(z, count, self)
    return highest + S.log(sum)
  }

  /// The L2 norm of all trained gradients.
  func gradientNorm<S: TrainingScalar>(_ blocks: [ParameterBlock<S>]) throws(ClozeError) -> Double {
    var sum = 0.0
    for block in blocks {
      let pieces = block.gradientPieces
      var squares = [Double](repeating: 0, count: pieces.count)
      try squares.withUnsafeMutableBufferPointer { squares throws(ClozeError) in
        nonisolated(unsafe) let squares = squares
        try forEach(pieces.count, parallel: block.gradients.count > 1 << 16) { i in
          squares[i] = S.sumOfSquares(block.gradients.base + pieces[i].lowerBound, pieces[i].count, self)
        }
      }
      for square in squares { sum += square }
    }
    return sum.squareRoot()
  }
}
