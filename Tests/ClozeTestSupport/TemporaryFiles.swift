import Foundation

/// Calls `body` with the path of a new folder, which is deleted afterwards.
public func withFolder(_ body: (_ path: String) throws -> Void) throws {
  let folder = FileManager.default.temporaryDirectory.appending(path: "cloze-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  try body(folder.path)
}

/// A file that is deleted with this value.
public struct TemporaryFile: ~Copyable {
  public let path = FileManager.default.temporaryDirectory.appending(path: "cloze-\(UUID().uuidString)").path

  public init(_ bytes: [UInt8]) throws { try Data(bytes).write(to: URL(filePath: path)) }

  deinit { unlink(path) }

  /// Truncates the file.
  public func cut(to size: Int) { precondition(truncate(path, off_t(size)) == 0) }
}
