internal import ClozeIO

/// The outer form of a `.cloze` file; docs/FORMAT.md has all of it.
///
///     header        64 bytes
///     table         an entry of 96 bytes for each section
///     sections      each at a multiple of its alignment, zeros between them
enum PreparedFormat {
  /// The high bit and the line ends show what a transfer as text has done to a file.
  static let magic: [UInt8] = [0x89] + Array("CLOZE\r\n".utf8)
  static let version: UInt32 = 1
  /// How weights lie: as every instruction set's kernels take them.
  static let layout: UInt32 = 1
  /// Reads as this where bytes lie as the file has them.
  static let byteOrder: UInt32 = 0x0102_0304

  static let headerSize = 64
  static let entrySize = 96
  static let nameSize = 64
  /// Of every section: a cache line, and what kernels want of weights.
  static let alignment = 64
  /// Far more than any model needs; bounds what a header can ask for.
  static let mostSections = 1 << 16

  /// Where in the header what lies.
  enum Field {
    static let byteOrder = 8
    static let version = 12
    static let fileSize = 16
    static let sectionCount = 24
    static let layout = 28
    static let tableChecksum = 32
    /// Of the header's bytes before it.
    static let headerChecksum = 60
  }

  /// Where in a section's entry what lies; the name comes first, zeros fill it up.
  enum Entry {
    static let offset = 64
    static let size = 72
    static let alignment = 80
    static let checksum = 84
    /// Eight bytes of zeros.
    static let reserved = 88
  }

  /// Whether the file at a path begins as a prepared model does; false where it cannot be read.
  static func isPrepared(path: String) -> Bool { fileBegins(path, with: magic) }

  /// Whether bytes begin as a `.cloze` file does.
  static func isPrepared(_ bytes: UnsafeRawBufferPointer) -> Bool {
    bytes.count >= magic.count && bytes.prefix(magic.count).elementsEqual(magic)
  }
}

extension UnsafeRawBufferPointer {
  /// A little-endian number; the caller has seen to it that it lies inside.
  func number<T: FixedWidthInteger & BitwiseCopyable>(at offset: Int, as type: T.Type = T.self) -> T
  {
    T(littleEndian: loadUnaligned(fromByteOffset: offset, as: T.self))
  }
}
