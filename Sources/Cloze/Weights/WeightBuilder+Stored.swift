internal import CClozeKernels
internal import ClozeIO
internal import ClozeONNX

/// Weights that the file stores as int8: packed without requantizing, with the scales of the file.
extension WeightBuilder {
  /// Whether matrices side by side are packed without requantizing.
  func takesStored(_ parts: [Matrix]) -> Bool {
    guard precision == .int8, let first = parts.first, parts.allSatisfy(\.isStoredInt8) else { return false }
    let factors = first.inputFactors
    return parts.dropFirst().allSatisfy { $0.inputFactors == factors }
  }

  /// [inputs] what activations are multiplied by before they are quantized; nil: 1.
  func storedFactors(_ part: Matrix) throws(ClozeError) -> UnsafePointer<Float>? {
    guard let factors = part.inputFactors else { return nil }
    let target = try memory.floats(factors.count)
    for (i, factor) in factors.enumerated() { target[i] = factor }
    return UnsafePointer(target)
  }

  /// Writes the integers of matrices side by side, [outputs, inputs] signed bytes, and a scale per row.
  func stored(
    _ parts: [Matrix], outputs: Int, inputs: Int, rows: UnsafeMutablePointer<Int8>, scales: UnsafeMutablePointer<Float>
  ) throws(ClozeError) {
    var row = 0
    for part in parts {
      guard part.inputSize == inputs, row &+ part.outputSize <= outputs else {
        throw ClozeError(.invalidModel, "\"\(part.tensor.name)\" has \(part.inputSize) inputs, expected \(inputs)")
      }
      try part.copyInt8(to: rows + row &* inputs, scales: scales + row)
      row &+= part.outputSize
    }
  }

  /// The integers of matrices side by side, packed.
  func packStored(_ parts: [Matrix], outputs: Int, inputs: Int) throws(ClozeError) -> cloze_packed_columns {
    let padded = outputs.roundedUp(to: Int(matrix.nr))
    let scale = try memory.floats(padded)
    scale.update(repeating: 0, count: padded)
    let sum = try memory.allocate(padded * MemoryLayout<Int32>.size).bindMemory(to: Int32.self, capacity: padded)
    let panels = try memory.allocate(
      bytes(padded, inputs.roundedUp(to: Int(matrix.kr)), Int(matrix.column_element_size)))
    let staged = try AlignedMemory(bytes: bytes(outputs, inputs))
    defer { withExtendedLifetime(staged) {} }
    let rows = staged.base.bindMemory(to: Int8.self, capacity: staged.size)
    try stored(parts, outputs: outputs, inputs: inputs, rows: rows, scales: scale)
    matrix.pack_columns(rows, inputs, outputs, inputs, panels, sum)
    return cloze_packed_columns(panels: panels, scale: scale, sum: sum)
  }
}
