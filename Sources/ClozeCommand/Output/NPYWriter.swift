import ClozeIO

/// Writes embeddings to a NumPy file row by row, without knowing the number of rows in advance.
///
/// Space for the header is reserved and filled in by `finish`, which also gives the file its name. Memory does not
/// grow with the rows.
///
/// Source: NumPy's format description (`numpy.lib.format`), version 1.0; `quantize_embeddings` of
/// sentence-transformers.
final class NPYWriter {
  /// The type of the stored elements, little-endian.
  enum ElementType: String, CaseIterable {
    case float32
    case float16
    /// One of 256 levels between a dimension's lowest and highest value, from -128 or from 0.
    case int8
    case uint8
    /// One bit a dimension, 1 where it is positive, the first dimension in a byte's highest bit; minus 128 in `binary`.
    case binary
    case ubinary

    var descriptor: String {
      switch self {
      case .float32: "<f4"
      case .float16: "<f2"
      case .int8, .binary: "|i1"
      case .uint8, .ubinary: "|u1"
      }
    }

    /// Whether ranges are needed.
    var hasLevels: Bool { self == .int8 || self == .uint8 }

    /// What turns an unsigned byte into the stored one.
    var sign: UInt8 { self == .int8 || self == .binary ? 0x80 : 0 }

    /// The elements of a row of embeddings.
    func columns(_ columns: Int) -> Int { self == .binary || self == .ubinary ? (columns + 7) / 8 : columns }
  }

  /// The dimensions of an embedding.
  let columns: Int
  let elementType: ElementType
  private(set) var rows = 0
  /// The ranges of levels: those given, else those of the rows so far.
  private(set) var ranges: EmbeddingRanges
  /// Whether ranges were given. Without them rows are kept as float32 until all are known.
  private let hasRanges: Bool

  private let file: AtomicFile
  private var buffer: [UInt8] = []

  /// Bytes of magic, version, header length and header: a multiple of 64, as the format requires, with room for two
  /// numbers of 19 digits.
  static let headerLength = 128

  /// Reserves the header in an empty file.
  ///
  /// - Parameter ranges: of levels; nil: those of the rows.
  init(_ file: AtomicFile, columns: Int, elementType: ElementType, ranges: EmbeddingRanges? = nil) throws(ClozeError) {
    self.columns = columns
    self.elementType = elementType
    self.ranges = ranges ?? EmbeddingRanges(columns: columns)
    hasRanges = ranges != nil
    self.file = file
    try file.append([UInt8](repeating: 0, count: Self.headerLength))
  }

  /// Appends rows [n, columns].
  ///
  /// float16 rounds to nearest, halfway cases to even; a finite value that overflows is an error.
  func append(rows values: some Collection<Float>) throws(ClozeError) {
    buffer.removeAll(keepingCapacity: true)
    switch elementType {
    case .float32: appendFloats(values)
    case .float16:
      buffer.reserveCapacity(values.count * 2)
      for (index, value) in values.enumerated() {
        let bits = float16Bits(value)
        if bits & 0x7FFF == 0x7C00, value.isFinite {
          throw ClozeError(.io, "row \(rows + index / max(columns, 1)): \(value) is too large for float16")
        }
        withUnsafeBytes(of: bits.littleEndian) { buffer.append(contentsOf: $0) }
      }
    case .int8, .uint8:
      if hasRanges {
        appendLevels(values)
      } else {
        ranges.add(rows: values)
        appendFloats(values)
      }
    case .binary, .ubinary: appendBits(values)
    }
    try file.append(buffer)
    if columns > 0 { rows += values.count / columns }
  }

  /// Writes the header and gives the file its name.
  ///
  /// - Throws: `.io`; `.invalidArgument` where one row alone would give the ranges.
  func finish() throws(ClozeError) {
    if elementType.hasLevels, !hasRanges {
      guard rows != 1 else {
        throw ClozeError(
          .invalidArgument, "\(elementType.rawValue) needs the ranges of at least two texts; give some with --ranges")
      }
      try quantizeRows()
    }
    let columns = elementType.columns(columns)
    try file.overwrite(Self.header(rows: rows, columns: columns, elementType: elementType), at: 0)
    try file.commit()
  }

  /// Replaces the rows of float32 by their levels, which take a quarter of the room: what is written has been read.
  private func quantizeRows() throws(ClozeError) {
    let block = max(1, (1 << 20) / max(columns, 1))
    var row = 0
    while row < rows {
      let count = min(block, rows - row) * columns
      let floats = try file.read(Float.self, count: count, at: Self.headerLength + row * columns * 4)
      buffer.removeAll(keepingCapacity: true)
      appendLevels(floats)
      try file.overwrite(buffer, at: Self.headerLength + row * columns)
      row += block
    }
    try file.truncate(to: Self.headerLength + rows * columns)
  }

  private func appendFloats(_ values: some Collection<Float>) {
    buffer.reserveCapacity(values.count * 4)
    for value in values { withUnsafeBytes(of: value.bitPattern.littleEndian) { buffer.append(contentsOf: $0) } }
  }

  private func appendLevels(_ values: some Collection<Float>) {
    ranges.quantize(rows: values, to: &buffer)
    for index in buffer.indices { buffer[index] ^= elementType.sign }
  }

  private func appendBits(_ values: some Collection<Float>) {
    var (byte, column): (UInt8, Int) = (0, 0)
    for value in values {
      if value > 0 { byte |= 0x80 >> UInt8(column % 8) }
      column += 1
      if column % 8 == 0 || column == columns {
        buffer.append(byte ^ elementType.sign)
        byte = 0
      }
      if column == columns { column = 0 }
    }
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
