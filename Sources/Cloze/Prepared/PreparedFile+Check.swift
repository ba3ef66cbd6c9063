internal import CClozeSupport

extension PreparedFile {
  /// Compares every section, or those named, with its checksum.
  func check(_ wanted: [String]? = nil, threads: Int = 1) throws(ClozeError) {
    let check = SectionCheck(self, wanted ?? names)
    try check.run(threads: threads)
    if let name = check.firstDamaged() {
      throw damaged("section \"\(name)\" is damaged: its checksum does not match")
    }
  }
}

/// The checksums of sections, computed piece by piece on several threads.
private final class SectionCheck {
  /// So that threads share out even the largest section evenly, and starting a piece costs nothing.
  static let pieceSize = 1 << 20

  private let bytes: UnsafeRawBufferPointer
  private let sections: [(name: String, section: PreparedFile.Section)]
  private let pieces: [Range<Int>]
  private let found: UnsafeMutablePointer<UInt32>
  private var team: OpaquePointer?

  init(_ file: PreparedFile, _ names: [String]) {
    bytes = file.storage.bytes
    sections = names.compactMap { name in file.section(name).map { (name, $0) } }
    pieces = sections.flatMap { Self.pieces(of: $0.section.range) }
    found = .allocate(capacity: max(pieces.count, 1))
    found.update(repeating: 0, count: pieces.count)
  }

  deinit { found.deallocate() }

  private static func pieces(of range: Range<Int>) -> [Range<Int>] {
    stride(from: range.lowerBound, to: range.upperBound, by: pieceSize).map {
      $0..<min($0 + pieceSize, range.upperBound)
    }
  }

  func run(threads: Int) throws(ClozeError) {
    // A thread takes as long to start as half a megabyte to be summed.
    let total = pieces.reduce(0) { $0 + $1.count }
    let useful = max(1, min(threads, total / (4 * Self.pieceSize)))
    guard let team = cloze_team_create(Int32(useful)) else {
      throw ClozeError(.outOfMemory, "no memory for \(useful) threads")
    }
    defer { cloze_team_free(team) }
    self.team = team
    let body: @convention(c) (UnsafeMutableRawPointer?, Int32) -> Void = { context, _ in
      guard let context else { return }
      Unmanaged<SectionCheck>.fromOpaque(context).takeUnretainedValue().work()
    }
    let context = Unmanaged.passUnretained(self).toOpaque()
    // Threads that can't be had are no reason not to load.
    if cloze_team_run(team, 1, body, context) != 0 { _ = cloze_team_run(team, 0, body, context) }
  }

  private func work() {
    guard let team else { return }
    while true {
      let next = cloze_team_next(team)
      if next >= pieces.count { return }
      let piece = pieces[next]
      found[next] = cloze_crc32c(bytes.baseAddress.map { $0 + piece.lowerBound }, piece.count)
    }
  }

  /// The first section whose pieces do not make its checksum.
  func firstDamaged() -> String? {
    var next = 0
    for (name, section) in sections {
      var sum: UInt32 = 0
      for piece in Self.pieces(of: section.range) {
        sum = cloze_crc32c_join(sum, found[next], piece.count)
        next += 1
      }
      if sum != section.checksum { return name }
    }
    return nil
  }
}
