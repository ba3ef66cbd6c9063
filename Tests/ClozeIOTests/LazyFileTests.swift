import ClozeTestSupport
import Testing

@testable import ClozeIO

/// A file that is read block by block, and may change meanwhile.
struct LazyFileTests {
  private static let numbers: [UInt8] = (0..<300_001).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }

  private func slice(_ file: LazyFile, _ range: Range<Int>) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: file.place[range])
  }

  @Test(arguments: [0..<300_001, 17..<299_990, 40_000..<40_001, 5..<5]) func readsWhatIsAskedFor(_ range: Range<Int>)
    throws
  {
    let onDisk = try TemporaryFile(Self.numbers)
    let file = try LazyFile(path: onDisk.path, range: range)
    #expect(file.place.count == range.count)
    let parts = [0..<min(1, range.count), 0..<range.count, (range.count / 2)..<range.count]
    for part in parts {
      let wanted = Self.numbers[range].dropFirst(part.lowerBound).prefix(part.count)
      var copy = [UInt8](repeating: 0xa5, count: part.count)
      if !copy.isEmpty {
        try copy.withUnsafeMutableBytes { target in
          if let base = target.baseAddress { try file.read(slice(file, part), to: base) }
        }
      }
      #expect(copy.elementsEqual(wanted))
      try file.fill(slice(file, part))
      #expect(slice(file, part).elementsEqual(wanted))
    }
  }

  @Test func aFileThatIsCutShort() throws {
    let onDisk = try TemporaryFile(Self.numbers)
    let file = try LazyFile(path: onDisk.path)
    try file.fill(slice(file, 0..<10))
    onDisk.cut(to: 100_000)
    // What was read stays; what is there still can be read.
    #expect(slice(file, 0..<10).elementsEqual(Self.numbers[..<10]))
    try file.fill(slice(file, 40_000..<50_000))
    let error = #expect(throws: ClozeError.self) { try file.fill(slice(file, 90_000..<200_000)) }
    #expect(error?.status == .io)
    #expect(error?.message.contains("\(onDisk.path) became shorter") == true)
    var room = [UInt8](repeating: 0, count: 100)
    #expect(throws: ClozeError.self) {
      try room.withUnsafeMutableBytes { try file.read(slice(file, 250_000..<250_100), to: $0.baseAddress!) }
    }
  }
}
