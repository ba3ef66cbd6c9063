internal import CClozeSupport
internal import ClozeIO

/// The sections of a prepared model, by name. Nothing in it is trusted: what is handed out lies inside
/// the file, has the size that was asked for, and is as it was written.
struct PreparedFile {
  /// What it is called in messages: its path.
  let name: String
  let storage: MappedFile
  private var sections: [String: Section] = [:]
  /// In the order of the file.
  private(set) var names: [String] = []
  private(set) var layout: UInt32 = 0
  private var untouched: Set<String> = []

  struct Section {
    var range: Range<Int>
    var checksum: UInt32
  }

  var size: Int { storage.bytes.count }

  /// Reads the table. The sections themselves are checked by `check`.
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
      throw damaged("this is no .cloze file: it does not begin with \\x89CLOZE\\r\\n")
    }
    guard bytes.count >= PreparedFormat.headerSize else {
      throw damaged("truncated: \(bytes.count) bytes, the header alone has 64")
    }
    let order: UInt32 = bytes.number(at: Field.byteOrder)
    guard order != PreparedFormat.byteOrder.byteSwapped else {
      throw damaged("written in big-endian byte order; only little-endian is read")
    }
    guard Int(littleEndian: 1) == 1 else {
      throw ClozeError(.unsupportedModel, "\(name): this computer is big-endian; convert is of no use here")
    }
    guard order == PreparedFormat.byteOrder else { throw damaged("the header is damaged (byte order)") }
    let version: UInt32 = bytes.number(at: Field.version)
    let checksum: UInt32 = bytes.number(at: Field.headerChecksum)
    let isSound = checksum == cloze_crc32c(bytes.baseAddress, Field.headerChecksum)
    // Another version's header may be another one, so its checksum is no condition.
    guard version == PreparedFormat.version else {
      guard version != 0, version < 1 << 16 else { throw damaged("the header is damaged (version)") }
      let age = version > PreparedFormat.version ? "newer" : "older"
      throw ClozeError(
        .unsupportedModel,
        "\(name): format version \(version) is \(age) than what this library reads, which is version "
          + "\(PreparedFormat.version); convert the model again with this library")
    }
    guard isSound else { throw damaged("the header is damaged: its checksum does not match") }
    let written: UInt64 = bytes.number(at: Field.fileSize)
    guard written == UInt64(bytes.count) else {
      let word = written > UInt64(bytes.count) ? "truncated" : "bytes were added"
      throw damaged("\(word): \(bytes.count) bytes, \(written) were written")
    }
    layout = bytes.number(at: Field.layout)
    let count: UInt32 = bytes.number(at: Field.sectionCount)
    guard count > 0, count <= PreparedFormat.mostSections,
      PreparedFormat.headerSize + Int(count) * PreparedFormat.entrySize <= bytes.count
    else { throw damaged("the header speaks of \(count) sections") }
    for i in (Field.tableChecksum + 4)..<Field.headerChecksum where bytes[i] != 0 {
      throw damaged("byte \(i) of the header is not 0")
    }
    return Int(count)
  }

  private mutating func readTable(_ count: Int) throws(ClozeError) {
    typealias Entry = PreparedFormat.Entry
    let start = PreparedFormat.headerSize
    let table = UnsafeRawBufferPointer(
      rebasing: storage.bytes[start..<(start + count * PreparedFormat.entrySize)])
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
      else { throw damaged("entry \(i) of the section table has no sound name") }
      let name = String(decoding: title, as: UTF8.self)
      let offset: UInt64 = entry.number(at: Entry.offset)
      let size: UInt64 = entry.number(at: Entry.size)
      let alignment: UInt32 = entry.number(at: Entry.alignment)
      guard alignment == PreparedFormat.alignment, entry.number(at: Entry.reserved) == UInt64(0) else {
        throw damaged("section \"\(name)\" has alignment \(alignment), only 64 is known, or more flags")
      }
      let (last, overflow) = offset.addingReportingOverflow(size)
      guard !overflow, offset >= UInt64(end), offset % UInt64(alignment) == 0,
        last <= UInt64(storage.bytes.count)
      else {
        throw damaged(
          "section \"\(name)\" is said to be \(size) bytes at \(offset), which is not behind the one "
            + "before it or not inside the file")
      }
      let range = Int(offset)..<Int(last)
      guard storage.bytes[end..<range.lowerBound].allSatisfy({ $0 == 0 }) else {
        throw damaged("bytes before section \"\(name)\" are not 0")
      }
      end = range.upperBound
      guard sections.updateValue(
        Section(range: range, checksum: entry.number(at: Entry.checksum)), forKey: name) == nil
      else { throw damaged("section \"\(name)\" is there twice") }
      names.append(name)
    }
    guard end == storage.bytes.count else { throw damaged("bytes lie behind the last section") }
    untouched = Set(names)
  }

  func section(_ name: String) -> Section? { sections[name] }

  // ---- Taking sections

  func contains(_ name: String) -> Bool { sections[name] != nil }

  /// A section of any size; one that is missing is an error.
  mutating func bytes(_ name: String) throws(ClozeError) -> UnsafeRawBufferPointer {
    guard let section = sections[name] else { throw damaged("section \"\(name)\" is missing") }
    untouched.remove(name)
    return UnsafeRawBufferPointer(rebasing: storage.bytes[section.range])
  }

  /// A section whose size the configuration tells.
  mutating func bytes(_ name: String, size: Int) throws(ClozeError) -> UnsafeRawPointer {
    let found = try bytes(name)
    guard found.count == size, let base = found.baseAddress else {
      throw damaged(
        "section \"\(name)\" has \(found.count) bytes; the configuration asks for \(size)")
    }
    return base
  }

  mutating func numbers<T: BitwiseCopyable>(
    _ name: String, _ first: Int, _ second: Int = 1, as type: T.Type = T.self
  ) throws(ClozeError) -> UnsafePointer<T> {
    try bytes(name, size: ClozeIO.bytes(first, second, MemoryLayout<T>.stride))
      .assumingMemoryBound(to: type)
  }

  /// Numbers none of which is NaN or infinite.
  mutating func floats(
    _ name: String, _ first: Int, _ second: Int = 1
  ) throws(ClozeError) -> UnsafePointer<Float> {
    let found = try numbers(name, first, second, as: Float.self)
    guard cloze_floats_finite(found, first * second) != 0 else {
      throw damaged("section \"\(name)\" holds a value that is NaN or infinite")
    }
    return found
  }

  /// A section of numbers of any count.
  mutating func array<T: BitwiseCopyable>(_ name: String, of type: T.Type) throws(ClozeError) -> [T] {
    let found = try bytes(name)
    guard found.count % MemoryLayout<T>.stride == 0 else {
      throw damaged("section \"\(name)\" has \(found.count) bytes, which is no whole number of elements")
    }
    return Array(found.bindMemory(to: type))
  }

  /// Throws where a section was not asked for: it would change what the model does.
  func checkNothingIsLeft() throws(ClozeError) {
    if let name = names.first(where: { untouched.contains($0) }) {
      throw damaged("section \"\(name)\" is not known")
    }
  }
}
