import ClozeIO

/// Writes a matrix to a NumPy file row by row, without knowing the number of rows in advance.
///
/// Space for the header is reserved and filled in by `finish`, which also gives the file its name. Memory does not
/// grow with the rows.
///
/// Source: NumPy's format description (`numpy.lib.format`), version 1.0.
final class NPYWriter {
  /// The type of the stored elements, little-endian.
  enum ElementType: String, CaseIterable {
    case float32
    case float16

    var descriptor: String {
      switch self {
      case .float32: "<f4"
      case .float16: "<f2"
      }
    }
  }

  let columns: Int
  let elementType: ElementType
  private(set) var rows = 0

  private let file: AtomicFile
  private var buffer: [UInt8] = []

  /// Bytes of magic, version, header length and header: a multiple of 64, as the format requires, with room for two
  /// numbers of 19 digits.
  static let headerLength = 128

  /// Reserves the header in an empty file.
  init(_ file: AtomicFile, columns: Int, elementType: ElementType) throws(ClozeError) {
    self.columns = columns
    self.elementType = elementType
    self.file = file
    try file.append([UInt8](repeating: 0, count: Self.headerLength))
  }

  /// Appends rows [n, columns].
  ///
  /// float16 rounds to nearest, halfway cases to even; a finite value that overflows is an error.
  func append(rows values: some Collection<Float>) throws(ClozeError) {
    buffer.removeAll(keepingCapacity: true)
    switch elementType {
    case .float32:
      buffer.reserveCapacity(values.count * 4)
      for value in values { withUnsafeBytes(of: value.bitPattern.littleEndian) { buffer.append(contentsOf: $0) } }
    case .float16:
      buffer.reserveCapacity(values.count * 2)
      for (index, value) in values.enumerated() {
        let bits = float16Bits(value)
        if bits & 0x7FFF == 0x7C00, value.isFinite {
          throw ClozeError(.io, "row \(rows + index / max(columns, 1)): \(value) is too large for float16")
        }
        withUnsafeBytes(of: bits.littleEndian) { buffer.append(contentsOf: $0) }
      }
    }
    try file.append(buffer)
    if columns > 0 { rows += values.count / columns }
  }

  /// Writes the header and gives the file its name.
  func finish() throws(ClozeError) {
    try file.overwriteStart(with: Self.header(rows: rows, columns: columns, elementType: elementType))
    try file.commit()
  }

  /// Everything before the first element.
  static func header(rows: Int, columns: Int, elementType: ElementType) -> [UInt8] {
    let dictionary = "{'descr': '\(elementType.descriptor)', 'fortran_order': False, 'shape': (\(rows), \(columns)), }"
    // Magic, version 1.0, and the length of the rest of the header in two bytes.
    let length = headerLength - 10
    var bytes: [UInt8] = [0x93] + Array("NUMPY".utf8) + [1, 0]
    bytes += [UInt8(truncatingIfNeeded: length), UInt8(truncatingIfNeeded: length >> 8)]
    bytes += Array(dictionary.utf8)
    bytes += [UInt8](repeating: 0x20, count: max(0, headerLength - 1 - bytes.count))
    return bytes + [0x0A]
  }
}
