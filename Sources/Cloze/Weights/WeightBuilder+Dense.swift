internal import CClozeKernels
internal import CClozeSupport
internal import ClozeIO
internal import ClozeONNX

/// Dense layers and the word table: read from the file, quantized in int8, and packed, in strips that are
/// distributed over the threads.
extension WeightBuilder {
  /// One dense layer of linear layers with the same input, their outputs side by side.
  ///
  /// - Parameter ranges: [inputs] the largest magnitude of each input channel, for SmoothQuant (Xiao et al.
  ///   2023): with a the range and w the largest weight of a channel, activations are divided by
  ///   k = sqrt(a / w) and weights multiplied by it. nil: no smoothing.
  func dense(_ parts: [Linear], ranges: [Float]? = nil) throws(ClozeError) -> Weights.Dense {
    guard let inputs = parts.first?.weight.inputSize, inputs > 0, inputs <= 65536 else {
      throw ClozeError(
        .unsupportedModel, "a dense layer has \(parts.first?.weight.inputSize ?? 0) inputs; 1 to 65536 are supported")
    }
    let outputs = parts.reduce(0) { $0 &+ $1.weight.outputSize }
    if takesStored(parts.map(\.weight)) {
      return Weights.Dense(
        inputs: inputs, outputs: outputs,
        columns: try packStored(parts.map(\.weight), outputs: outputs, inputs: inputs),
        bias: try bias(parts.map(\.bias), parts.map(\.weight.outputSize)),
        inverseSmoothing: try storedFactors(parts[0].weight))
    }
    let sources = try sources(parts.map(\.weight), inputs: inputs, outputs: outputs, smoothed: ranges != nil)
    let smoothing = try self.smoothing(ranges, sources, inputs)
    return Weights.Dense(
      inputs: inputs, outputs: outputs, columns: try pack(sources, outputs, inputs, smoothing: smoothing?.forward),
      bias: try bias(parts.map(\.bias), parts.map(\.weight.outputSize)), inverseSmoothing: smoothing?.inverse)
  }

  /// The word table: as packed columns where a decoder is tied to it, else as rows.
  func wordTable(_ tensor: Tensor, width: Int, packed: Bool) throws(ClozeError) -> Weights.WordTable {
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
        [table], outputs: count, inputs: width, rows: rows.bindMemory(to: Int8.self, capacity: tensor.count),
        scales: scale)
      return Weights.WordTable(columns: nil, rows: UnsafeRawPointer(rows), scale: UnsafePointer(scale))
    }
    let source = try WeightSource(table, staged: nil)
    if packed {
      let columns = try pack([source], count, width, smoothing: nil)
      return Weights.WordTable(columns: columns, rows: nil, scale: columns.scale)
    }
    guard precision == .int8 else {
      return Weights.WordTable(columns: nil, rows: UnsafeRawPointer(try floats(tensor)), scale: nil)
    }
    let scale = try memory.floats(count)
    let rows = try memory.allocate(tensor.count).bindMemory(to: Int8.self, capacity: tensor.count)
    let step = 64
    try team.forEach((count &+ step &- 1) / step) { i, _ throws(ClozeError) in
      let first = i &* step
      let rowCount = min(step, count &- first)
      try source.withRows(first, rowCount) { values throws(ClozeError) in
        let bad = kernels.rows.quantize_weights(
          values, width, nil, rowCount, width, rows + first &* width, width, scale + first)
        if bad != 0 { throw try source.notFinite() }
      }
    }
    return Weights.WordTable(columns: nil, rows: UnsafeRawPointer(rows), scale: UnsafePointer(scale))
  }

  /// Biases side by side, padded with zeros to whole panels; a missing bias is zeros.
  func bias(_ parts: [Tensor?], _ sizes: [Int]) throws(ClozeError) -> UnsafePointer<Float> {
    let count = sizes.reduce(0, &+).roundedUp(to: Int(matrix.nr))
    let target = try memory.floats(count)
    target.update(repeating: 0, count: count)
    var at = 0
    for (part, size) in zip(parts, sizes) {
      if let part {
        guard part.count == size else {
          throw ClozeError(
            .invalidModel, "bias \"\(part.name)\" has \(part.count) elements, its layer has \(size) outputs")
        }
        try part.copyFinite(to: UnsafeMutableBufferPointer(start: target + at, count: size))
      }
      at &+= size
    }
    return UnsafePointer(target)
  }

  /// The sources of matrices side by side; joined to one where a panel would hold columns of two of them.
  private func sources(_ parts: [Matrix], inputs: Int, outputs: Int, smoothed: Bool) throws(ClozeError)
    -> [WeightSource]
  {
    let joined = !parts.dropLast().allSatisfy { $0.outputSize % Int(matrix.nr) == 0 }
    // Rows of outputs are read as they are packed; everything else is read in advance.
    func isStaged(_ part: Matrix) -> Bool { part.isFloat32 && (part.layout == .inOut || smoothed || joined) }
    var staged = try readBuffer.read(parts.filter(isStaged).map(\.tensor), team: team)[...]
    var sources: [WeightSource] = []
    for part in parts { sources.append(try WeightSource(part, staged: isStaged(part) ? staged.popFirst() : nil)) }
    for source in sources where source.inputs != inputs {
      throw ClozeError(.invalidModel, "\"\(source.name)\" has \(source.inputs) inputs, expected \(inputs)")
    }
    return joined ? [try WeightSource(joining: sources, inputs: inputs, outputs: outputs)] : sources
  }

  /// [inputs] the factors k of `dense(_:ranges:)`, and their reciprocals.
  private func smoothing(_ ranges: [Float]?, _ sources: [WeightSource], _ inputs: Int) throws(ClozeError) -> (
    forward: UnsafePointer<Float>, inverse: UnsafePointer<Float>
  )? {
    guard let ranges, ranges.count == inputs else { return nil }
    let forward = try memory.floats(inputs)
    let inverse = try memory.floats(inputs)
    forward.update(repeating: 0, count: inputs)
    let step = 64
    try team.forEach((inputs &+ step &- 1) / step) { i, _ throws(ClozeError) in
      let first = i &* step
      for source in sources {
        guard let base = source.base else { continue }
        let byRow = source.layout == .inOut
        kernels.rows.channel_ranges(
          base + first &* (byRow ? source.stride : 1), source.stride, source.outputs, min(step, inputs &- first),
          byRow ? 1 : 0, forward + first)
      }
    }
    for input in 0..<inputs {
      let ratio = (ranges[input] / forward[input]).squareRoot()
      let factor = ratio.isFinite && ratio > 1e-6 && ratio < 1e6 ? ratio : 1
      forward[input] = factor
      inverse[input] = 1 / factor
    }
    return (UnsafePointer(forward), UnsafePointer(inverse))
  }

  /// Packs matrices side by side, in strips of columns of one matrix each, which the threads take in turn
  /// and which stay in the second-level cache while they are quantized.
  func pack(_ sources: [WeightSource], _ outputs: Int, _ inputs: Int, smoothing: UnsafePointer<Float>?)
    throws(ClozeError) -> cloze_packed_columns
  {
    let padded = outputs.roundedUp(to: Int(matrix.nr))
    let columnSize = try bytes(inputs.roundedUp(to: Int(matrix.kr)), Int(matrix.column_element_size))
    let panels = try memory.allocate(bytes(padded, columnSize))
    var strips: [(source: WeightSource, first: Int, count: Int, column: Int)] = []
    var column = 0
    for source in sources {
      for first in stride(from: 0, to: source.outputs, by: 64) {
        strips.append((source, first, min(64, source.outputs - first), column + first))
      }
      column += source.outputs
    }
    guard precision == .int8 else {
      try team.forEach(strips.count) { i, _ throws(ClozeError) in
        let (source, first, count, column) = strips[i]
        try packFloats(source, first, count, panels + column &* columnSize)
      }
      return cloze_packed_columns(panels: panels, scale: nil, sum: nil)
    }
    let scale = try memory.floats(padded)
    let sum = try memory.allocate(padded * MemoryLayout<Int32>.size).bindMemory(to: Int32.self, capacity: padded)
    scale.update(repeating: 0, count: padded)
    try team.forEach(strips.count) { i, _ throws(ClozeError) in
      let (source, first, count, column) = strips[i]
      try quantize(source, first, count, smoothing, panels + column &* columnSize, scale + column, sum + column)
    }
    return cloze_packed_columns(panels: panels, scale: scale, sum: sum)
  }

  /// Packs columns `first ..< first + count` of a matrix as float32.
  private func packFloats(_ source: WeightSource, _ first: Int, _ count: Int, _ panels: UnsafeMutableRawPointer)
    throws(ClozeError)
  {
    var isFinite = false
    if source.layout == .inOut, let base = source.base {
      isFinite =
        kernels.rows.pack_float_columns(
          base + first, source.stride, count, source.inputs, panels.assumingMemoryBound(to: Float.self)) != 0
    } else {
      try source.withRows(first, count) { rows throws(ClozeError) in
        matrix.pack_columns(rows, source.stride, count, source.inputs, panels, nil)
        isFinite = cloze_floats_finite(rows, count &* source.inputs) != 0
      }
    }
    if !isFinite { throw try source.notFinite() }
  }

  /// Quantizes and packs columns `first ..< first + count` of a matrix.
  private func quantize(
    _ source: WeightSource, _ first: Int, _ count: Int, _ smoothing: UnsafePointer<Float>?,
    _ panels: UnsafeMutableRawPointer, _ scale: UnsafeMutablePointer<Float>, _ sum: UnsafeMutablePointer<Int32>
  ) throws(ClozeError) {
    let inputs = source.inputs
    var isFinite = false
    if source.layout == .inOut, let base = source.base {
      isFinite =
        kernels.rows.quantize_columns(
          base + first, source.stride, smoothing, count, inputs, panels.assumingMemoryBound(to: UInt8.self), scale, sum)
        != 0
    } else {
      try withUnsafeTemporaryAllocation(of: Int8.self, capacity: count &* inputs) { rows throws(ClozeError) in
        guard let q = rows.baseAddress else { return }
        try source.withRows(first, count) { values throws(ClozeError) in
          let bad = kernels.rows.quantize_weights(values, source.stride, smoothing, count, inputs, q, inputs, scale)
          matrix.pack_columns(q, inputs, count, inputs, panels, sum)
          isFinite = bad == 0
        }
      }
    }
    if !isFinite { throw try source.notFinite() }
  }
}
