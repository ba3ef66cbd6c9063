internal import CClozeKernels
internal import ClozeIO

/// One thread of an encoder during one run.
struct Worker {
  let model: Model
  let kernels: Kernels
  let matrix: cloze_matrix_kernels
  let team: Team
  let thread: Int
  let shared: Scratch.Shared
  let perThread: Scratch.PerThread
  /// Where all threads put the intermediate states of a chunk that is computed by columns.
  let firstIntermediate: UnsafeMutablePointer<Float>
  /// Rows of a block.
  let blockRows: Int

  /// D
  var width: Int { model.info.hiddenSize }

  init(_ encoder: Encoder, _ shared: Scratch.Shared, _ perThread: Scratch.PerThread, thread: Int, blockRows: Int) {
    model = encoder.model
    kernels = encoder.kernels
    matrix = encoder.matrix
    team = encoder.team
    self.thread = thread
    self.shared = shared
    self.perThread = perThread
    firstIntermediate = encoder.scratch.perThread[0].intermediate
    self.blockRows = blockRows
  }

  /// This thread's part of all layers, by blocks of rows.
  func encode(_ chunk: Chunk) {
    let tokens = chunk.tokens
    let width = width
    let layers = model.weights.layers
    guard let first = layers.first else { return }
    blocks(of: tokens) { at, count, _ in
      embed(chunk, at, count, to: shared.hidden + at &* width)
      mix(0, chunk, shared.hidden + at &* width, count, to: shared.mixed + at &* width)
      projectQueryKeyValue(first, at, count)
    }
    for (index, layer) in layers.enumerated() {
      if team.barrier() { return }
      // No one writes the hidden states until the next barrier.
      if thread == 0 { chunk.capture(.layer(index), shared.hidden, width: width) }
      attend(layer, chunk)
      if team.barrier() { return }
      blocks(of: tokens) { at, count, _ in
        rows(layer, at, count)
        mix(index &+ 1, chunk, shared.hidden + at &* width, count, to: shared.mixed + at &* width)
        if index &+ 1 < layers.count { projectQueryKeyValue(layers[index &+ 1], at, count) }
      }
    }
  }

  /// This thread's part of target [rows, outputs] = activation(source [rows, inputs] W + b).
  func multiply(
    _ dense: Weights.Dense, _ activation: Activation, _ source: UnsafePointer<Float>, rows: Int,
    to target: UnsafeMutablePointer<Float>
  ) {
    // A few rows are not enough for all threads: the columns are divided too.
    let slice = max(dense.outputs / (4 &* team.threads), 1).roundedUp(to: Int(matrix.nr))
    let slices = (dense.outputs &+ slice &- 1) / slice
    blocks(of: rows, times: slices) { first, count, part in
      let from = part &* slice
      apply(
        dense.columns(from, min(slice, dense.outputs &- from), kernels), activation, source + first &* dense.inputs,
        rows: count, to: target + (first &* dense.outputs &+ from), stride: dense.outputs)
    }
  }

  /// Takes blocks of rows, each `times` over, until none is left.
  private func blocks(of rows: Int, times: Int = 1, _ body: (_ first: Int, _ count: Int, _ part: Int) -> Void) {
    while !team.isStopped {
      let (block, part) = team.next().quotientAndRemainder(dividingBy: times)
      let first = block &* blockRows
      if first >= rows { return }
      body(first, min(blockRows, rows &- first), part)
    }
  }
}
