import CClozeKernels

/// Activations packed for one kernel variant.
final class PackedRows {
  let rows: cloze_packed_rows
  private let memory: UnsafeMutableRawPointer

  /// Memory for a [m, k] matrix.
  init(_ matrix: cloze_matrix_kernels, _ m: Int, _ k: Int) {
    let panels = (matrix.packed_rows_size(m, k) + 63) / 64 * 64
    memory = .allocate(byteCount: panels + m * 8, alignment: 64)
    rows = cloze_packed_rows(
      panels: memory, scale: (memory + panels).assumingMemoryBound(to: Float.self),
      zero: (memory + panels + m * 4).assumingMemoryBound(to: Int32.self))
  }

  deinit { memory.deallocate() }
}

/// Weights packed for one kernel variant.
final class PackedColumns {
  let columns: cloze_packed_columns
  private let memory: UnsafeMutableRawPointer

  /// w [n, k], quantized for int8.
  init(_ kernels: cloze_kernels, _ precision: KernelPrecision, _ w: [Float], _ n: Int, _ k: Int) {
    let matrix = kernels.matrix(precision)
    let (wide, deep) = ((n + 15) / 16 * 16, (k + 3) / 4 * 4)
    let size = wide * deep * Int(matrix.column_element_size)
    memory = .allocate(byteCount: size + wide * 8, alignment: 64)
    let scale = (memory + size).bindMemory(to: Float.self, capacity: wide)
    let sum = (memory + size + wide * 4).bindMemory(to: Int32.self, capacity: wide)
    scale.initialize(repeating: 0, count: wide)
    sum.initialize(repeating: 0, count: wide)
    if precision == .int8 {
      var q = [Int8](repeating: 0, count: n * k)
      _ = kernels.rows.pointee.quantize_weights(w, k, nil, n, k, &q, k, scale)
      matrix.pack_columns(q, k, n, k, memory, sum)
    } else {
      matrix.pack_columns(w, k, n, k, memory, nil)
    }
    columns = cloze_packed_columns(panels: memory, scale: scale, sum: sum)
  }

  deinit { memory.deallocate() }
}
