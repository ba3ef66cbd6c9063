import ClozeIO
import Foundation

@testable import ClozeCommand

/// A folder of a test's own, deleted with the object.
final class TemporaryFolder {
  let path: String

  init() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
      "cloze-command-tests-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    path = folder.path
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// The path of a file in the folder.
  func file(_ name: String) -> String { path + "/" + name }

  /// Writes a file and returns its path.
  func write(_ content: [UInt8], to name: String) throws -> String {
    try Data(content).write(to: URL(fileURLWithPath: file(name)))
    return file(name)
  }

  func write(_ content: String, to name: String) throws -> String { try write(Array(content.utf8), to: name) }

  /// The content of a file. Not through `Data`, which leaks where a file is empty.
  func bytes(of name: String) throws -> [UInt8] { try ClozeIO.contents(of: file(name)) }

  /// Everything in the folder, hidden files too.
  var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() }
}

/// Random numbers that are the same in every run.
typealias FixedRandom = SplitMix64
