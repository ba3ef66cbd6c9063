internal import CClozeKernels
internal import Cloze

/// A product of float32 matrices in pieces that threads share out: for one stretch of k after the other, first all
/// panels of b are packed, then blocks of rows of a, packed by whoever takes one, are multiplied with them. In bfloat16
/// what is packed is rounded, and nothing else differs.
struct MatrixProduct {
  let form: ProductForm
  let m, n, k: Int
  let a, b: UnsafePointer<Float>
  let c: UnsafeMutablePointer<Float>
  let bias: UnsafePointer<Float>?
  let adds: Bool
  let kernels: Kernels
  /// nil: in float32.
  let bfloat16: cloze_bfloat16_kernels?
  let workers: Int
  /// Panels of columns of b.
  let panels: Int
  /// Rows of a block, and how many blocks there are.
  private let blockRows, blocks: Int
  /// Parts of the columns: more than one where there are fewer blocks than workers.
  private let slices: Int

  /// What a tile multiplies at once of k: a panel of a and one of b over so many stay in the first cache.
  private static let depth = 256
  /// The packed columns of so many stay in the last cache.
  private static let stretch = 4 * depth

  init(
    form: ProductForm, m: Int, n: Int, k: Int, a: UnsafePointer<Float>, b: UnsafePointer<Float>,
    c: UnsafeMutablePointer<Float>, bias: UnsafePointer<Float>?, adds: Bool, kernels: Kernels,
    bfloat16: cloze_bfloat16_kernels?, workers: Int
  ) {
    (self.form, self.m, self.n, self.k, self.a, self.b, self.c) = (form, m, n, k, a, b, c)
    (self.bias, self.adds, self.kernels, self.bfloat16, self.workers) = (bias, adds, kernels, bfloat16, workers)
    let (mr, nr) = (Int(kernels.float32.mr), Int(kernels.float32.nr))
    panels = (n &+ nr &- 1) / nr
    // Blocks of up to 96 rows, which stay in the second cache, as many for each worker.
    var blocks = ((m &+ 95) / 96 &+ workers &- 1) / workers &* workers
    blocks = min(blocks, (m &+ mr &- 1) / mr)
    blockRows = ((m &+ blocks &- 1) / blocks &+ mr &- 1) / mr &* mr
    self.blocks = (m &+ blockRows &- 1) / blockRows
    slices = self.blocks >= workers ? 1 : min(panels, workers &* 2)
  }

  var packedColumnsCount: Int { panels &* Int(kernels.float32.nr) &* max(min(k, Self.stretch), 1) }
  /// In bytes, of one worker: what it packs of rows, and before that of columns that are still to be rounded.
  var scratchSize: Int {
    let depth = max(min(k, Self.depth), 1)
    let rows = kernels.float32.packed_rows_size(blockRows, depth)
    return bfloat16 == nil ? rows : max(rows, depth &* Int(kernels.float32.nr) &* MemoryLayout<Float>.stride)
  }
  var items: Int { blocks &* slices }
  /// At least one, as c is written even where k is 0.
  var stretches: [Range<Int>] {
    stride(from: 0, to: max(k, 1), by: Self.stretch).map { $0..<min($0 &+ Self.stretch, k) }
  }

  /// The parts of a stretch that are multiplied at once.
  private func parts(_ stretch: Range<Int>) -> [Range<Int>] {
    stretch.isEmpty
      ? [stretch]
      : stride(from: stretch.lowerBound, to: stretch.upperBound, by: Self.depth).map {
        $0..<min($0 &+ Self.depth, stretch.upperBound)
      }
  }

  /// Steps of a packed panel, of four bytes of each row or column.
  private func steps(_ part: Range<Int>) -> Int {
    let kr = Int(bfloat16?.kr ?? 1)
    return (part.count &+ kr &- 1) / kr
  }

  /// Where the panels of columns from `first` on lie within what is packed of a stretch.
  private func place(_ first: Int, _ part: Range<Int>, _ stretch: Range<Int>) -> Int {
    (part.lowerBound &- stretch.lowerBound) &* panels &* Int(kernels.float32.nr) &+ first &* steps(part)
  }

  /// Packs one panel of columns; `scratch` as in `multiply`.
  func pack(
    _ panel: Int, _ stretch: Range<Int>, _ columns: UnsafeMutablePointer<Float>,
    _ scratch: UnsafeMutablePointer<UInt8>
  ) {
    let nr = Int(kernels.float32.nr)
    let first = panel &* nr
    let count = min(nr, n &- first)
    for part in parts(stretch) {
      let place = columns + place(first, part, stretch)
      let target =
        bfloat16 == nil
        ? place : UnsafeMutableRawPointer(scratch).bindMemory(to: Float.self, capacity: nr &* part.count)
      if form == .nt {
        kernels.float32.pack_columns(b + (first &* k &+ part.lowerBound), k, count, part.count, target, nil)
      } else {
        _ = kernels.rows.pack_float_columns(b + (part.lowerBound &* n &+ first), n, count, part.count, target)
      }
      bfloat16?.round_columns(target, part.count, place)
    }
  }

  /// Multiplies a block of rows with the packed columns, or a part of them.
  ///
  /// - Parameter scratch: `scratchSize` bytes of the calling thread.
  func multiply(
    _ item: Int, _ stretch: Range<Int>, _ columns: UnsafePointer<Float>, _ scratch: UnsafeMutablePointer<UInt8>
  ) {
    let nr = Int(kernels.float32.nr)
    let (block, slice) = item.quotientAndRemainder(dividingBy: slices)
    let first = block &* blockRows
    let count = min(blockRows, m &- first)
    let left = panels &* slice / slices &* nr
    let width = min(panels &* (slice &+ 1) / slices &* nr, n) &- left
    guard width > 0 else { return }
    let rows = cloze_packed_rows(panels: scratch, scale: nil, zero: nil)
    let multiply = bfloat16?.multiply ?? kernels.training.multiply
    for part in parts(stretch) {
      if form == .tn {
        kernels.training.pack_transposed_rows(a + (part.lowerBound &* m &+ first), m, count, part.count, rows)
      } else {
        kernels.float32.pack_rows(a + (first &* k &+ part.lowerBound), k, nil, count, part.count, rows)
      }
      bfloat16?.round_rows(rows, count, part.count)
      let weights = cloze_packed_columns(panels: columns + place(left, part, stretch), scale: nil, sum: nil)
      multiply(
        count, width, part.count, rows, weights, bias.map { $0 + left }, adds || part.lowerBound > 0 ? 1 : 0,
        c + (first &* n &+ left), n)
    }
  }
}
