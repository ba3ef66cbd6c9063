import ClozeIO
import ClozeTestSupport
import Testing

@testable import ClozeONNX

/// Model files that are truncated while they are read.
struct TruncatedFileTests {
  /// The data of a tensor is read at its first use.
  @Test func aTensorThatIsGone() throws {
    var tiny = TinyModel()
    tiny.tensors = [
      TinyModel.tensor("large", [100_000], raw: [UInt8](repeating: 1, count: 400_000)),
      TinyModel.tensor("small", [2], raw: [UInt8](repeating: 2, count: 8)),
    ]
    let onDisk = try TemporaryFile(tiny.bytes)
    let graph = try ONNXFile(path: onDisk.path).graph
    let large = try #require(graph.tensors[0])
    let small = try #require(graph.tensors[1])
    onDisk.cut(to: 1000)
    #expect(try small.bytes().allSatisfy { $0 == 2 })
    var room = [Float](repeating: 0, count: 100_000)
    let error = #expect(throws: ClozeError.self) {
      try room.withUnsafeMutableBufferPointer { try large.copyFloat32(to: $0) }
    }
    #expect(error?.status == .io)
    #expect(throws: ClozeError.self) { try large.bytes() }
    #expect(throws: ClozeError.self) { try large.checkFinite() }
  }

  /// The parser reaches the end of the file early.
  @Test func aFileThatIsShorterThanItSaid() throws {
    let onDisk = try TemporaryFile([UInt8](repeating: 7, count: 300_001))
    let file = try LazyFile(path: onDisk.path)
    onDisk.cut(to: 0)
    let error = #expect(throws: ClozeError.self) { try ONNXStorage(file) }
    #expect(error?.status == .io)
  }
}
