internal import Cloze
internal import ClozeIO
internal import Glibc

/// AdamW (Loshchilov and Hutter 2019), in PyTorch's order of operations.
///
///     w = w - rate decay w
///     m = b1 m + (1 - b1) g,   v = b2 v + (1 - b2) g g
///     w = w - rate / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + e)
struct AdamW<S: TrainingScalar> {
  /// m
  let first: Block<S>
  /// v
  let second: Block<S>
  /// t
  var steps = 0
  let beta1 = 0.9
  let beta2 = 0.999
  let epsilon = 1e-8

  init(parameters: Int) throws(ClozeError) {
    first = try Block(parameters)
    second = try Block(parameters)
  }

  /// - Parameters:
  ///   - scale: what gradients are multiplied by.
  ///   - rates: [segments] what the rate of each segment of parameters is multiplied by; nil: 1.
  mutating func step(
    _ parameters: ParameterBlock<S>, rate: Double, decay: Double, scale: Double, rates: [Double]? = nil,
    _ arithmetic: Arithmetic
  ) throws(ClozeError) {
    steps += 1
    let correction = 1 - pow(beta1, Double(steps))
    let root = (1 - pow(beta2, Double(steps))).squareRoot()
    var pieces: [(range: Range<Int>, step: AdamWStep<S>)] = []
    for (i, segment) in parameters.segments.enumerated() where segment.isTrained {
      let rate = rate * (rates?[i] ?? 1)
      // Rounded once: 1 - S(beta2) would be off by 5e-5 in Float.
      let step = AdamWStep<S>(
        gradientScale: S(scale), beta1Rest: S(1 - beta1), beta2: S(beta2), beta2Rest: S(1 - beta2),
        keep: S(segment.decays ? 1 - rate * decay : 1), stepSize: S(rate / correction), root: S(root),
        epsilon: S(epsilon))
      pieces += segment.pieces.map { ($0, step) }
    }
    let (first, second) = (first.base, second.base)
    let (weights, slopes) = (parameters.values.base, parameters.gradients.base)
    func update(_ range: Range<Int>, _ step: AdamWStep<S>) {
      let at = range.lowerBound
      S.adamw(weights + at, first + at, second + at, slopes + at, range.count, step, arithmetic)
    }
    try arithmetic.forEach(pieces.count) { index in
      let (range, step) = pieces[index]
      guard let touched = parameters.touched, range.lowerBound < touched.elements else { return update(range, step) }
      // Pieces of a table may begin and end within rows.
      var at = range.lowerBound
      while at < range.upperBound {
        let row = at / touched.width
        let end = min((row + 1) * touched.width, range.upperBound)
        if row >= touched.count || touched.ever[row] {
          update(at..<end, step)
        } else if step.keep != 1 {
          // The moments are 0, so that decay is all of the step.
          for i in at..<end { weights[i] *= step.keep }
        }
        at = end
      }
    }
  }
}

/// How the learning rate changes over the steps of a run.
public enum Schedule: String, Sendable, CaseIterable {
  /// The same throughout, after warmup.
  case constant
  /// Down to zero in a straight line.
  case linear
  /// Down to zero along half a cosine.
  case cosine

  /// What the learning rate is multiplied by in step `step`, counted from 0, of `steps`.
  func factor(step: Int, steps: Int, warmup: Int) -> Double {
    if step < warmup { return Double(step + 1) / Double(warmup + 1) }
    let share = Double(step - warmup) / Double(max(steps - warmup, 1))
    switch self {
    case .constant: return 1
    case .linear: return max(0, 1 - share)
    case .cosine: return (1 + cos(Double.pi * min(share, 1))) / 2
    }
  }
}
