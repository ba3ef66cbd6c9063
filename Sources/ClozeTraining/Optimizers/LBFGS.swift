internal import ClozeIO

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

  /// The state of a checkpoint.
  init(x: [Double], value: Double, gradient: [Double], iterations: Int, steps: [[Double]], changes: [[Double]]) {
    self.x = x
    self.value = value
    self.gradient = gradient
    self.iterations = iterations
    self.steps = steps
    self.changes = changes
  }

  /// The largest element of the gradient.
  var slope: Double { gradient.reduce(0) { max($0, abs($1)) } }

  /// One iteration; false where no step decreases the function any more.
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
  private func search(_ direction: [Double], _ slope: Double, _ first: Double, _ function: Function) throws(ClozeError)
    -> (x: [Double], value: Double, gradient: [Double])?
  {
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
