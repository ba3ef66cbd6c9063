/// A NumPy file of float32 [rows, columns], mapped.
///
/// Source: NumPy's format description (`numpy.lib.format`), versions 1.0 to 3.0.
package final class NPYFile: @unchecked Sendable {
  package let rows: Int
  package let columns: Int
  /// [rows, columns]
  package let values: UnsafePointer<Float>
  /// What follows the array, which NumPy does not read.
  package let trailer: UnsafeRawBufferPointer
  private let file: MappedFile

  /// - Throws: `.notFound`, `.io`; `.damaged` for anything but a C-ordered array of float32 with two dimensions, with its
  ///   path and what it is.
  package init(path: String) throws(ClozeError) {
    func refused(_ reason: String) -> ClozeError {
      ClozeError(.damaged, "\(path): \(reason); a NumPy array of float32 with shape (N, D) was expected")
    }
    let file = try MappedFile(mapping: path)
    let bytes = file.bytes
    guard bytes.count >= 12, bytes.prefix(6).elementsEqual([0x93] + Array("NUMPY".utf8)) else {
      throw refused("this is no NumPy file")
    }
    let isLong = bytes[6] > 1
    let length = (0..<(isLong ? 4 : 2)).reduce(0) { $0 | Int(bytes[8 + $1]) << (8 * $1) }
    let start = (isLong ? 12 : 10) + length
    guard (1...3).contains(bytes[6]), start <= bytes.count, length < 1 << 16 else { throw refused("a damaged header") }
    let text = String(decoding: bytes[(start - length)..<start].filter { $0 > 0x20 }, as: UTF8.self)
    /// What stands behind a key, up to one of the ends.
    func value(_ key: String, upTo end: Character) -> Substring? {
      let parts = text.split(separator: "'", omittingEmptySubsequences: false)
      guard let index = parts.firstIndex(where: { $0 == key }) else { return nil }
      let rest = parts[(index + 1)...].joined(separator: "'").dropFirst()
      return rest.firstIndex(of: end).map { rest[...$0] }
    }
    let type = value("descr", upTo: ",") ?? ""
    guard type == "'<f4'," else { throw refused("its elements are \(type.dropLast())") }
    guard value("fortran_order", upTo: ",") == "False," else { throw refused("it is in Fortran order") }
    let shape = value("shape", upTo: ")") ?? ""
    let sizes = shape.dropFirst().dropLast().split(separator: ",").map { Int($0) }
    guard sizes.count == 2, let rows = sizes[0], let columns = sizes[1], rows >= 0, columns >= 0 else {
      throw refused("its shape is \(shape)")
    }
    let (count, overflow) = rows.multipliedReportingOverflow(by: columns)
    let (size, again) = count.multipliedReportingOverflow(by: MemoryLayout<Float>.size)
    guard !overflow, !again, size <= bytes.count - start else {
      throw refused("it ends before its \(rows) x \(columns) elements")
    }
    guard let base = bytes.baseAddress, start % MemoryLayout<Float>.alignment == 0 else {
      throw refused("its elements are not aligned")
    }
    (self.rows, self.columns, self.file) = (rows, columns, file)
    values = UnsafeRawPointer(base + start).assumingMemoryBound(to: Float.self)
    trailer = UnsafeRawBufferPointer(rebasing: bytes[(start + size)...])
  }
}
