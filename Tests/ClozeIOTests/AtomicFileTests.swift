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
}
