internal import CClozeSupport
internal import ClozeIO

/// A prepared model to be written: its sections, in order, and the owners of their bytes.
struct PreparedImage {
  private var sections: [(name: String, bytes: UnsafeRawBufferPointer)] = []
  private var owners: [AlignedMemory] = []

  /// Adds bytes that outlive the image.
  mutating func add(_ name: String, _ bytes: UnsafeRawBufferPointer) { sections.append((name, bytes)) }

  /// Adds memory, which the image keeps.
  mutating func add(_ name: String, _ memory: AlignedMemory) {
    owners.append(memory)
    add(name, UnsafeRawBufferPointer(start: memory.base, count: memory.size))
  }

  /// Adds `count` elements that outlive the image.
  mutating func add<T: BitwiseCopyable>(_ name: String, _ start: UnsafePointer<T>, _ count: Int) {
    add(name, UnsafeRawBufferPointer(UnsafeBufferPointer(start: start, count: count)))
  }

  /// Adds a copy of an array.
  mutating func add<T: BitwiseCopyable>(_ name: String, copying values: [T]) throws(ClozeError) {
    let memory = try AlignedMemory(bytes: values.count * MemoryLayout<T>.stride)
    values.withUnsafeBytes { source in
      if let base = source.baseAddress { memory.base.copyMemory(from: base, byteCount: source.count) }
    }
    add(name, memory)
  }

  /// Adds a text as UTF-8.
  mutating func add(_ name: String, text: String) throws(ClozeError) { try add(name, copying: Array(text.utf8)) }

  /// Passes the whole file to `sink`, in pieces.
  func write<Failure: Error>(_ sink: (UnsafeRawBufferPointer) throws(Failure) -> Void) throws(Failure) {
    let table = self.table()
    var head = header(table)
    head += table.bytes
    try send(head, sink)
    var at = head.count
    for (section, offset) in zip(sections, table.offsets) {
      try send([UInt8](repeating: 0, count: offset - at), sink)
      try sink(section.bytes)
      at = offset + section.bytes.count
    }
  }

  private func send<Failure: Error>(_ bytes: [UInt8], _ sink: (UnsafeRawBufferPointer) throws(Failure) -> Void)
    throws(Failure)
  {
    let result = bytes.withUnsafeBytes { buffer -> Result<Void, Failure> in
      do throws(Failure) { return .success(try sink(buffer)) } catch { return .failure(error) }
    }
    try result.get()
  }

  private func table() -> (bytes: [UInt8], offsets: [Int], end: Int) {
    var bytes: [UInt8] = []
    var offsets: [Int] = []
    var at = PreparedFormat.headerSize + sections.count * PreparedFormat.entrySize
    for section in sections {
      let offset = at.roundedUp(to: PreparedFormat.alignment)
      var name = Array(section.name.utf8.prefix(PreparedFormat.nameSize))
      name += [UInt8](repeating: 0, count: PreparedFormat.nameSize - name.count)
      bytes += name
      bytes.append(number: UInt64(offset))
      bytes.append(number: UInt64(section.bytes.count))
      bytes.append(number: UInt32(PreparedFormat.alignment))
      bytes.append(number: cloze_crc32c(section.bytes.baseAddress, section.bytes.count))
      bytes.append(number: UInt64(0))
      offsets.append(offset)
      at = offset + section.bytes.count
    }
    return (bytes, offsets, at)
  }

  private func header(_ table: (bytes: [UInt8], offsets: [Int], end: Int)) -> [UInt8] {
    var bytes = PreparedFormat.magic
    bytes.append(number: PreparedFormat.byteOrder)
    bytes.append(number: PreparedFormat.version)
    bytes.append(number: UInt64(table.end))
    bytes.append(number: UInt32(sections.count))
    bytes.append(number: PreparedFormat.layout)
    bytes.append(number: table.bytes.withUnsafeBytes { cloze_crc32c($0.baseAddress, $0.count) })
    bytes += [UInt8](repeating: 0, count: PreparedFormat.Field.headerChecksum - bytes.count)
    bytes.append(number: bytes.withUnsafeBytes { cloze_crc32c($0.baseAddress, $0.count) })
    return bytes
  }
}

/// Writing numbers to a header or table.
extension [UInt8] {
  fileprivate mutating func append<T: FixedWidthInteger>(number: T) {
    Swift.withUnsafeBytes(of: number.littleEndian) { append(contentsOf: $0) }
  }
}
