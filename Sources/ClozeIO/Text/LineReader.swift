internal import Glibc

/// Splits a file into lines of UTF-8. Memory is proportional to the longest line.
///
/// A line ends at LF or CR LF; the last one may end with the file. A byte-order mark at the start
/// is skipped. A line that is not UTF-8, or longer than `maximumLength`, is an error that names the
/// file and the line; so is a file that is no text, or in which CR alone ends lines.
package struct LineReader {
  /// One line, without its line ending.
  package struct Line {
    package let bytes: ArraySlice<UInt8>
    /// Counted from 1.
    package let number: Int
    /// LF, CR LF, or nothing where the file ends.
    package let ending: [UInt8]
    /// Bytes of a byte-order mark before the line.
    package var skipped = 0

    package var text: String { String(decoding: bytes, as: UTF8.self) }
  }

  /// Bounds memory for files without line endings. Models read only the first few thousand bytes of a text.
  package static let defaultMaximumLength = 64 << 20

  package let file: SequentialFile
  private let maximumLength: Int
  private var buffer: [UInt8]
  /// Bytes that were read and not returned yet are `buffer[start..<end]`; there is no LF before `searched`.
  private var start = 0
  private var searched = 0
  private var end = 0
  private var lineNumber = 0

  package init(_ file: SequentialFile, maximumLength: Int = LineReader.defaultMaximumLength, chunk: Int = 1 << 18) {
    self.file = file
    self.maximumLength = maximumLength
    buffer = [UInt8](repeating: 0, count: max(chunk, 16))
  }

  /// Bytes of the lines returned so far; the file is read ahead.
  package var bytesConsumed: Int { file.bytesRead - (end - start) }

  /// An error about a line: "notes.txt, line 7: REASON".
  package func failure(_ number: Int, _ reason: String) -> ClozeError {
    ClozeError(.invalidText, "\(file.name), line \(number): \(reason)")
  }

  /// Whether `next` would return without blocking.
  package var isReady: Bool { buffer[start..<end].contains(0x0A) || file.isReady }

  package mutating func next() throws(ClozeError) -> Line? {
    guard let line = try unchecked() else { return nil }
    try check(line)
    return line
  }

  /// Refuses a line that is not UTF-8.
  package func check(_ line: Line) throws(ClozeError) {
    guard let offset = UTF8Scan.firstInvalid(line.bytes) else { return }
    throw failure(line.number, "not UTF-8 at byte offset \(offset + line.skipped) of the line")
  }

  /// The next line, whatever its bytes.
  package mutating func unchecked() throws(ClozeError) -> Line? {
    while true {
      if let lineEnd = lineFeed() {
        let first = start
        start = lineEnd + 1
        searched = start
        let hasReturn = lineEnd > first && buffer[lineEnd - 1] == 0x0D
        return try line(from: first, to: hasReturn ? lineEnd - 1 : lineEnd, ending: hasReturn ? [0x0D, 0x0A] : [0x0A])
      }
      guard end - start <= maximumLength else { throw failure(lineNumber + 1, "longer than \(maximumLength) bytes") }
      if try !fill() {
        guard end > start else { return nil }
        let (first, last) = (start, end)
        start = end
        searched = end
        // A file with only a byte-order mark has no line.
        if lineNumber == 0, buffer[first..<last].elementsEqual(LineReader.byteOrderMark) { return nil }
        if lineNumber == 0, buffer[first..<last].contains(0x0D) { throw TextSignature.returnsAlone(file.name) }
        return try line(from: first, to: last, ending: [])
      }
    }
  }

  private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

  /// The index of the next LF in the buffer.
  private mutating func lineFeed() -> Int? {
    guard searched < end else { return nil }
    let (from, count) = (searched, end - searched)
    let distance = buffer.withUnsafeBytes { bytes -> Int? in
      guard let base = bytes.baseAddress, let found = memchr(base + from, 0x0A, count) else { return nil }
      return UnsafeRawPointer(found) - base
    }
    if distance == nil { searched = end }
    return distance
  }

  private mutating func line(from first: Int, to last: Int, ending: [UInt8]) throws(ClozeError) -> Line {
    lineNumber += 1
    var first = first
    var skipped = 0
    if lineNumber == 1, buffer[first..<last].starts(with: LineReader.byteOrderMark) {
      skipped = LineReader.byteOrderMark.count
      first += skipped
    }
    guard last - first <= maximumLength else { throw failure(lineNumber, "longer than \(maximumLength) bytes") }
    return Line(bytes: buffer[first..<last], number: lineNumber, ending: ending, skipped: skipped)
  }

  /// Reads more of the file into the buffer; false at the end.
  private mutating func fill() throws(ClozeError) -> Bool {
    if start > 0 {
      buffer.replaceSubrange(0..<(end - start), with: buffer[start..<end])
      searched -= start
      end -= start
      start = 0
    }
    if end == buffer.count { buffer.append(contentsOf: repeatElement(0, count: buffer.count)) }
    let (from, file) = (end, file)
    let count = try buffer.withUnsafeMutableBufferPointer { (buffer) throws(ClozeError) in
      try file.read(into: UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: buffer[from...])))
    }
    let isBegin = end == 0 && lineNumber == 0
    end += count
    if isBegin { try TextSignature.check(buffer[..<end], name: file.name) }
    return count > 0
  }
}
