internal import CClozeKernels
internal import ClozeONNX

/// Dense layers and the word table: staged as float32 rows, quantized where the model is int8, and
/// packed, a few panels at a time.
extension WeightBuilder {
  /// Packs matrices that share their input, side by side.
  ///
  /// - Parameter ranges: how large each channel of the input gets. In int8 weights take over part of
  ///   that: with a the range and w the largest weight of a channel, activations are divided by
  ///   k = sqrt(a / w) and weights multiplied (SmoothQuant, Xiao et al. 2023).
  func dense(_ parts: [Linear], ranges: [Float]? = nil) throws(ClozeError) -> Weights.Dense {
    guard let inputs = parts.first?.weight.inputSize, inputs > 0, inputs <= 65536 else {
      throw ClozeError(
        .unsupportedModel,
        "a dense layer has \(parts.first?.weight.inputSize ?? 0) inputs; 1 to 65536 can be had")
    }
    let outputs = parts.reduce(0) { $0 &+ $1.weight.outputSize }
    if takesStored(parts.map(\.weight)) {
      return Weights.Dense(
        inputs: inputs, outputs: outputs,
        columns: try packStored(parts.map(\.weight), outputs: outputs, inputs: inputs),
        bias: try bias(parts.map(\.bias), parts.map(\.weight.outputSize)), inverseSmoothing: nil)
    }
    let staged = try AlignedMemory(bytes: bytes(outputs, inputs, MemoryLayout<Float>.size))
    defer { withExtendedLifetime(staged) {} }
    var row = 0
    for part in parts {
      try stage(part.weight, to: staged.floats() + row &* inputs)
      row &+= part.weight.outputSize
    }
    let smoothing = try self.smoothing(ranges, staged.floats(), outputs, inputs)
    return Weights.Dense(
      inputs: inputs, outputs: outputs,
      columns: try pack(staged.floats(), outputs, inputs, smoothing: smoothing?.forward),
      bias: try bias(parts.map(\.bias), parts.map(\.weight.outputSize)),
      inverseSmoothing: smoothing?.inverse)
  }

  /// The word table: as packed columns where a decoder is tied to it, else as rows.
  func wordTable(_ tensor: Tensor, width: Int, packed: Bool) throws(ClozeError) -> Weights.WordTable
  {
    let count = tensor.count / max(width, 1)
    let table = Matrix(tensor: tensor, layout: .outIn, inputSize: width, outputSize: count)
    if takesStored([table]) {
      if packed {
        let columns = try packStored([table], outputs: count, inputs: width)
        return Weights.WordTable(columns: columns, rows: nil, scale: columns.scale)
      }
      let scale = try memory.floats(count)
      let rows = try memory.allocate(tensor.count)
      try stored(
        [table], outputs: count, inputs: width,
        rows: rows.bindMemory(to: Int8.self, capacity: tensor.count), scales: scale)
      return Weights.WordTable(
        columns: nil, rows: UnsafeRawPointer(rows), scale: UnsafePointer(scale))
    }
    let staged = try AlignedMemory(bytes: bytes(tensor.count, MemoryLayout<Float>.size))
    defer { withExtendedLifetime(staged) {} }
    try copy(tensor, to: UnsafeMutableBufferPointer(start: staged.floats(), count: tensor.count))
    if packed {
      let columns = try pack(staged.floats(), count, width, smoothing: nil)
      return Weights.WordTable(columns: columns, rows: nil, scale: columns.scale)
    }
    guard precision == .int8 else {
      let rows = try memory.floats(tensor.count)
      rows.update(from: staged.floats(), count: tensor.count)
      return Weights.WordTable(columns: nil, rows: UnsafeRawPointer(rows), scale: nil)
    }
    let scale = try memory.floats(count)
    let rows = try memory.allocate(tensor.count)
    _ = kernels.rows.quantize_weights(
      staged.floats(), width, nil, count, width,
      rows.bindMemory(to: Int8.self, capacity: tensor.count),
      width, scale)
    return Weights.WordTable(
      columns: nil, rows: UnsafeRawPointer(rows), scale: UnsafePointer(scale))
  }

  /// The biases of matrices side by side, zeros where there is none and up to whole panels.
  func bias(_ parts: [Tensor?], _ sizes: [Int]) throws(ClozeError) -> UnsafePointer<Float> {
    let count = sizes.reduce(0, &+).roundedUp(to: Int(matrix.nr))
    let target = try memory.floats(count)
    target.update(repeating: 0, count: count)
    var at = 0
    for (part, size) in zip(parts, sizes) {
      if let part {
        guard part.count == size else {
          throw ClozeError(
            .invalidModel,
            "bias \"\(part.name)\" has \(part.count) elements, its layer \(size) outputs")
        }
        try copy(part, to: UnsafeMutableBufferPointer(start: target + at, count: size))
      }
      at &+= size
    }
    return UnsafePointer(target)
  }

  /// Writes a matrix as rows of [outputs, inputs] float32.
  private func stage(_ weight: Matrix, to target: UnsafeMutablePointer<Float>) throws(ClozeError) {
    let (inputs, outputs) = (weight.inputSize, weight.outputSize)
    guard weight.tensor.count == inputs &* outputs else {
      throw ClozeError(
        .invalidModel,
        "\"\(weight.tensor.name)\" has \(weight.tensor.count) elements, "
          + "expected \(inputs) x \(outputs)"
      )
    }
    let all = UnsafeMutableBufferPointer(start: target, count: weight.tensor.count)
    if weight.layout == .outIn { return try copy(weight.tensor, to: all) }
    let other = try AlignedMemory(bytes: bytes(all.count, MemoryLayout<Float>.size))
    defer { withExtendedLifetime(other) {} }
    let source = other.floats()
    try copy(weight.tensor, to: UnsafeMutableBufferPointer(start: source, count: all.count))
    // In squares of 16, so that both sides stay within a few cache lines.
    for i in stride(from: 0, to: inputs, by: 16) {
      for o in stride(from: 0, to: outputs, by: 16) {
        for column in o..<min(o + 16, outputs) {
          for row in i..<min(i + 16, inputs) {
            target[column &* inputs &+ row] = source[row &* outputs &+ column]
          }
        }
      }
    }
  }

  private func smoothing(
    _ ranges: [Float]?, _ rows: UnsafeMutablePointer<Float>, _ outputs: Int, _ inputs: Int
  ) throws(ClozeError) -> (forward: UnsafePointer<Float>, inverse: UnsafePointer<Float>)? {
    guard let ranges, ranges.count == inputs else { return nil }
    let forward = try memory.floats(inputs)
    let inverse = try memory.floats(inputs)
    forward.update(repeating: 0, count: inputs)
    for output in 0..<outputs {
      let row = rows + output &* inputs
      for input in 0..<inputs { forward[input] = max(forward[input], abs(row[input])) }
    }
    for input in 0..<inputs {
      let ratio = (ranges[input] / forward[input]).squareRoot()
      let factor = ratio.isFinite && ratio > 1e-6 && ratio < 1e6 ? ratio : 1
      forward[input] = factor
      inverse[input] = 1 / factor
    }
    return (UnsafePointer(forward), UnsafePointer(inverse))
  }

  func pack(
    _ rows: UnsafeMutablePointer<Float>, _ outputs: Int, _ inputs: Int,
    smoothing: UnsafePointer<Float>?
  ) throws(ClozeError) -> cloze_packed_columns {
    let nr = Int(matrix.nr)
    let whole = outputs.roundedUp(to: nr)
    let size = try bytes(
      whole, inputs.roundedUp(to: Int(matrix.kr)), Int(matrix.column_element_size))
    let panels = try memory.allocate(size)
    guard precision == .int8 else {
      matrix.pack_columns(rows, inputs, outputs, inputs, panels, nil)
      return cloze_packed_columns(panels: panels, scale: nil, sum: nil)
    }
    let scale = try memory.floats(whole)
    let sum = try memory.allocate(whole * MemoryLayout<Int32>.size).bindMemory(
      to: Int32.self, capacity: whole)
    scale.update(repeating: 0, count: whole)
    // 16 panels at a time stay in the second-level cache between quantizing and packing.
    let step = 16 &* nr
    let quantized = try AlignedMemory(bytes: bytes(step, inputs))
    defer { withExtendedLifetime(quantized) {} }
    let q = quantized.base.bindMemory(to: Int8.self, capacity: quantized.size)
    for first in stride(from: 0, to: outputs, by: step) {
      let count = min(step, outputs - first)
      _ = kernels.rows.quantize_weights(
        rows + first &* inputs, inputs, smoothing, count, inputs, q, inputs, scale + first)
      matrix.pack_columns(
        q, inputs, count, inputs, panels + first &* inputs.roundedUp(to: Int(matrix.kr)),
        sum + first)
    }
    return cloze_packed_columns(panels: panels, scale: scale, sum: sum)
  }
}
