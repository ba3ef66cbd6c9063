internal import CClozeKernels
package import ClozeIO

/// A head's layers, packed for the float32 kernels. Never changes.
package final class HeadRunner: @unchecked Sendable {
  /// What it was made of.
  package let head: Head
  /// What the state after each layer is multiplied by, where the head reads a mix of them.
  let mix: UnsafePointer<Float>?
  private let kernels: Kernels
  private let memory = WeightMemory()
  private var layers: [(dense: Weights.Dense, activation: Activation, norm: Weights.Norm?)] = []

  package init(_ head: Head, model: Model) throws(ClozeError) {
    try head.check()
    self.head = head
    kernels = model.kernels
    let matrix = kernels.float32
    if let weights = head.mix?.weights {
      let room = try memory.floats(weights.count)
      for (i, weight) in weights.enumerated() { room[i] = weight }
      mix = UnsafePointer(room)
    } else {
      mix = nil
    }
    // A masked language model is packed among the model's own weights.
    for layer in head.layers where head.task != .mlm {
      let panels = try memory.allocate(
        bytes(layer.outputs.roundedUp(to: Int(matrix.nr)), layer.inputs, MemoryLayout<Float>.size))
      layer.weight.withUnsafeBufferPointer { rows in
        guard let base = rows.baseAddress else { return }
        matrix.pack_columns(base, layer.inputs, layer.outputs, layer.inputs, panels, nil)
      }
      let dense = Weights.Dense(
        inputs: layer.inputs, outputs: layer.outputs,
        columns: cloze_packed_columns(panels: panels, scale: nil, sum: nil),
        bias: try copy(layer.bias, roundedUp: Int(matrix.nr)), inverseSmoothing: nil)
      var norm: Weights.Norm?
      if let source = layer.norm {
        norm = Weights.Norm(
          gamma: try copy(source.gamma), beta: try copy(source.beta), epsilon: source.epsilon)
      }
      layers.append((dense, layer.activation, norm))
    }
  }

  private func copy(_ values: [Float], roundedUp step: Int = 1) throws(ClozeError)
    -> UnsafePointer<Float>
  {
    let target = try memory.floats(values.count.roundedUp(to: step))
    target.update(repeating: 0, count: values.count.roundedUp(to: step))
    for (i, value) in values.enumerated() { target[i] = value }
    return UnsafePointer(target)
  }

  /// logits [count, outputs] of rows [count, inputs]. A row's do not depend on the others.
  package func run(
    _ rows: UnsafePointer<Float>, _ count: Int, to logits: UnsafeMutablePointer<Float>
  ) throws(ClozeError) {
    let saved = cloze_float_environment_enter()
    defer { cloze_float_environment_restore(saved) }
    let matrix = kernels.float32
    let step = 64
    let widest = layers.reduce(0) { max($0, $1.dense.outputs, $1.dense.inputs) }
    let packed = try AlignedMemory(bytes: matrix.packed_rows_size(step, widest))
    let states = try AlignedMemory(bytes: bytes(2 * step, widest, MemoryLayout<Float>.size))
    defer { withExtendedLifetime((packed, states)) {} }
    let panels = cloze_packed_rows(panels: packed.base, scale: nil, zero: nil)
    for first in stride(from: 0, to: count, by: step) {
      let rowCount = min(step, count - first)
      var source = rows + first * head.inputs
      for (i, layer) in layers.enumerated() {
        let isLast = i == layers.count - 1 && layer.norm == nil
        let target =
          isLast
          ? logits + first * head.outputs : states.floats() + (i % 2) * step * widest
        matrix.pack_rows(source, layer.dense.inputs, nil, rowCount, layer.dense.inputs, panels)
        matrix.multiply(
          rowCount, layer.dense.outputs, layer.dense.inputs, panels, layer.dense.columns,
          cloze_epilogue(bias: layer.dense.bias, activation: layer.activation.kernel), target,
          layer.dense.outputs)
        if let norm = layer.norm {
          let width = layer.dense.outputs
          let normed =
            i == layers.count - 1 ? logits + first * head.outputs : target
          kernels.rows.layernorm(
            target, width, nil, 0, norm.gamma, norm.beta, norm.epsilon, rowCount, width, normed,
            width)
        }
        source = UnsafePointer(target)
      }
    }
  }
}
