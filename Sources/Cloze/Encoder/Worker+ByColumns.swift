internal import CClozeKernels
internal import ClozeIO

/// A few rows on several threads: each thread computes some columns of every product.
///
/// With few rows a run is bound by reading weights; divided by rows, every thread would read all of
/// them. By columns each weight is read once, always by the same thread, whose cache keeps it where
/// it fits. The cost is three more barriers a layer, and that every thread normalizes and packs all
/// rows for itself.
extension Worker {
  func encodeByColumns(_ chunk: Chunk) {
    let tokens = chunk.tokens
    let width = width
    // Every thread has the whole state; products meet in shared memory.
    let state = perThread.block
    let product = shared.headOutput
    embed(chunk, 0, tokens, to: state)
    if thread == 0 { mix(0, chunk, state, tokens, to: shared.mixed) }
    for (index, layer) in model.weights.layers.enumerated() {
      multiplyColumns(layer.queryKeyValue, .identity, state, tokens, to: shared.queryKeyValue)
      if team.barrier() { return }
      if thread == 0, chunk.captures.count > 0 { chunk.capture(.layer(index), state, width: width) }
      attend(layer, chunk)
      if team.barrier() { return }
      multiplyColumns(layer.attentionOutput, .identity, shared.context, tokens, to: product)
      if team.barrier() { return }
      normalize(product, plus: state, layer.attentionNorm, tokens, to: state)
      multiplyColumns(layer.intermediate, layer.activation, state, tokens, to: firstIntermediate)
      if team.barrier() { return }
      multiplyColumns(layer.output, .identity, firstIntermediate, tokens, to: product)
      if team.barrier() { return }
      normalize(product, plus: state, layer.outputNorm, tokens, to: state)
      if thread == 0 { mix(index &+ 1, chunk, state, tokens, to: shared.mixed) }
    }
    if thread == 0 { shared.hidden.update(from: state, count: tokens &* width) }
  }

  /// This thread's columns of target [rows, outputs] = activation(source [rows, inputs] W + b).
  private func multiplyColumns(
    _ dense: Weights.Dense, _ activation: Activation, _ source: UnsafePointer<Float>, _ rows: Int,
    to target: UnsafeMutablePointer<Float>
  ) {
    let panel = Int(matrix.nr)
    let panels = (dense.outputs &+ panel &- 1) / panel
    let first = panels &* thread / team.threads &* panel
    let last = min(panels &* (thread &+ 1) / team.threads &* panel, dense.outputs)
    if first >= last { return }
    apply(
      dense.columns(first, last &- first, kernels), activation, source, rows: rows, to: target + first,
      stride: dense.outputs)
  }
}

extension Encoder {
  /// Chunks of fewer tokens are computed by columns: those that fill no panel of rows, and, where
  /// the layers are too large for any cache, those that are bound by memory.
  static func columnSplitTokens(_ model: Model, _ matrix: cloze_matrix_kernels) -> Int {
    var bytes = 0
    for layer in model.weights.layers {
      for dense in [layer.queryKeyValue, layer.attentionOutput, layer.intermediate, layer.output] {
        bytes &+= dense.inputs &* dense.outputs &* Int(matrix.column_element_size)
      }
    }
    let cached = 32 << 20
    return min(Int(max(bytes > cached ? matrix.memory_bound_rows : 0, matrix.mr)), model.blockRows)
  }
}
