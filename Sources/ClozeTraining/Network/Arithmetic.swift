internal import CClozeKernels
internal import CClozeSupport
internal import Cloze
internal import ClozeIO

/// The arithmetic of training: the runtime's kernels on a team of threads.
///
/// What is added up is added in an order that depends on sizes alone: results depend neither on the number of threads
/// nor on the instruction set.
final class Arithmetic: @unchecked Sendable {
  let kernels: Kernels
  private let team: Team
  /// Of each thread.
  private var packedRows: [GrowingBuffer<UInt8>]
  private var threadScratch: [GrowingBuffer<UInt8>]
  private var packedColumns = GrowingBuffer<Float>()
  private var partialSums = GrowingBuffer<Double>()

  var threads: Int { team.threads }

  /// - Parameters:
  ///   - threads: nil: as many as the process may use.
  ///   - isa: kernels of this instruction set; nil: the best of this CPU.
  init(threads: Int? = nil, isa: ISA? = nil) throws(ClozeError) {
    kernels = try Kernels.choose(isa)
    team = try Team(threads: max(1, min(threads ?? defaultThreads(), Team.maxThreads)))
    packedRows = Array(repeating: GrowingBuffer(), count: team.threads)
    threadScratch = packedRows
  }

  /// Runs `body` once for every number below `count`, on all threads where `parallel`.
  func forEach(_ count: Int, parallel: Bool = true, _ body: (Int) -> Void) throws(ClozeError) {
    guard parallel, threads > 1, count > 1 else {
      for i in 0..<max(count, 0) { body(i) }
      return
    }
    try team.forEach(count) { i, _ throws(ClozeError) in body(i) }
  }

  /// The same, with scratch memory of so many bytes for each thread.
  func forEach(_ count: Int, scratch bytes: Int, _ body: (Int, UnsafeMutableRawPointer) -> Void) throws(ClozeError) {
    var scratch: [UnsafeMutablePointer<UInt8>] = []
    for thread in 0..<threads { scratch.append(try threadScratch[thread].reserve(bytes)) }
    try team.forEach(count) { i, thread throws(ClozeError) in body(i, UnsafeMutableRawPointer(scratch[thread])) }
  }

  /// Rows that a thread takes at once.
  static let rowBlock = 64

  /// Runs `body` for blocks of rows, in parallel where there is enough to do.
  func forEachRows(_ rows: Int, width: Int, _ body: (Range<Int>) -> Void) throws(ClozeError) {
    let blocks = (rows &+ Self.rowBlock &- 1) / Self.rowBlock
    try forEach(blocks, parallel: rows &* width > 1 << 15) { block in
      body(block &* Self.rowBlock..<min((block &+ 1) &* Self.rowBlock, rows))
    }
  }

  /// Adds to `sums` [width] what `body` adds to sums of its own, which begin at 0, for each block of rows: block by
  /// block, and so in the same order on any number of threads.
  func addSums<S: TrainingScalar>(
    over rows: Int, width: Int, to sums: UnsafeMutablePointer<S>,
    _ body: (_ rows: Range<Int>, _ sums: UnsafeMutablePointer<S>) -> Void
  ) throws(ClozeError) {
    let blocks = (rows &+ Self.rowBlock &- 1) / Self.rowBlock
    let partial = UnsafeMutableRawPointer(try partialSums.reserve(blocks &* width))
      .bindMemory(to: S.self, capacity: blocks &* width)
    try forEachRows(rows, width: width) { rows in
      let own = partial + rows.lowerBound / Self.rowBlock &* width
      own.update(repeating: 0, count: width)
      body(rows, own)
    }
    for block in 0..<blocks { S.add(partial + block &* width, width, sums, self) }
  }

  // MARK: - Products

  /// What k is divided by: panels of both operands over so many stay in the first two caches.
  private static let depth = 512

  /// See `TrainingScalar.product`. An element is a sum over stretches of k, one after the other, of chains of fused
  /// multiply-adds in the order of k.
  func product(
    _ form: ProductForm, _ m: Int, _ n: Int, _ k: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
    _ c: UnsafeMutablePointer<Float>, bias: UnsafePointer<Float>? = nil, adds: Bool = false
  ) throws(ClozeError) {
    guard m > 0, n > 0 else { return }
    let matrix = kernels.float32
    let (mr, nr) = (Int(matrix.mr), Int(matrix.nr))
    let panels = (n &+ nr &- 1) / nr
    let isLarge = Double(m) * Double(n) * Double(k) > 1e6 && threads > 1
    let workers = isLarge ? threads : 1
    // Blocks of rows that stay in the second-level cache, as many for each thread, packed by whoever takes one.
    var blocks = (m &+ 95) / 96
    blocks = min((blocks &+ workers &- 1) / workers &* workers, (m &+ mr &- 1) / mr)
    let step = ((m &+ blocks &- 1) / blocks &+ mr &- 1) / mr &* mr
    blocks = (m &+ step &- 1) / step
    // Few rows: the panels of b are shared out instead.
    let slices = blocks >= workers ? 1 : min(panels, workers &* 2)
    let deepest = max(min(k, Self.depth), 1)
    let columns = try packedColumns.reserve(panels &* nr &* deepest)
    var packed: [UnsafeMutablePointer<UInt8>] = []
    for thread in 0..<workers {
      packed.append(try packedRows[thread].reserve(matrix.packed_rows_size(step, deepest)))
    }

    for from in stride(from: 0, to: max(k, 1), by: Self.depth) {
      let depth = min(Self.depth, k &- from)
      func pack(_ panel: Int) {
        let first = panel &* nr
        let (target, count) = (columns + first &* depth, min(nr, n &- first))
        if form == .nt {
          matrix.pack_columns(b + (first &* k &+ from), k, count, depth, target, nil)
        } else {
          _ = kernels.rows.pack_float_columns(b + (from &* n &+ first), n, count, depth, target)
        }
      }
      func multiply(_ item: Int, _ packed: UnsafeMutablePointer<UInt8>) {
        let (block, slice) = item.quotientAndRemainder(dividingBy: slices)
        let first = block &* step
        let count = min(step, m &- first)
        let left = panels &* slice / slices &* nr
        let right = min(panels &* (slice &+ 1) / slices &* nr, n)
        guard left < right else { return }
        let rows = cloze_packed_rows(panels: packed, scale: nil, zero: nil)
        if form == .tn {
          kernels.training.pack_transposed_rows(a + (from &* m &+ first), m, count, depth, rows)
        } else {
          matrix.pack_rows(a + (first &* k &+ from), k, nil, count, depth, rows)
        }
        let weights = cloze_packed_columns(panels: columns + left &* depth, scale: nil, sum: nil)
        let target = c + (first &* n &+ left)
        if adds || from > 0 {
          kernels.training.multiply_add(count, right &- left, depth, rows, weights, target, n)
        } else {
          let epilogue = cloze_epilogue(bias: bias.map { $0 + left }, activation: Activation.identity.kernel)
          matrix.multiply(count, right &- left, depth, rows, weights, epilogue, target, n)
        }
      }
      guard isLarge else {
        for panel in 0..<panels { pack(panel) }
        for item in 0..<(blocks &* slices) { multiply(item, packed[0]) }
        continue
      }
      try team.forEach(panels) { panel, _ throws(ClozeError) in pack(panel) }
      try team.forEach(blocks &* slices) { item, thread throws(ClozeError) in multiply(item, packed[thread]) }
    }
  }
}
