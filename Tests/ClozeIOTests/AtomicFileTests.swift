import ClozeTestSupport
import Foundation
import Synchronization
import Testing

@testable import ClozeIO

/// Files that appear under their name when they are complete.
struct AtomicFileTests {
  /// Threads that write the same file leave one thread's, whole, and nothing beside it.
  @Test func oneNameFromManyThreads() throws {
    try withFolder { folder in
      let path = folder + "/head.safetensors"
      let failures = Mutex<[String]>([])
      DispatchQueue.concurrentPerform(iterations: 40) { i in
        var file = TensorFile()
        file.add("values", [10_000 + i], [Float](repeating: Float(i), count: 10_000 + i))
        do throws(ClozeError) {
          try file.write(to: path)
          let values = try TensorFile(path: path).floats("values")?.values ?? []
          if values.isEmpty || !values.allSatisfy({ $0 == Float(values.count - 10_000) }) {
            failures.withLock { $0.append("what thread \(i) read was mixed") }
          }
        } catch { failures.withLock { $0.append("\(error)") } }
      }
      #expect(failures.withLock { $0 } == [])
      let left = try FileManager.default.contentsOfDirectory(atPath: folder)
      #expect(left == ["head.safetensors"])
    }
  }

  /// What cannot be finished leaves what was there.
  @Test func failureKeepsTheOldFile() throws {
    try withFolder { folder in
      let path = folder + "/head.safetensors"
      try "old".write(toFile: path, atomically: false, encoding: .utf8)
      try AtomicFile(path: path).append([UInt8](repeating: 1, count: 100))
      #expect(try String(contentsOfFile: path, encoding: .utf8) == "old")
      let left = try FileManager.default.contentsOfDirectory(atPath: folder)
      #expect(left == ["head.safetensors"])
    }
  }

  /// A file keeps its permissions, a link its place.
  @Test func replacesWhatALinkLeadsTo() throws {
    try withFolder { folder in
      let path = folder + "/a"
      try "old".write(toFile: path, atomically: false, encoding: .utf8)
      chmod(path, 0o640)
      try FileManager.default.createSymbolicLink(atPath: folder + "/link", withDestinationPath: "a")
      let file = try AtomicFile(path: folder + "/link")
      try file.append(Array("new!".utf8))
      try file.overwrite(Array("N".utf8), at: 0)
      try file.commit()
      #expect(try String(contentsOfFile: path, encoding: .utf8) == "New!")
      let attributes = try FileManager.default.attributesOfItem(atPath: path)
      #expect(attributes[.posixPermissions] as? Int == 0o640)
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["a", "link"])
    }
  }

  @Test func writesToDevices() throws {
    let file = try AtomicFile(path: "/dev/null")
    try file.append([1, 2, 3])
    try file.commit()
    let error = #expect(throws: ClozeError.self) {
      try AtomicFile(path: "/dev/full").append([UInt8](repeating: 0, count: 10))
    }
    #expect(error == ClozeError(.io, "cannot write to /dev/full: No space left on device"))
  }

  /// The guard is told of the temporary file, and renaming or deleting happens in its hands.
  @Test func tellsItsGuard() throws {
    final class Guard: TemporaryFileGuard {
      let calls = Mutex<[String]>([])
      let isRefusing: Bool
      init(isRefusing: Bool = false) { self.isRefusing = isRefusing }
      func begin(_ path: String) throws(ClozeError) {
        if isRefusing { throw ClozeError(.outOfMemory, "no thread") }
        calls.withLock { $0.append("begin " + (path as NSString).lastPathComponent.prefix(7)) }
      }
      func end(_ path: String, _ action: () throws(ClozeError) -> Void) throws(ClozeError) {
        try action()
        calls.withLock { $0.append("end \(FileManager.default.fileExists(atPath: path))") }
      }
    }
    try withFolder { folder in
      let observer = Guard()
      try AtomicFile(path: folder + "/a", interruption: observer).commit()
      _ = try AtomicFile(path: folder + "/b", interruption: observer)
      #expect(observer.calls.withLock { $0 } == ["begin .cloze-", "end false", "begin .cloze-", "end false"])
      #expect(throws: ClozeError(.outOfMemory, "no thread")) {
        try AtomicFile(path: folder + "/c", interruption: Guard(isRefusing: true))
      }
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["a"])
    }
  }
}
