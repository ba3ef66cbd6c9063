internal import CClozeKernels
internal import ClozeIO

/// Runs the layers over one chunk of a ragged batch, on all threads of a session.
///
/// Each thread is a `Worker`; barriers separate the steps. Between two barriers threads take items
/// of work, blocks of rows or one attention head of one sequence, as they finish the one before. A
/// layer takes two steps, because after attention everything is a function of single rows:
///
///     attention          for each sequence and head: context = softmax(q k^T + bias) v
///     rows               for each block: output projection, norm, feed-forward, norm,
///                        and the next layer's queries, keys and values
///
/// A row's result depends on nothing but its sequence, so neither the size of blocks nor the number
/// of threads shows in it.
final class Encoder: @unchecked Sendable {
  let model: Model
  let kernels: Kernels
  let matrix: cloze_matrix_kernels
  let team: Team
  let scratch = Scratch()
  /// Chunks of fewer tokens are computed by columns.
  var columnSplitTokens: Int
  private var job: Job?
  private var work: @Sendable (Int) -> Void = { _ in }

  /// What the workers do in the current run.
  private enum Job {
    case layers(Chunk)
    case dense(
      Weights.Dense, activation: Activation, source: UnsafePointer<Float>, rows: Int,
      target: UnsafeMutablePointer<Float>)

    var rows: Int {
      switch self {
      case .layers(let chunk): chunk.tokens
      case .dense(_, _, _, let rows, _): rows
      }
    }
  }

  init(model: Model, threads: Int) throws(ClozeError) {
    self.model = model
    team = try Team(threads: threads)
    kernels = model.kernels
    matrix = kernels.matrix(model.info.precision)
    columnSplitTokens = Self.columnSplitTokens(model, matrix)
    // Made once, so that a run allocates nothing.
    work = { [unowned self] in self.work($0) }
  }

  /// Runs all layers over a chunk; `scratch.shared.hidden` holds the last hidden states afterwards.
  func encode(_ chunk: Chunk) throws(ClozeError) {
    var longest = 0
    for i in 0..<chunk.sequences { longest = max(longest, chunk.offsets[i + 1] - chunk.offsets[i]) }
    try scratch.reserve(tokens: chunk.tokens, longest: longest, model: model, threads: team.threads)
    guard let shared = scratch.shared else { throw ClozeError(.internal, "no scratch memory") }
    var at = 0
    for i in 0..<chunk.sequences {
      for position in 0..<(chunk.offsets[i + 1] - chunk.offsets[i]) {
        shared.position[at] = Int32(truncatingIfNeeded: position)
        at &+= 1
      }
    }
    try run(.layers(chunk), parallel: true)
    chunk.capture(.layer(model.weights.layers.count), shared.hidden, width: model.info.hiddenSize)
    if chunk.mix != nil { chunk.capture(.mix, shared.mixed, width: model.info.hiddenSize) }
  }

  /// target [rows, outputs] = activation(source [rows, inputs] W + b), for any number of rows.
  func multiply(
    _ dense: Weights.Dense, activation: Activation, source: UnsafePointer<Float>, rows: Int,
    target: UnsafeMutablePointer<Float>
  ) throws(ClozeError) {
    // Waking threads takes as long as some million multiplications.
    let isLarge = Double(rows) * Double(dense.inputs) * Double(dense.outputs) > 4e6
    try run(.dense(dense, activation: activation, source: source, rows: rows, target: target), parallel: isLarge)
  }

  private func run(_ job: Job, parallel: Bool) throws(ClozeError) {
    self.job = job
    defer { self.job = nil }
    try team.run(parallel: parallel, work)
    if team.isStopped { throw ClozeError(.cancelled, "cancelled") }
  }

  private func work(_ thread: Int) {
    guard let job, let shared = scratch.shared, thread < scratch.perThread.count else { return }
    let worker = Worker(self, shared, scratch.perThread[thread], thread: thread, blockRows: blockRows(of: job.rows))
    switch job {
    case .layers(let chunk):
      if team.threads > 1, chunk.tokens < columnSplitTokens {
        worker.encodeByColumns(chunk)
      } else {
        worker.encode(chunk)
      }
    case .dense(let dense, let activation, let source, let rows, let target):
      worker.multiply(dense, activation, source, rows: rows, to: target)
    }
  }

  /// Rows of a block: equally many blocks for each thread, none larger than scratch has room for.
  private func blockRows(of rows: Int) -> Int {
    let perRound = team.threads &* model.blockRows
    let blocks = max((rows &+ perRound &- 1) / perRound &* team.threads, 1)
    return max((rows &+ blocks &- 1) / blocks, 1)
  }
}
