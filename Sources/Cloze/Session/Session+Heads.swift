internal import CClozeKernels
internal import ClozeIO

/// Running heads over rows of hidden states; within `exclusively`.
extension Session {
  /// results [count, head.outputs] = head(rows [count, D]).
  ///
  /// - Parameter rows: may be `headInput` of the scratch memory, not `headOutput`, and is overwritten
  ///   there.
  func apply(_ head: PackedHead, _ rows: UnsafePointer<Float>, _ count: Int, to results: UnsafeMutablePointer<Float>)
    throws(ClozeError)
  {
    guard let inputs = head.layers.first?.dense.inputs, let shared = encoder.scratch.shared else {
      throw ClozeError(.internal, "a head without layers, or no scratch memory")
    }
    // What is between layers alternates between two buffers.
    var step = count
    var states = (shared.headOutput, shared.headInput)
    if head.arithmetic == .float32 {
      let scratch = try scratch(of: head)
      step = HeadScratch.rows
      states = (scratch.first, scratch.second)
    }
    for first in stride(from: 0, to: count, by: max(step, 1)) {
      let block = min(step, count - first)
      var source = rows + first * inputs
      for (i, layer) in head.layers.enumerated() {
        let isLast = i == head.layers.count - 1
        let target = isLast ? results + first * head.outputs : i % 2 == 0 ? states.0 : states.1
        try multiply(layer, head.arithmetic, source, block, to: target)
        if let norm = layer.norm {
          let width = layer.dense.outputs
          model.kernels.rows.layernorm(
            target, width, nil, 0, norm.gamma, norm.beta, norm.epsilon, block, width, target, width)
        }
        source = UnsafePointer(target)
      }
    }
  }

  /// target [rows, outputs] = activation(source [rows, inputs] W + b)
  private func multiply(
    _ layer: PackedHead.Layer, _ arithmetic: PackedHead.Arithmetic, _ source: UnsafePointer<Float>, _ rows: Int,
    to target: UnsafeMutablePointer<Float>
  ) throws(ClozeError) {
    let dense = layer.dense
    switch arithmetic {
    case .model: try encoder.multiply(dense, activation: layer.activation, source: source, rows: rows, target: target)
    case .float32:
      guard let panels = headScratch?.panels else { return }
      let matrix = model.kernels.float32
      matrix.pack_rows(source, dense.inputs, nil, rows, dense.inputs, panels)
      matrix.multiply(
        rows, dense.outputs, dense.inputs, panels, dense.columns,
        cloze_epilogue(bias: dense.bias, activation: layer.activation.kernel), target, dense.outputs)
    }
  }

  private func scratch(of head: PackedHead) throws(ClozeError) -> HeadScratch {
    let width = head.layers.reduce(0) { max($0, $1.dense.inputs, $1.dense.outputs) }
    if let headScratch, headScratch.width >= width { return headScratch }
    headScratch = nil
    let scratch = try HeadScratch(width: width, model.kernels.float32)
    headScratch = scratch
    return scratch
  }
}

/// The memory of heads that one thread computes in float32.
final class HeadScratch {
  /// Rows that go through a head together.
  static let rows = 64

  /// Elements of the widest row.
  let width: Int
  /// [rows, width], packed
  let panels: cloze_packed_rows
  /// [rows, width]
  var first: UnsafeMutablePointer<Float> { states.floats() }
  /// [rows, width]
  var second: UnsafeMutablePointer<Float> { states.floats() + Self.rows * width }
  private let packed: AlignedMemory
  private let states: AlignedMemory

  init(width: Int, _ matrix: cloze_matrix_kernels) throws(ClozeError) {
    self.width = width
    packed = try AlignedMemory(bytes: matrix.packed_rows_size(Self.rows, width))
    states = try AlignedMemory(bytes: bytes(2 * Self.rows, width, MemoryLayout<Float>.size))
    panels = cloze_packed_rows(panels: packed.base, scale: nil, zero: nil)
  }
}
