internal import ClozeIO

/// The outer form of a `.cloze` file; docs/FORMAT.md describes the whole.
///
///     header        64 bytes
///     table         an entry of 96 bytes for each section
///     sections      each at a multiple of its alignment, zeros between them
enum PreparedFormat {
  /// A transfer as text changes the high bit or the line ends, and so is detected.
  static let magic: [UInt8] = [0x89] + Array("CLOZE\r\n".utf8)
  static let version: UInt32 = 2
  /// The layout of weights: that of the kernels of all instruction sets.
  static let layout: UInt32 = 1
  /// Written little-endian; shows a file in the other byte order.
  static let byteOrder: UInt32 = 0x0102_0304

  static let headerSize = 64
  static let entrySize = 96
  static let nameSize = 64
  /// The alignment of every section: a cache line, as the kernels require of weights.
  static let alignment = 64
  /// Far more than any model needs; bounds what is allocated for a damaged header.
  static let maxSections = 1 << 16

  /// Offsets in the header.
  enum Field {
    static let byteOrder = 8
    static let version = 12
    static let fileSize = 16
    static let sectionCount = 24
    static let layout = 28
    static let tableChecksum = 32
    /// Covers the bytes of the header before it.
    static let headerChecksum = 60
  }

  /// Offsets in a section's entry, which begins with the name, padded with zeros.
  enum Entry {
    static let offset = 64
    static let size = 72
    static let alignment = 80
    static let checksum = 84
    /// Eight zero bytes.
    static let reserved = 88
  }

  /// Whether a file begins with `magic`; false where it cannot be read.
  static func isPrepared(path: String) -> Bool { fileBegins(path, with: magic) }

  /// Whether bytes begin with `magic`.
  static func isPrepared(_ bytes: UnsafeRawBufferPointer) -> Bool {
    bytes.count >= magic.count && bytes.prefix(magic.count).elementsEqual(magic)
  }
}

/// Numbers in a header or table.
extension UnsafeRawBufferPointer {
  /// A little-endian number; the caller ensures that it is inside the buffer.
  func number<T: FixedWidthInteger & BitwiseCopyable>(at offset: Int, as type: T.Type = T.self) -> T {
    T(littleEndian: loadUnaligned(fromByteOffset: offset, as: T.self))
  }
}
