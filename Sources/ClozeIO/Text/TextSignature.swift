/// Files that hold no lines of UTF-8, told by how they begin.
package enum TextSignature {
  /// The formats whose first bytes cannot begin a text, and what makes a text of them.
  private static let formats: [(magic: [UInt8], name: String, advice: String)] = [
    ([0x1F, 0x8B], "compressed with gzip", "decompress it first, with gzip -dk"),
    ([0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00], "compressed with xz", "decompress it first, with xz -dk"),
    (Array("BZh".utf8), "compressed with bzip2", "decompress it first, with bzip2 -dk"),
    ([0x28, 0xB5, 0x2F, 0xFD], "compressed with Zstandard", "decompress it first, with zstd -d"),
    ([0x04, 0x22, 0x4D, 0x18], "compressed with LZ4", "decompress it first, with lz4 -d"),
    ([0x50, 0x4B, 0x03, 0x04], "a ZIP archive, which spreadsheets are too", "take the text out of it first"),
    (Array("PAR1".utf8), "a Parquet file", "write its columns as JSON lines or CSV first"),
    (Array("ARROW1".utf8), "an Arrow file", "write its columns as JSON lines or CSV first"),
    ([0x93] + Array("NUMPY".utf8), "a NumPy array", "texts are read from text"),
    ([0xFF, 0xFE, 0x00, 0x00], "text in UTF-32", "convert it to UTF-8 first, with iconv -f UTF-32 -t UTF-8"),
    ([0xFF, 0xFE], "text in UTF-16", "convert it to UTF-8 first, with iconv -f UTF-16 -t UTF-8"),
    ([0xFE, 0xFF], "text in UTF-16", "convert it to UTF-8 first, with iconv -f UTF-16 -t UTF-8"),
  ]

  /// Refuses a file that is no text in UTF-8 by its first bytes, of which 64 are enough.
  ///
  /// - Throws: `.invalidText`, with the file's name, what it is, and what makes a text of it.
  package static func check(_ begin: some Collection<UInt8>, name: String) throws(ClozeError) {
    let begin = Array(begin.prefix(64))
    if let found = formats.first(where: { begin.starts(with: $0.magic) }) {
      // Three letters are a text, a block of bzip2 begins with a level and six fixed bytes.
      let isText = found.magic == Array("BZh".utf8) && !begin.dropFirst(4).starts(with: [0x31, 0x41, 0x59, 0x26])
      if !isText { throw ClozeError(.invalidText, "\(name) is \(found.name): \(found.advice)") }
    }
    // UTF-16 without a mark: every other byte of Latin letters is zero.
    for (first, order) in [(1, "UTF-16LE"), (0, "UTF-16BE")] where begin.count >= 4 {
      let zeros = stride(from: first, to: begin.count, by: 2).allSatisfy { begin[$0] == 0 }
      let others = stride(from: 1 - first, to: begin.count, by: 2).allSatisfy { begin[$0] != 0 }
      if zeros, others {
        throw ClozeError(
          .invalidText, "\(name) is text in UTF-16: convert it to UTF-8 first, with iconv -f \(order) -t UTF-8")
      }
    }
  }

  /// The error for a file in which carriage returns alone end lines, which would make one line of it.
  package static func returnsAlone(_ name: String) -> ClozeError {
    ClozeError(
      .invalidText,
      "\(name), line 1: ended by a carriage return (CR) alone, as nowhere else in the file a line ends: convert the "
        + "line ends to LF, with tr '\\r' '\\n'")
  }
}
