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

  /// - Parameter scale: what gradients are multiplied by.
  mutating func step(
    _ parameters: ParameterBlock<S>, rate: Double, decay: Double, scale: Double, _ arithmetic: Arithmetic? = nil
  ) throws(ClozeError) {
    steps += 1
    let correction1 = 1 - pow(beta1, Double(steps))
    let correction2 = (1 - pow(beta2, Double(steps))).squareRoot()
    let (b2, e) = (S(beta2), S(epsilon))
    // Rounded once: 1 - S(beta2) would be off by 5e-5 in Float.
    let (c1, c2) = (S(1 - beta1), S(1 - beta2))
    let stepSize = S(rate / correction1)
    let root = S(correction2)
    let factor = S(scale)
    let (first, second) = (first.base, second.base)
    let (weights, slopes) = (parameters.values.base, parameters.gradients.base)
    let pieces = Self.pieces(parameters.segments)
    func update(_ range: Range<Int>, _ keep: S) {
      for i in range {
        let g = slopes[i] * factor
        let m = first[i] + c1 * (g - first[i])
        let v = b2 * second[i] + c2 * g * g
        first[i] = m
        second[i] = v
        weights[i] = weights[i] * keep - stepSize * (m / (v.squareRoot() / root + e))
      }
    }
    func update(_ index: Int) {
      let (range, decays) = pieces[index]
      let keep = S(decays ? 1 - rate * decay : 1)
      guard let touched = parameters.touched, range.lowerBound < touched.elements else { return update(range, keep) }
      // Pieces of a table may begin and end within rows.
      var at = range.lowerBound
      while at < range.upperBound {
        let row = at / touched.width
        let end = min((row + 1) * touched.width, range.upperBound)
        if row >= touched.count || touched.ever[row] {
          update(at..<end, keep)
        } else if keep != 1 {
          // The moments are 0, so that decay is all of the step.
          for i in at..<end { weights[i] *= keep }
        }
        at = end
      }
    }
    guard let arithmetic else {
      for i in pieces.indices { update(i) }
      return
    }
    try arithmetic.forEach(pieces.count, update)
  }

  /// The trained segments in pieces that threads share out.
  private static func pieces(_ segments: [ParameterSegment]) -> [(range: Range<Int>, decays: Bool)] {
    var pieces: [(Range<Int>, Bool)] = []
    for segment in segments where segment.isTrained {
      for first in stride(from: segment.range.lowerBound, to: segment.range.upperBound, by: 32768) {
        pieces.append((first..<min(first + 32768, segment.range.upperBound), segment.decays))
      }
    }
    return pieces
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
