internal import CClozeSupport
internal import ClozeIO

/// Checksums of sections, computed by several threads.
extension PreparedFile {
  /// Bytes that a thread sums at once: small enough to divide the largest section evenly over the threads.
  private static let pieceSize = 1 << 20

  /// Compares the checksums of all sections, or of those named.
  ///
  /// - Throws: `.invalidModel` where one does not match, `.outOfMemory`.
  func check(_ wanted: [String]? = nil, threads: Int = 1) throws(ClozeError) {
    let sections = (wanted ?? names).compactMap { name in section(name).map { (name, $0) } }
    let pieces = sections.flatMap { Self.pieces(of: $0.1.range) }
    let total = pieces.reduce(0) { $0 + $1.count }
    let bytes = storage.bytes
    var found = [UInt32](repeating: 0, count: pieces.count)
    // Starting a thread takes as long as summing half a megabyte.
    let team = try Team(threads: max(1, min(threads, total / (4 * Self.pieceSize))))
    try found.withUnsafeMutableBufferPointer { found throws(ClozeError) in
      try team.forEach(pieces.count) { i, _ throws(ClozeError) in
        found[i] = cloze_crc32c(bytes.baseAddress.map { $0 + pieces[i].lowerBound }, pieces[i].count)
      }
    }
    var next = 0
    for (name, section) in sections {
      var sum: UInt32 = 0
      for piece in Self.pieces(of: section.range) {
        sum = cloze_crc32c_join(sum, found[next], piece.count)
        next += 1
      }
      guard sum == section.checksum else {
        throw damaged("section \"\(name)\" is damaged: its checksum does not match")
      }
    }
  }

  private static func pieces(of range: Range<Int>) -> [Range<Int>] {
    stride(from: range.lowerBound, to: range.upperBound, by: pieceSize).map {
      $0..<min($0 + pieceSize, range.upperBound)
    }
  }
}
