internal import CClozeKernels
internal import CClozeSupport

/// A few rows on several threads: each thread computes some columns of every product.
///
/// With few rows a run waits for weights, not for arithmetic; shared out by rows, every thread would
/// read all of them. By columns each weight is read once, always by the same thread, whose cache
/// keeps it where it fits. The price are three more barriers a layer, and that every thread
/// normalizes and packs all rows for itself.
extension Encoder {
  /// Chunks of fewer tokens are computed by columns: those that fill no panel of rows, and, where
  /// the layers are too large for any cache, those that wait for memory.
  static func narrowTokens(_ model: Model, _ matrix: cloze_matrix_kernels) -> Int {
    var bytes = 0
    for layer in model.weights.layers {
      for dense in [layer.queryKeyValue, layer.attentionOutput, layer.intermediate, layer.output] {
        bytes &+= dense.inputs &* dense.outputs &* Int(matrix.column_element_size)
      }
    }
    let cached = 32 << 20
    return min(Int(max(bytes > cached ? matrix.memory_bound_rows : 0, matrix.mr)), model.blockRows)
  }

  func narrow(_ chunk: Chunk, _ shared: Scratch.Shared, _ own: Scratch.Own, _ thread: Int) {
    let tokens = chunk.tokens
    let width = model.info.hiddenSize
    // Every thread has the whole state; products meet in shared memory.
    let state = own.block
    let product = shared.headOutput
    let intermediate = scratch.own[0].intermediate
    embed(chunk, 0, tokens, shared, own, to: state)
    if thread == 0 { mix(0, chunk, state, tokens, to: shared.mixed) }
    for (index, layer) in model.weights.layers.enumerated() {
      share(layer.queryKeyValue, .identity, state, tokens, shared.queryKeyValue, own, thread)
      if cloze_team_barrier(team) != 0 { return }
      if thread == 0, chunk.captures.count > 0 {
        shared.hidden.update(from: state, count: tokens &* width)
        capture(index, chunk, shared)
      }
      attend(layer, chunk, shared, own)
      if cloze_team_barrier(team) != 0 { return }
      share(layer.attentionOutput, .identity, shared.context, tokens, product, own, thread)
      if cloze_team_barrier(team) != 0 { return }
      normalize(product, plus: state, layer.attentionNorm, tokens, to: state)
      share(layer.intermediate, layer.activation, state, tokens, intermediate, own, thread)
      if cloze_team_barrier(team) != 0 { return }
      share(layer.output, .identity, intermediate, tokens, product, own, thread)
      if cloze_team_barrier(team) != 0 { return }
      normalize(product, plus: state, layer.outputNorm, tokens, to: state)
      if thread == 0 { mix(index &+ 1, chunk, state, tokens, to: shared.mixed) }
    }
    if thread == 0 { shared.hidden.update(from: state, count: tokens &* width) }
  }

  /// This thread's columns of target [rows, outputs] = activation(source [rows, inputs] W + b).
  private func share(
    _ dense: Weights.Dense, _ activation: Activation, _ source: UnsafePointer<Float>, _ rows: Int,
    _ target: UnsafeMutablePointer<Float>, _ own: Scratch.Own, _ thread: Int
  ) {
    let panel = Int(matrix.nr)
    let panels = (dense.outputs &+ panel &- 1) / panel
    let first = panels &* thread / threads &* panel
    let last = min(panels &* (thread &+ 1) / threads &* panel, dense.outputs)
    if first >= last { return }
    apply(
      dense.columns(first, last &- first, matrix), activation, source, rows, target + first,
      dense.outputs, own)
  }
}
