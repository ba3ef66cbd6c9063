internal import CClozeKernels
internal import CClozeSupport
internal import ClozeIO

/// Runs the layers over one chunk of a ragged batch, on all threads of a session.
///
/// Each thread executes `work`; barriers separate the steps. Between two barriers threads take
/// pieces of work, blocks of rows or a head of a sequence, as they get done with the one before. A
/// layer takes two steps, because after attention everything is a function of single rows:
///
///     attention          for each sequence and head: context = softmax(q k^T) v
///     rows               for each block: output projection, norm, feed-forward, norm,
///                        and the next layer's queries, keys and values
///
/// A row's result depends on nothing but its sequence, so neither the size of blocks nor the number
/// of threads shows in it.
final class Encoder {
  let model: Model
  let kernels: Kernels
  let matrix: cloze_matrix_kernels
  let team: OpaquePointer
  let threads: Int
  var narrowTokens: Int
  let scratch = Scratch()
  /// A chunk: its tokens, and where its sequences begin.
  struct Chunk {
    var ids: UnsafePointer<Int32>
    /// nil: all 0
    var typeIDs: UnsafePointer<Int32>?
    /// [sequences + 1] as in the whole batch; the chunk's first token is offsets[0]
    var offsets: UnsafePointer<Int>
    var sequences: Int
    var tokens: Int { offsets[sequences] - offsets[0] }
    /// States between layers that are wanted.
    var captures: UnsafeBufferPointer<Capture>
    /// What `Capture.order` leads into: indices into its positions.
    var order: UnsafeBufferPointer<Int>
    /// What the state after each layer is multiplied by in the mix of them; nil: none is wanted.
    var mix: UnsafePointer<Float>?
  }

  /// The layer of a `Capture` of the mix.
  static let mixed = -1

  /// Copies the state after `layer` layers (0: the embeddings) out of the run.
  struct Capture {
    var layer: Int
    /// Where the batch's row 0 goes, and how many floats lie between rows.
    var target: UnsafeMutablePointer<Float>
    var stride: Int
    /// Only these tokens of the batch, in this order; nil: all.
    var positions: UnsafePointer<Int64>?
    /// The part of the chunk's `order` that tells which of these lie in the chunk.
    var order: Range<Int>
  }

  /// What the threads are to do in the current run.
  private enum Job {
    case layers(Chunk)
    case dense(
      Weights.Dense, activation: Activation, source: UnsafePointer<Float>, rows: Int,
      target: UnsafeMutablePointer<Float>)
  }

  private var job: Job?
  /// Rows of a block of the current chunk.
  private var step = 0

  init(model: Model, threads: Int) throws(ClozeError) {
    guard let team = cloze_team_create(Int32(threads)) else {
      throw ClozeError(.outOfMemory, "no memory for \(threads) threads")
    }
    self.model = model
    self.threads = threads
    self.team = team
    kernels = model.kernels
    matrix = kernels.matrix(model.info.precision)
    narrowTokens = Self.narrowTokens(model, matrix)
  }

  deinit { cloze_team_free(team) }

  /// Runs all layers over a chunk; `hidden` holds the last state afterwards.
  func encode(_ chunk: Chunk) throws(ClozeError) {
    var longest = 0
    for i in 0..<chunk.sequences { longest = max(longest, chunk.offsets[i + 1] - chunk.offsets[i]) }
    try scratch.reserve(tokens: chunk.tokens, longest: longest, model: model, threads: threads)
    guard let shared = scratch.shared else { throw ClozeError(.internal, "no scratch memory") }
    var at = 0
    for i in 0..<chunk.sequences {
      for place in 0..<(chunk.offsets[i + 1] - chunk.offsets[i]) {
        shared.position[at] = Int32(truncatingIfNeeded: place)
        at &+= 1
      }
    }
    try run(.layers(chunk), rows: chunk.tokens, together: true)
    capture(model.weights.layers.count, chunk, shared)
    if chunk.mix != nil { capture(Self.mixed, chunk, shared) }
  }

  /// target [rows, outputs] = activation(source [rows, inputs] W + b), for any number of rows.
  func multiply(
    _ dense: Weights.Dense, activation: Activation, source: UnsafePointer<Float>, rows: Int,
    target: UnsafeMutablePointer<Float>
  ) throws(ClozeError) {
    // Waking threads takes as long as some million multiplications.
    let isLarge = Double(rows) * Double(dense.inputs) * Double(dense.outputs) > 4e6
    try run(
      .dense(dense, activation: activation, source: source, rows: rows, target: target), rows: rows,
      together: isLarge)
  }

  private func run(_ job: Job, rows: Int, together: Bool) throws(ClozeError) {
    self.job = job
    step = blockRows(of: rows)
    defer { self.job = nil }
    let error = cloze_team_run(
      team, together ? 1 : 0,
      { context, thread in
        guard let context else { return }
        Unmanaged<Encoder>.fromOpaque(context).takeUnretainedValue().work(Int(thread))
      }, Unmanaged.passUnretained(self).toOpaque())
    guard error == 0 else {
      throw ClozeError(
        .outOfMemory, "\(threads) threads could not be started: \(systemError(error))")
    }
    guard cloze_team_stopped(team) == 0 else { throw ClozeError(.cancelled, "cancelled") }
  }

  /// Rows of a block: as many blocks for each thread, none larger than what scratch holds.
  private func blockRows(of rows: Int) -> Int {
    let blocks = max(
      (rows &+ threads &* model.blockRows &- 1) / (threads &* model.blockRows) &* threads, 1)
    return max((rows &+ blocks &- 1) / blocks, 1)
  }

  private func work(_ thread: Int) {
    let saved = cloze_float_environment_enter()
    defer { cloze_float_environment_restore(saved) }
    guard let job, let shared = scratch.shared, thread < scratch.own.count else { return }
    let own = scratch.own[thread]
    switch job {
    case .layers(let chunk):
      if threads > 1, chunk.tokens < narrowTokens {
        narrow(chunk, shared, own, thread)
      } else {
        layers(chunk, shared, own, thread)
      }
    case .dense(let dense, let activation, let source, let rows, let target):
      // A few rows are not enough for all threads: the columns are shared out too.
      let slice = max(dense.outputs / (4 &* threads), 1).roundedUp(to: Int(matrix.nr))
      let slices = (dense.outputs &+ slice &- 1) / slice
      blocks(of: rows, times: slices) { first, count, part in
        let from = part &* slice
        apply(
          dense.columns(from, min(slice, dense.outputs &- from), matrix), activation,
          source + first &* dense.inputs, count, target + (first &* dense.outputs &+ from),
          dense.outputs, own)
      }
    }
  }

  private func layers(_ chunk: Chunk, _ shared: Scratch.Shared, _ own: Scratch.Own, _ thread: Int) {
    let tokens = chunk.tokens
    let width = model.info.hiddenSize
    let layers = model.weights.layers
    guard let first = layers.first else { return }
    blocks(of: tokens) { at, count, _ in
      embed(chunk, at, count, shared, own, to: shared.hidden + at &* width)
      mix(0, chunk, shared.hidden + at &* width, count, to: shared.mixed + at &* width)
      apply(
        first.queryKeyValue, .identity, shared.hidden + at &* width, count,
        shared.queryKeyValue + at &* (3 &* width),
        3 &* width, own)
    }
    for (index, layer) in layers.enumerated() {
      if cloze_team_barrier(team) != 0 { return }
      // No one writes the hidden state until the next barrier.
      if thread == 0 { capture(index, chunk, shared) }
      attend(layer, chunk, shared, own)
      if cloze_team_barrier(team) != 0 { return }
      let next = index &+ 1 < layers.count ? layers[index &+ 1].queryKeyValue : nil
      blocks(of: tokens) { at, count, _ in
        rows(layer, at, count, shared, own)
        mix(index &+ 1, chunk, shared.hidden + at &* width, count, to: shared.mixed + at &* width)
        if let next {
          apply(
            next, .identity, shared.hidden + at &* width, count, shared.queryKeyValue + at &* (3 &* width),
            3 &* width, own)
        }
      }
    }
  }

  /// Hands out blocks of rows, each `times` over, until there are no more.
  private func blocks(
    of rows: Int, times: Int = 1, _ body: (_ first: Int, _ count: Int, _ part: Int) -> Void
  ) {
    while cloze_team_stopped(team) == 0 {
      let (block, part) = cloze_team_next(team).quotientAndRemainder(dividingBy: times)
      let first = block &* step
      if first >= rows { return }
      body(first, min(step, rows &- first), part)
    }
  }
}
