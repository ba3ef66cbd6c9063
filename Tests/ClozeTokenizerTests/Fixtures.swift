import ClozeIO
import ClozeTokenizer
import Foundation
import Testing

/// The files of Tests/Fixtures/tokenizer.
enum Fixture {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fixtures/tokenizer")

  static func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

  static func bytes(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: folder.appendingPathComponent(name)))
  }

  static func lines(_ name: String) throws -> [Substring] {
    String(decoding: try bytes(name), as: UTF8.self).split(separator: "\n")
  }
}

/// The error that a body throws; records an issue where it throws none.
func refusal<T>(_ sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> T) -> ClozeError {
  do {
    _ = try body()
    Issue.record("nothing was refused", sourceLocation: sourceLocation)
  } catch let error as ClozeError { return error } catch {
    Issue.record("\(error) is not a ClozeError", sourceLocation: sourceLocation)
  }
  return ClozeError(.io, "")
}
