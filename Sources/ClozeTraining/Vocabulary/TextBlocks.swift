internal import ClozeIO

/// Reads files one after the other as blocks of whole words: each ends behind a blank, a tab or the end of a line or a
/// file. Memory is proportional to a block, or to the longest stretch of text without any of these.
struct TextBlocks {
  /// A piece of a file.
  struct Block {
    var bytes: [UInt8] = []
    var file = ""
    /// The number, from 1, of the line that the block begins in, and how many bytes of that line came before.
    var line = 1
    var column = 0
    /// Counts the blocks of all files from 0.
    var number = 0

    /// - Throws: `.invalidText` with file and line, where the bytes are not UTF-8.
    func check() throws(ClozeError) {
      guard let offset = UTF8Scan.firstInvalid(bytes) else { return }
      let before = bytes[..<offset]
      let lines = before.count { $0 == 0x0A }
      let begin = before.lastIndex(of: 0x0A).map { $0 + 1 } ?? -column
      throw ClozeError(
        .invalidText, "\(file), line \(line + lines): not UTF-8 at byte offset \(offset - begin) of the line")
    }
  }

  /// Bounds memory for files without blanks and line ends.
  static let longestWord = 64 << 20

  private let paths: [String]
  private let size: Int
  private var next = 0
  private var file: SequentialFile?
  /// What follows the last block in its file.
  private var rest: [UInt8] = []
  private var line = 1
  private var column = 0
  private var number = 0
  /// Bytes of all files read so far.
  private(set) var bytesRead = 0

  init(_ paths: [String], size: Int) {
    self.paths = paths
    self.size = size
  }

  /// The next block, which has at least one byte; nil after the last. Short reads make no difference to where blocks
  /// end.
  ///
  /// - Throws: `.notFound`, `.io`; `.invalidText` for a file that is no text, or with a word that exceeds memory.
  mutating func read() throws(ClozeError) -> Block? {
    while true {
      if file == nil {
        guard next < paths.count else { return nil }
        file = try SequentialFile(path: paths[next])
        (rest, line, column) = ([], 1, 0)
        next += 1
      }
      guard let file else { return nil }
      let isBegin = file.bytesRead == 0
      var block = Block(bytes: rest, file: file.name, line: line, column: column, number: number)
      rest = []
      var end: Int?
      while end == nil {
        let begin = block.bytes.count
        guard begin <= Self.longestWord else {
          throw ClozeError(
            .invalidText, "\(file.name), line \(line): more than \(Self.longestWord) bytes without a blank")
        }
        try fill(&block.bytes, to: max(size, 2 * begin), file)
        if isBegin, begin == 0 { try checkBegin(block.bytes, file.name) }
        // What was looked at before has no blank.
        end = file.isAtEnd ? block.bytes.count : block.bytes[begin...].lastIndex(where: Self.isBlank).map { $0 + 1 }
      }
      if file.isAtEnd { self.file = nil }
      guard let end, end > 0 else { continue }
      rest = Array(block.bytes[end...])
      block.bytes.removeLast(rest.count)
      count(block.bytes)
      number += 1
      return block
    }
  }

  /// Reads until there are `count` bytes, or the file ends.
  private mutating func fill(_ bytes: inout [UInt8], to count: Int, _ file: SequentialFile) throws(ClozeError) {
    var filled = bytes.count
    bytes.append(contentsOf: repeatElement(0, count: count - filled))
    while filled < count, !file.isAtEnd {
      let from = filled
      filled += try bytes.withUnsafeMutableBufferPointer { (bytes) throws(ClozeError) in
        try file.read(into: UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: bytes[from...])))
      }
      bytesRead += filled - from
    }
    bytes.removeLast(count - filled)
  }

  private func checkBegin(_ bytes: [UInt8], _ name: String) throws(ClozeError) {
    if isLFSPointer(bytes) { throw lfsPointer(name) }
    try TextSignature.check(bytes.prefix(64), name: name)
  }

  /// Moves the place to the end of a block.
  private mutating func count(_ bytes: [UInt8]) {
    let lines = bytes.count { $0 == 0x0A }
    if lines > 0 {
      line += lines
      column = bytes.count - 1 - (bytes.lastIndex(of: 0x0A) ?? 0)
    } else {
      column += bytes.count
    }
  }

  private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0A || byte == 0x09 }
}
