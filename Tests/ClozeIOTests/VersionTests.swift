import Foundation
import Testing

@testable import ClozeIO

@Test func versionIsThatOfTheHeader() throws {
  let header = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
    "../../include/cloze.h")
  let text = try String(contentsOf: header, encoding: .utf8)
  let numbers = ["MAJOR", "MINOR", "PATCH"].map { name in
    text.split(separator: "\n").first { $0.hasPrefix("#define CLOZE_VERSION_\(name) ") }?.split(separator: " ").last
      .map(String.init) ?? "?"
  }
  #expect(numbers.joined(separator: ".") == "\(libraryVersion)")
}
