internal import CClozeSupport
internal import ClozeIO

/// The sections of a prepared model, by name. Nothing in the file is trusted: a section returned is inside the
/// file and has the size requested; `check` compares its checksum.
struct PreparedFile {
  /// The file's name in messages: its path.
  let name: String
  let storage: MappedFile
  private var sections: [String: Section] = [:]
  /// The sections' names, in the order of the file.
  private(set) var names: [String] = []
  private(set) var layout: UInt32 = 0
  /// The sections that have not been read.
  private var unread: Set<String> = []

  struct Section {
    var range: Range<Int>
    var checksum: UInt32
  }

  var size: Int { storage.bytes.count }

  /// Reads header and table; `check` verifies the sections.
  init(_ storage: MappedFile, name: String) throws(ClozeError) {
    self.storage = storage
    self.name = name
    let count = try readHeader()
    try readTable(count)
  }

  func damaged(_ reason: String) -> ClozeError { ClozeError(.invalidModel, "\(name): \(reason)") }

  private mutating func readHeader() throws(ClozeError) -> Int {
    typealias Field = PreparedFormat.Field
    let bytes = storage.bytes
    guard PreparedFormat.isPrepared(bytes) else {
      throw damaged("not a .cloze file: it does not begin with \\x89CLOZE\\r\\n")
    }
    guard bytes.count >= PreparedFormat.headerSize else {
      throw damaged("truncated: \(bytes.count) bytes, the header has 64")
    }
    let order: UInt32 = bytes.number(at: Field.byteOrder)
    guard order != PreparedFormat.byteOrder.byteSwapped else {
      throw damaged("written in big-endian byte order; only little-endian is supported")
    }
    guard Int(littleEndian: 1) == 1 else {
      throw ClozeError(.unsupportedModel, "\(name): this CPU is big-endian; .cloze files are little-endian")
    }
    guard order == PreparedFormat.byteOrder else { throw damaged("the header is damaged (byte order)") }
    let version: UInt32 = bytes.number(at: Field.version)
    let checksum: UInt32 = bytes.number(at: Field.headerChecksum)
    let isSound = checksum == cloze_crc32c(bytes.baseAddress, Field.headerChecksum)
    // Other versions may have another header, so the checksum is compared only for this one.
    guard version == PreparedFormat.version else {
      guard version != 0, version < 1 << 16 else { throw damaged("the header is damaged (version)") }
      let age = version > PreparedFormat.version ? "newer" : "older"
      throw ClozeError(
        .unsupportedModel,
        "\(name): format version \(version) is \(age) than version \(PreparedFormat.version), which this "
          + "library reads; convert the model again with this library")
    }
    guard isSound else { throw damaged("the header is damaged: its checksum does not match") }
    let written: UInt64 = bytes.number(at: Field.fileSize)
    guard written == UInt64(bytes.count) else {
      let word = written > UInt64(bytes.count) ? "truncated" : "bytes were added"
      throw damaged("\(word): \(bytes.count) bytes, \(written) were written")
    }
    layout = bytes.number(at: Field.layout)
    let count: UInt32 = bytes.number(at: Field.sectionCount)
    guard count > 0, count <= PreparedFormat.maxSections,
      PreparedFormat.headerSize + Int(count) * PreparedFormat.entrySize <= bytes.count
    else { throw damaged("the header gives \(count) sections, which do not fit the file") }
    for i in (Field.tableChecksum + 4)..<Field.headerChecksum where bytes[i] != 0 {
      throw damaged("byte \(i) of the header is not 0")
    }
    return Int(count)
  }

  private mutating func readTable(_ count: Int) throws(ClozeError) {
    typealias Entry = PreparedFormat.Entry
    let start = PreparedFormat.headerSize
    let table = UnsafeRawBufferPointer(rebasing: storage.bytes[start..<(start + count * PreparedFormat.entrySize)])
    let checksum: UInt32 = storage.bytes.number(at: PreparedFormat.Field.tableChecksum)
    guard checksum == cloze_crc32c(table.baseAddress, table.count) else {
      throw damaged("the section table is damaged: its checksum does not match")
    }
    var end = start + table.count
    for i in 0..<count {
      let entry = UnsafeRawBufferPointer(
        rebasing: table[(i * PreparedFormat.entrySize)..<((i + 1) * PreparedFormat.entrySize)])
      let title = entry.prefix(PreparedFormat.nameSize).prefix { $0 != 0 }
      guard !title.isEmpty, title.allSatisfy({ $0 > 0x20 && $0 < 0x7F }),
        entry[title.count..<PreparedFormat.nameSize].allSatisfy({ $0 == 0 })
      else { throw damaged("entry \(i) of the section table has an invalid name") }
      let name = String(decoding: title, as: UTF8.self)
      let offset: UInt64 = entry.number(at: Entry.offset)
      let size: UInt64 = entry.number(at: Entry.size)
      let alignment: UInt32 = entry.number(at: Entry.alignment)
      guard alignment == PreparedFormat.alignment, entry.number(at: Entry.reserved) == UInt64(0) else {
        throw damaged("section \"\(name)\" has alignment \(alignment), expected 64, or unknown flags")
      }
      let (last, overflow) = offset.addingReportingOverflow(size)
      guard !overflow, offset >= UInt64(end), offset % UInt64(alignment) == 0, last <= UInt64(storage.bytes.count)
      else {
        throw damaged(
          "section \"\(name)\" has \(size) bytes at offset \(offset): misaligned, overlapping the section "
            + "before it, or outside the file")
      }
      let range = Int(offset)..<Int(last)
      guard storage.bytes[end..<range.lowerBound].allSatisfy({ $0 == 0 }) else {
        throw damaged("bytes before section \"\(name)\" are not 0")
      }
      end = range.upperBound
      guard sections.updateValue(Section(range: range, checksum: entry.number(at: Entry.checksum)), forKey: name) == nil
      else { throw damaged("section \"\(name)\" occurs twice") }
      names.append(name)
    }
    guard end == storage.bytes.count else { throw damaged("there are bytes after the last section") }
    unread = Set(names)
  }

  func section(_ name: String) -> Section? { sections[name] }

  // MARK: - Reading sections

  func contains(_ name: String) -> Bool { sections[name] != nil }

  /// A section of any size.
  ///
  /// - Throws: `.invalidModel` where it is missing, as do the methods below.
  mutating func bytes(_ name: String) throws(ClozeError) -> UnsafeRawBufferPointer {
    guard let section = sections[name] else { throw damaged("section \"\(name)\" is missing") }
    unread.remove(name)
    return UnsafeRawBufferPointer(rebasing: storage.bytes[section.range])
  }

  /// A section of `size` bytes, the size that follows from the configuration.
  mutating func bytes(_ name: String, size: Int) throws(ClozeError) -> UnsafeRawPointer {
    let found = try bytes(name)
    guard found.count == size, let base = found.baseAddress else {
      throw damaged("section \"\(name)\" has \(found.count) bytes; the configuration requires \(size)")
    }
    return base
  }

  /// A section of first x second numbers.
  mutating func numbers<T: BitwiseCopyable>(_ name: String, _ first: Int, _ second: Int = 1, as type: T.Type = T.self)
    throws(ClozeError) -> UnsafePointer<T>
  { try bytes(name, size: ClozeIO.bytes(first, second, MemoryLayout<T>.stride)).assumingMemoryBound(to: type) }

  /// A section of first x second finite floats.
  mutating func floats(_ name: String, _ first: Int, _ second: Int = 1) throws(ClozeError) -> UnsafePointer<Float> {
    let found = try numbers(name, first, second, as: Float.self)
    guard cloze_floats_finite(found, first * second) != 0 else {
      throw damaged("section \"\(name)\" has a value that is NaN or infinite")
    }
    return found
  }

  /// A section of any number of elements.
  mutating func array<T: BitwiseCopyable>(_ name: String, of type: T.Type) throws(ClozeError) -> [T] {
    let found = try bytes(name)
    guard found.count % MemoryLayout<T>.stride == 0 else {
      throw damaged("section \"\(name)\" has \(found.count) bytes, not a multiple of \(MemoryLayout<T>.stride)")
    }
    return Array(found.bindMemory(to: type))
  }

  /// - Throws: `.invalidModel` for a section that was never read: this library does not know what it means.
  func checkAllRead() throws(ClozeError) {
    if let name = names.first(where: { unread.contains($0) }) { throw damaged("section \"\(name)\" is unknown") }
  }
}
