internal import CClozeKernels
internal import CClozeSupport
internal import Cloze
internal import ClozeIO

/// The matrix products of training, in float32 by the runtime's kernels, on a team of threads.
///
/// Every element of a product is one chain of fused multiply-adds in the order of k, wherever it
/// lies and whoever computes it: neither the number of threads nor the instruction set shows in the
/// result.
final class Arithmetic: @unchecked Sendable {
  private let matrix: cloze_matrix_kernels
  private let team: Team
  private var left: [Room<UInt8>]
  private var right = Room<Float>()
  private var turned = Room<Float>()

  var threads: Int { team.threads }

  /// - Parameters:
  ///   - threads: nil: as many as the process may use.
  ///   - isa: kernels of this instruction set; nil: the best of this CPU.
  init(threads: Int? = nil, isa: ISA? = nil) throws(ClozeError) {
    matrix = try Kernels.choose(isa).float32
    team = try Team(threads: max(1, min(threads ?? defaultThreads(), Team.maxThreads)))
    left = Array(repeating: Room(), count: team.threads)
  }

  /// Runs `body` once for every number below `count`, on all threads where `parallel`.
  func forEach(_ count: Int, parallel: Bool = true, _ body: (Int) -> Void) throws(ClozeError) {
    guard parallel, threads > 1, count > 1 else {
      for i in 0..<max(count, 0) { body(i) }
      return
    }
    try team.forEach(count) { i, _ throws(ClozeError) in body(i) }
  }

  /// c [m, n] = a b with a [m, k] or, turned, [k, m], and b [k, n] or, turned, [n, k].
  func product(
    _ form: ProductForm, _ m: Int, _ n: Int, _ k: Int, _ a: UnsafePointer<Float>,
    _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>
  ) throws(ClozeError) {
    guard m > 0, n > 0 else { return }
    let nr = Int(matrix.nr)
    let panels = (n &+ nr &- 1) / nr
    let columns = try right.reserve(panels &* nr &* max(k, 1))
    var rows = a
    if form == .turnedLeft {
      let copy = try turned.reserve(max(m &* k, 1))
      transpose(a, k, m, to: copy)
      rows = UnsafePointer(copy)
    }
    // Blocks of rows that stay in the second-level cache, packed by whoever takes one.
    let step = max(Int(matrix.mr), min(96, (m &+ threads &- 1) / threads))
    let blocks = (m &+ step &- 1) / step
    // Few rows: the panels of b are shared out instead.
    let slices = blocks >= threads ? 1 : min(panels, threads &* 2)
    let size = matrix.packed_rows_size(step, k)
    let isLarge = Double(m) * Double(n) * Double(k) > 3e6 && threads > 1
    var packed: [UnsafeMutablePointer<UInt8>] = []  // a thread's own
    for thread in 0..<(isLarge ? threads : 1) { packed.append(try left[thread].reserve(size)) }
    func pack(_ panel: Int) {
      let first = panel &* nr
      let count = min(nr, n &- first)
      let target = columns + panel &* nr &* k
      if form == .turnedRight {
        matrix.pack_columns(b + first &* k, k, count, k, target, nil)
        return
      }
      for p in 0..<k {
        let row = target + p &* nr
        row.update(from: b + (p &* n &+ first), count: count)
        for q in count..<nr { row[q] = 0 }
      }
    }
    func multiply(_ item: Int, _ packed: UnsafeMutablePointer<UInt8>) {
      let (block, slice) = item.quotientAndRemainder(dividingBy: slices)
      let first = block &* step
      let count = min(step, m &- first)
      let from = panels &* slice / slices &* nr
      let to = min(panels &* (slice &+ 1) / slices &* nr, n)
      guard from < to else { return }
      let panel = cloze_packed_rows(panels: packed, scale: nil, zero: nil)
      matrix.pack_rows(rows + first &* k, k, nil, count, k, panel)
      matrix.multiply(
        count, to &- from, k, panel,
        cloze_packed_columns(panels: columns + from &* k, scale: nil, sum: nil),
        cloze_epilogue(bias: nil, activation: Activation.identity.kernel), c + (first &* n &+ from), n)
    }
    guard isLarge else {
      for panel in 0..<panels { pack(panel) }
      for item in 0..<(blocks &* slices) { multiply(item, packed[0]) }
      return
    }
    try team.forEach(panels) { panel, _ throws(ClozeError) in pack(panel) }
    try team.forEach(blocks &* slices) { item, thread throws(ClozeError) in multiply(item, packed[thread]) }
  }

  /// to [columns, rows] = x [rows, columns], turned.
  private func transpose(
    _ x: UnsafePointer<Float>, _ rows: Int, _ columns: Int, to: UnsafeMutablePointer<Float>
  ) {
    for i in stride(from: 0, to: rows, by: 16) {
      for j in stride(from: 0, to: columns, by: 16) {
        for column in j..<min(j &+ 16, columns) {
          for row in i..<min(i &+ 16, rows) {
            to[column &* rows &+ row] = x[row &* columns &+ column]
          }
        }
      }
    }
  }
}

/// Which operand of a product lies turned in memory.
enum ProductForm {
  /// a [m, k], b [k, n]
  case plain
  /// a [m, k], b [n, k]
  case turnedRight
  /// a [k, m], b [k, n]
  case turnedLeft
}
