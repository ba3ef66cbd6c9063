import ArgumentParser
import ClozeTokenizer

internal import Glibc

/// The tokenizer on the lines of a file.
struct Tokenizing: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tokenizer", abstract: "The tokenizer: characters and tokens a second.")

  @Argument(help: "What a tokenizer is made of: a folder, a vocab.txt or a tokenizer.json.")
  var tokenizer: String
  @Argument(help: "Texts, one a line.") var file: String
  @Option(help: "How long it is measured.") var seconds = 2.0

  func run() throws {
    let tokenizer = try Tokenizer(path: self.tokenizer)
    let bytes = try contents(of: file)
    let lines = bytes.split(separator: UInt8(ascii: "\n"))
    let characters = String(decoding: bytes, as: UTF8.self).unicodeScalars.count - lines.count
    guard characters > 0 else { throw BenchmarkFailure(description: "\(file) holds no text") }

    let buffer = EncodingBuffer()
    func encode() throws {
      buffer.removeAll()
      for line in lines { try line.withUnsafeBytes { _ = try tokenizer.append($0, into: buffer) } }
    }
    // Unknown tokens only would be no tokenizing.
    try encode()
    let expected = buffer.ids
    let unknown = expected.count { $0 == tokenizer.unknownID }
    guard expected.count > 2 * lines.count, unknown * 2 < expected.count else {
      throw BenchmarkFailure(description: "\(file): the vocabulary knows too little of it")
    }
    var failure: (any Error)?
    let time = leastTime(seconds: seconds) {
      do { try encode() } catch { failure = error }
    }
    if let failure { throw failure }
    guard buffer.ids == expected else {
      throw BenchmarkFailure(description: "two runs gave different tokens")
    }
    print(
      "\(lines.count) lines, \(characters) characters, \(expected.count) tokens: "
        + "\(column(Double(characters) / time / 1e6, 1, 0)) million characters/s, "
        + "\(column(Double(expected.count) / time / 1e6, 1, 0)) million tokens/s")
  }

  private func contents(of path: String) throws -> [UInt8] {
    guard let file = fopen(path, "r") else {
      throw BenchmarkFailure(description: "\(path) can't be opened")
    }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = fread(&buffer, 1, buffer.count, file)
      if count == 0 { return bytes }
      bytes += buffer[..<count]
    }
  }
}
