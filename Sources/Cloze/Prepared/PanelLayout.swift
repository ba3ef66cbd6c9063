internal import CClozeKernels

/// How weights lie in a `.cloze` file: layout 1.
///
/// Panels of 16 output columns, zeros beyond n and k:
///
///     int8       [ceil(n / 16)][ceil(k / 4)][16 columns][4] bytes w + 128
///     float32    [ceil(n / 16)][k][16 columns]
///
/// Kernels that pack their columns in this way use them where they lie; for others they are packed
/// anew, when a model is written and when it is loaded.
struct PanelLayout {
  let matrix: cloze_matrix_kernels
  let precision: Precision
  /// Whether the kernels have this layout: found by trying, so that it can't be said wrongly.
  let isNative: Bool

  static let columns = 16
  /// Neighbouring k of a column, int8.
  static let group = 4

  init(_ matrix: cloze_matrix_kernels, _ precision: Precision) throws(ClozeError) {
    self.matrix = matrix
    self.precision = precision
    let (outputs, inputs) = (Self.columns + 1, Self.group + 1)
    var rows: [Float] = []
    for i in 0..<(outputs * inputs) { rows.append(Float(i % 251 - 125)) }
    let size = try Self.size(precision, outputs, inputs)
    guard Int(matrix.nr) == Self.columns, try Self.kernelSize(matrix, outputs, inputs) == size else {
      isNative = false
      return
    }
    let source = try AlignedMemory(bytes: rows.count * Self.element(precision))
    for (i, value) in rows.enumerated() {
      if precision == .int8 {
        source.base.storeBytes(of: Int8(value), toByteOffset: i, as: Int8.self)
      } else {
        source.floats()[i] = value
      }
    }
    let packed = try AlignedMemory(bytes: size)
    var sums = [Int32](repeating: 0, count: outputs.roundedUp(to: Self.columns))
    sums.withUnsafeMutableBufferPointer {
      matrix.pack_columns(
        source.base, inputs, outputs, inputs, packed.base, precision == .int8 ? $0.baseAddress : nil)
    }
    let wanted = try AlignedMemory(bytes: size)
    Self.clear(wanted, precision)
    for column in 0..<outputs {
      Self.put(
        source.base + column * inputs * Self.element(precision), column, inputs, precision,
        into: wanted.base)
    }
    isNative =
      UnsafeRawBufferPointer(start: packed.base, count: size).elementsEqual(
        UnsafeRawBufferPointer(start: wanted.base, count: size))
  }

  private static func element(_ precision: Precision) -> Int { precision == .int8 ? 1 : 4 }

  /// Bytes of the panels of an n x k matrix in the file.
  static func size(_ precision: Precision, _ outputs: Int, _ inputs: Int) throws(ClozeError) -> Int {
    try bytes(
      outputs.roundedUp(to: columns),
      precision == .int8 ? inputs.roundedUp(to: group) : inputs, element(precision))
  }

  /// The same, as the kernels have it.
  private static func kernelSize(
    _ matrix: cloze_matrix_kernels, _ outputs: Int, _ inputs: Int
  ) throws(ClozeError) -> Int {
    try bytes(
      outputs.roundedUp(to: Int(matrix.nr)), inputs.roundedUp(to: Int(matrix.kr)),
      Int(matrix.column_element_size))
  }

  /// Makes every weight 0.
  private static func clear(_ panels: AlignedMemory, _ precision: Precision) {
    panels.base.initializeMemory(
      as: UInt8.self, repeating: precision == .int8 ? 0x80 : 0, count: panels.size)
  }

  /// Writes column `j`, [k] s8 or float32, into panels of this layout.
  private static func put(
    _ column: UnsafeRawPointer, _ j: Int, _ k: Int, _ precision: Precision,
    into panels: UnsafeMutableRawPointer
  ) {
    let (panel, lane) = j.quotientAndRemainder(dividingBy: columns)
    if precision == .int8 {
      let start = panel &* k.roundedUp(to: group) &* columns &+ lane &* group
      for p in 0..<k {
        let byte = column.load(fromByteOffset: p, as: UInt8.self) ^ 0x80
        panels.storeBytes(
          of: byte, toByteOffset: start &+ p / group &* (columns &* group) &+ p % group, as: UInt8.self)
      }
    } else {
      let start = panel &* k &* columns &+ lane
      for p in 0..<k {
        panels.storeBytes(
          of: column.load(fromByteOffset: p &* 4, as: UInt32.self),
          toByteOffset: (start &+ p &* columns) &* 4, as: UInt32.self)
      }
    }
  }

  /// Reads column `j` back.
  private static func take(
    _ panels: UnsafeRawPointer, _ j: Int, _ k: Int, _ precision: Precision,
    into column: UnsafeMutableRawPointer
  ) {
    let (panel, lane) = j.quotientAndRemainder(dividingBy: columns)
    if precision == .int8 {
      let start = panel &* k.roundedUp(to: group) &* columns &+ lane &* group
      for p in 0..<k {
        let byte = panels.load(
          fromByteOffset: start &+ p / group &* (columns &* group) &+ p % group, as: UInt8.self)
        column.storeBytes(of: byte ^ 0x80, toByteOffset: p, as: UInt8.self)
      }
    } else {
      let start = panel &* k &* columns &+ lane
      for p in 0..<k {
        column.storeBytes(
          of: panels.load(fromByteOffset: (start &+ p &* columns) &* 4, as: UInt32.self),
          toByteOffset: p &* 4, as: UInt32.self)
      }
    }
  }

  /// Panels of the kernels in this layout.
  func stored(
    _ panels: UnsafeRawPointer, _ outputs: Int, _ inputs: Int
  ) throws(ClozeError) -> AlignedMemory {
    let result = try AlignedMemory(bytes: Self.size(precision, outputs, inputs))
    Self.clear(result, precision)
    let column = try AlignedMemory(bytes: inputs * Self.element(precision))
    for j in 0..<outputs {
      matrix.unpack_column(panels, inputs, j, column.base)
      Self.put(column.base, j, inputs, precision, into: result.base)
    }
    return result
  }

  /// Panels of this layout as the kernels have them; `sum` is for int8.
  func packed(
    _ panels: UnsafeRawPointer, _ outputs: Int, _ inputs: Int,
    sum: UnsafeMutablePointer<Int32>?, memory: WeightMemory
  ) throws(ClozeError) -> UnsafeRawPointer {
    let result = try memory.allocate(Self.kernelSize(matrix, outputs, inputs))
    let nr = Int(matrix.nr)
    let rowSize = inputs * Self.element(precision)
    let panelSize = try Self.kernelSize(matrix, nr, inputs)
    let rows = try AlignedMemory(bytes: bytes(nr, rowSize))
    for first in stride(from: 0, to: outputs, by: nr) {
      let count = min(nr, outputs - first)
      for j in 0..<count {
        Self.take(panels, first + j, inputs, precision, into: rows.base + j * rowSize)
      }
      matrix.pack_columns(
        rows.base, inputs, count, inputs, result + first / nr * panelSize, sum.map { $0 + first })
    }
    return UnsafeRawPointer(result)
  }
}
