import Foundation
import Testing

@testable import ClozeONNX

/// Files are read piece by piece while their models load, and may change under way.
struct FileBytesTests {
  /// A file that is gone when this is.
  struct File: ~Copyable {
    let path = FileManager.default.temporaryDirectory.appending(path: "cloze-\(UUID().uuidString)").path

    init(_ bytes: [UInt8]) throws { try Data(bytes).write(to: URL(filePath: path)) }

    deinit { unlink(path) }

    func cut(to size: Int) { #expect(truncate(path, off_t(size)) == 0) }
  }

  private static let numbers: [UInt8] = (0..<300_001).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }

  private func slice(_ file: FileBytes, _ range: Range<Int>) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: file.place[range])
  }

  @Test(arguments: [0..<300_001, 17..<299_990, 40_000..<40_001, 5..<5])
  func readsWhatIsAskedFor(_ range: Range<Int>) throws {
    let onDisk = try File(Self.numbers)
    let file = try FileBytes(path: onDisk.path, range: range)
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
    let onDisk = try File(Self.numbers)
    let file = try FileBytes(path: onDisk.path)
    try file.fill(slice(file, 0..<10))
    onDisk.cut(to: 100_000)
    // What was read stays; what is there still can be read.
    #expect(slice(file, 0..<10).elementsEqual(Self.numbers[..<10]))
    try file.fill(slice(file, 40_000..<50_000))
    let error = #expect(throws: ONNXError.self) { try file.fill(slice(file, 90_000..<200_000)) }
    #expect(error?.kind == .io)
    #expect(error?.message.contains("\(onDisk.path) became shorter") == true)
    var room = [UInt8](repeating: 0, count: 100)
    #expect(throws: ONNXError.self) {
      try room.withUnsafeMutableBytes { try file.read(slice(file, 250_000..<250_100), to: $0.baseAddress!) }
    }
  }

  /// The data of a tensor is read when it is used, and only then.
  @Test func aTensorThatIsGone() throws {
    var tiny = TinyModel()
    tiny.tensors = [
      TinyModel.tensor("large", [100_000], raw: [UInt8](repeating: 1, count: 400_000)),
      TinyModel.tensor("small", [2], raw: [UInt8](repeating: 2, count: 8)),
    ]
    let onDisk = try File(tiny.bytes)
    let graph = try ONNXFile(path: onDisk.path).graph
    let large = try #require(graph.tensors[0])
    let small = try #require(graph.tensors[1])
    onDisk.cut(to: 1000)
    #expect(try small.bytes().allSatisfy { $0 == 2 })
    var room = [Float](repeating: 0, count: 100_000)
    let error = #expect(throws: ONNXError.self) {
      try room.withUnsafeMutableBufferPointer { try large.copyFloat32(to: $0) }
    }
    #expect(error?.kind == .io)
    #expect(throws: ONNXError.self) { try large.bytes() }
    #expect(throws: ONNXError.self) { try large.checkFinite() }
  }

  /// The walk meets the end before it was through.
  @Test func aFileThatIsShorterThanItSaid() throws {
    let onDisk = try File(Self.numbers)
    let file = try FileBytes(path: onDisk.path)
    onDisk.cut(to: 0)
    let error = #expect(throws: ONNXError.self) { try ONNXStorage(file) }
    #expect(error?.kind == .io)
  }
}
