internal import Cloze

internal import ClozeIO
internal import Glibc

/// AdamW (Loshchilov and Hutter 2019), in PyTorch's order of operations.
///
///     w = w - rate decay w
///     m = b1 m + (1 - b1) g,   v = b2 v + (1 - b2) g g
///     w = w - rate / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + e)
struct AdamW<S: TrainingScalar> {
  let first: Block<S>
  let second: Block<S>
  /// Steps taken.
  var steps = 0
  let beta1 = 0.9
  let beta2 = 0.999
  let epsilon = 1e-8

  init(parameters: Int) throws(ClozeError) {
    first = try Block(parameters)
    second = try Block(parameters)
  }

  /// - Parameters:
  ///   - touched: which rows of a table at the block's beginning have ever had a gradient; nil: all.
  ///   - scale: what gradients are multiplied by.
  mutating func step(
    _ parameters: Block<S>, _ gradients: Block<S>, _ segments: [NetworkShape.Segment],
    touched: TouchedRows? = nil, rate: Double, decay: Double, scale: Double,
    _ arithmetic: Arithmetic? = nil
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
    let (weights, slopes) = (parameters.base, gradients.base)
    let pieces = Self.pieces(segments)
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
      guard let touched, range.lowerBound < touched.elements else { return update(range, keep) }
      // Pieces of a table may begin and end within rows.
      var at = range.lowerBound
      while at < range.upperBound {
        let row = at / touched.width
        let end = min((row + 1) * touched.width, range.upperBound)
        if row >= touched.count || touched.ever[row] {
          update(at..<end, keep)
        } else if keep != 1 {
          // Moments of 0: what remains of the step is the decay.
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
  private static func pieces(
    _ segments: [NetworkShape.Segment]
  ) -> [(range: Range<Int>, decays: Bool)] {
    var pieces: [(Range<Int>, Bool)] = []
    for segment in segments where segment.isTrained {
      var at = segment.range.lowerBound
      while at < segment.range.upperBound {
        let end = min(at + 32768, segment.range.upperBound)
        pieces.append((at..<end, segment.decays))
        at = end
      }
    }
    return pieces
  }
}

/// The L2 norm of all trained gradients, summed in Double in their order.
///
/// - Parameter touched: the rows of a table at the block's beginning whose gradients are not 0.
func norm<S: TrainingScalar>(
  _ gradients: Block<S>, _ segments: [NetworkShape.Segment], touched: TouchedRows? = nil
) -> Double {
  var sum = 0.0
  func add(_ range: Range<Int>) {
    // Four sums, which do not wait for each other.
    var parts = SIMD4<Double>(repeating: 0)
    let base = gradients.base
    var i = range.lowerBound
    while i &+ 4 <= range.upperBound {
      let x = SIMD4(
        Double(base[i]), Double(base[i &+ 1]), Double(base[i &+ 2]), Double(base[i &+ 3]))
      parts += x * x
      i &+= 4
    }
    while i < range.upperBound {
      parts[0] += Double(base[i]) * Double(base[i])
      i &+= 1
    }
    sum += parts.sum()
  }
  for segment in segments where segment.isTrained {
    guard let touched, segment.range.lowerBound < touched.elements else {
      add(segment.range)
      continue
    }
    for row in touched.now { add((row * touched.width)..<((row + 1) * touched.width)) }
  }
  return sum.squareRoot()
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

/// L-BFGS (Nocedal and Wright, Numerical Optimization, algorithm 7.4): minimizes a smooth function of
/// a vector in Double.
struct LBFGS {
  var x: [Double]
  var value: Double
  var gradient: [Double]
  private(set) var iterations = 0
  /// Differences of the last points and gradients, oldest first.
  private(set) var steps: [[Double]] = []
  private(set) var changes: [[Double]] = []
  static let memory = 10

  typealias Function = ([Double]) throws(ClozeError) -> (value: Double, gradient: [Double])

  init(from x: [Double], _ function: Function) throws(ClozeError) {
    self.x = x
    (value, gradient) = try function(x)
  }

  /// As it was when a checkpoint was written.
  init(
    x: [Double], value: Double, gradient: [Double], iterations: Int, steps: [[Double]],
    changes: [[Double]]
  ) {
    self.x = x
    self.value = value
    self.gradient = gradient
    self.iterations = iterations
    self.steps = steps
    self.changes = changes
  }

  /// The largest element of the gradient.
  var slope: Double { gradient.reduce(0) { max($0, abs($1)) } }

  /// One iteration; false where no step makes the function smaller any more.
  mutating func iterate(_ function: Function) throws(ClozeError) -> Bool {
    var direction = descent()
    var slope = dot(direction, gradient)
    if slope >= 0 {
      steps = []
      changes = []
      direction = gradient.map { -$0 }
      slope = -dot(gradient, gradient)
    }
    guard slope < 0 else { return false }
    let first = steps.isEmpty ? min(1, 1 / dot(gradient, gradient).squareRoot()) : 1
    guard let found = try search(direction, slope, first, function) else { return false }
    let step = zip(found.x, x).map { $0 - $1 }
    let change = zip(found.gradient, gradient).map { $0 - $1 }
    if dot(step, change) > 1e-10 * dot(change, change).squareRoot() * dot(step, step).squareRoot() {
      steps.append(step)
      changes.append(change)
      if steps.count > Self.memory {
        steps.removeFirst()
        changes.removeFirst()
      }
    }
    (x, value, gradient) = found
    iterations += 1
    return true
  }

  /// -H gradient, by the two-loop recursion.
  private func descent() -> [Double] {
    var q = gradient
    var alphas: [Double] = []
    for (step, change) in zip(steps, changes).reversed() {
      let alpha = dot(step, q) / dot(step, change)
      alphas.append(alpha)
      for i in q.indices { q[i] -= alpha * change[i] }
    }
    if let step = steps.last, let change = changes.last {
      let scale = dot(step, change) / dot(change, change)
      for i in q.indices { q[i] *= scale }
    }
    for ((step, change), alpha) in zip(zip(steps, changes), alphas.reversed()) {
      let beta = dot(change, q) / dot(step, change)
      for i in q.indices { q[i] += (alpha - beta) * step[i] }
    }
    return q.map { -$0 }
  }

  /// A point along `direction` that meets the weak Wolfe conditions, by doubling and halving (Lewis
  /// and Overton 2013), or the best that was seen.
  private func search(
    _ direction: [Double], _ slope: Double, _ first: Double, _ function: Function
  ) throws(ClozeError) -> (x: [Double], value: Double, gradient: [Double])? {
    var (low, high) = (0.0, Double.infinity)
    var t = first
    var best: (x: [Double], value: Double, gradient: [Double])?
    for _ in 0..<30 {
      let point = zip(x, direction).map { $0 + t * $1 }
      let here = try function(point)
      if !(here.value <= value + 1e-4 * t * slope) {
        high = t
      } else {
        if here.value < (best?.value ?? value) { best = (point, here.value, here.gradient) }
        if dot(here.gradient, direction) >= 0.9 * slope { break }
        low = t
      }
      t = high < .infinity ? (low + high) / 2 : 2 * t
    }
    return best
  }
}

private func dot(_ a: [Double], _ b: [Double]) -> Double {
  var sum = 0.0
  for i in a.indices { sum += a[i] * b[i] }
  return sum
}
