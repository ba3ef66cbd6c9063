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
  /// Of products.
  let precision: TrainingPrecision
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
  ///   - precision: of products.
  init(threads: Int? = nil, isa: ISA? = nil, precision: TrainingPrecision = .float32) throws(ClozeError) {
    kernels = try Kernels.choose(isa)
    self.precision = precision
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

  /// Whether the CPU has instructions for the products of this precision.
  var isNative: Bool { precision == .float32 || kernels.bfloat16.kr > 1 }

  /// See `TrainingScalar.product`. An element is a sum over stretches of k, one after the other, of chains of fused
  /// multiply-adds in the order of k.
  func product(
    _ form: ProductForm, _ m: Int, _ n: Int, _ k: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
    _ c: UnsafeMutablePointer<Float>, bias: UnsafePointer<Float>? = nil, adds: Bool = false
  ) throws(ClozeError) {
    guard m > 0, n > 0 else { return }
    let isLarge = Double(m) * Double(n) * Double(k) > 1e6 && threads > 1
    let product = MatrixProduct(
      form: form, m: m, n: n, k: k, a: a, b: b, c: c, bias: bias, adds: adds, kernels: kernels,
      bfloat16: precision == .bfloat16 ? kernels.bfloat16 : nil, workers: isLarge ? threads : 1)
    let columns = try packedColumns.reserve(product.packedColumnsCount)
    var rows: [UnsafeMutablePointer<UInt8>] = []
    for thread in 0..<product.workers { rows.append(try packedRows[thread].reserve(product.scratchSize)) }
    for stretch in product.stretches {
      guard isLarge else {
        for panel in 0..<product.panels { product.pack(panel, stretch, columns, rows[0]) }
        for item in 0..<product.items { product.multiply(item, stretch, columns, rows[0]) }
        continue
      }
      try team.forEach(product.panels) { panel, thread throws(ClozeError) in
        product.pack(panel, stretch, columns, rows[thread])
      }
      try team.forEach(product.items) { item, thread throws(ClozeError) in
        product.multiply(item, stretch, columns, rows[thread])
      }
    }
  }
}
