internal import Cloze
internal import ClozeIO

/// The parameters of one part of a model in one array, with their gradients.
final class ParameterBlock<S: TrainingScalar> {
  let values: Block<S>
  let gradients: Block<S>
  let segments: [ParameterSegment]
  /// The rows with a gradient, of a table that the block begins with; nil: all parameters have one.
  var touched: TouchedRows?

  init(_ parts: [ParameterSegment.Part]) throws(ClozeError) {
    var segments: [ParameterSegment] = []
    var first = 0
    for part in parts {
      segments.append(
        ParameterSegment(range: first..<(first + part.count), isTrained: part.isTrained, decays: part.decays))
      first += part.count
    }
    self.segments = segments
    values = try Block(first)
    gradients = try Block(first)
  }

  /// The first value of a segment.
  func value(_ segment: Int) -> UnsafeMutablePointer<S> { values.base + segments[segment].range.lowerBound }

  /// The first gradient of a segment.
  func gradient(_ segment: Int) -> UnsafeMutablePointer<S> { gradients.base + segments[segment].range.lowerBound }

  func clearGradients() {
    let first = touched?.elements ?? 0
    touched?.clear(gradients)
    (gradients.base + first).update(repeating: 0, count: gradients.count - first)
  }

  /// The trained gradients that may not be 0, in pieces that threads share out.
  var gradientPieces: [Range<Int>] {
    var pieces: [Range<Int>] = []
    for segment in segments where segment.isTrained {
      guard let touched, segment.range.lowerBound < touched.elements else {
        pieces += segment.pieces
        continue
      }
      for row in touched.now { pieces.append((row * touched.width)..<((row + 1) * touched.width)) }
    }
    return pieces
  }

  /// Replaces one segment's values.
  func set(_ segment: Int, _ values: some Sequence<S>) {
    for (i, value) in zip(segments[segment].range, values) { self.values.base[i] = value }
  }

  /// One segment's values.
  func array(_ segment: Int) -> [S] {
    let range = segments[segment].range
    return Array(UnsafeBufferPointer(start: values.base + range.lowerBound, count: range.count))
  }
}

/// Parameters next to each other that an optimizer treats alike.
struct ParameterSegment: Sendable {
  typealias Part = (count: Int, isTrained: Bool, decays: Bool)

  var range: Range<Int>
  var isTrained: Bool
  /// Whether weight decay applies: to weights, not to biases and norms.
  var decays: Bool

  /// The segment in pieces that threads share out.
  var pieces: [Range<Int>] {
    stride(from: range.lowerBound, to: range.upperBound, by: 1 << 15).map { $0..<min($0 + (1 << 15), range.upperBound) }
  }
}

/// Which rows of a table, at the beginning of a block of parameters, have a gradient.
///
/// Most rows of a word table have none in a step. They need not be cleared nor added to the gradient's norm; and a step
/// of AdamW does no more than decay a row that never had a gradient.
final class TouchedRows {
  let count: Int
  let width: Int
  /// Whether a row has ever had a gradient.
  private(set) var ever: [Bool]
  private var isNow: [Bool]
  /// Rows that have one now, in the order of their first `add`.
  private var rows: [Int] = []

  init(count: Int, width: Int) {
    self.count = count
    self.width = width
    ever = Array(repeating: false, count: count)
    isNow = ever
  }

  var elements: Int { count * width }

  func add(_ row: Int) {
    if isNow[row] { return }
    isNow[row] = true
    ever[row] = true
    rows.append(row)
  }

  func addAll() {
    guard rows.count < count else { return }
    for row in 0..<count { add(row) }
  }

  /// Restores `ever` from moments of AdamW: they are not 0 where there was a gradient.
  func restore<S: TrainingScalar>(_ moments: Block<S>) {
    for row in 0..<count where !ever[row] {
      for i in (row * width)..<((row + 1) * width) where moments.base[i] != 0 {
        ever[row] = true
        break
      }
    }
  }

  /// Rows that have a gradient now, in ascending order.
  var now: [Int] { rows.sorted() }

  func clear<S: TrainingScalar>(_ gradients: Block<S>) {
    for row in rows {
      isNow[row] = false
      (gradients.base + row &* width).update(repeating: 0, count: width)
    }
    rows.removeAll(keepingCapacity: true)
  }
}
