import ArgumentParser
import ClozeIO
import ClozeTokenizer

/// Benchmark of the tokenizer on the lines of a file.
struct Tokenizing: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tokenizer", abstract: "Measure the tokenizer: characters and tokens per second.")

  @Argument(help: "A file of a tokenizer, or a folder with one.") var tokenizer: String
  @Argument(help: "A file of texts, one per line.") var file: String
  @Option(help: "Measuring time, in seconds.") var seconds = 2.0

  func run() throws {
    var loaded: Tokenizer?
    var refusal: (any Error)?
    let loading = leastTime(seconds: seconds / 4) {
      do { loaded = try Tokenizer(path: self.tokenizer) } catch { refusal = error }
    }
    if let refusal { throw refusal }
    guard let tokenizer = loaded else { return }
    let bytes = try contents(of: file)
    let lines = bytes.split(separator: UInt8(ascii: "\n"))
    let characters = String(decoding: bytes, as: UTF8.self).unicodeScalars.count - lines.count
    guard characters > 0 else { throw BenchmarkFailure(description: "\(file) holds no text") }

    let buffer = EncodingBuffer()
    func encode() throws {
      buffer.removeAll()
      for line in lines { try line.withUnsafeBytes { _ = try tokenizer.append($0, into: buffer) } }
    }
    // Unknown words are cheaper than known ones.
    try encode()
    let expected = buffer.ids
    let unknown = expected.count { $0 == tokenizer.unknownID }
    guard expected.count > 2 * lines.count, unknown * 2 < expected.count else {
      throw BenchmarkFailure(description: "\(file): most of its words are unknown to the vocabulary")
    }
    var failure: (any Error)?
    let time = leastTime(seconds: seconds) { do { try encode() } catch { failure = error } }
    if let failure { throw failure }
    guard buffer.ids == expected else { throw BenchmarkFailure(description: "two runs gave different tokens") }
    print(
      "\(tokenizer.modelType), loaded in \(column(loading * 1e3, 1, 1)) ms; "
        + "\(lines.count) lines, \(characters) characters, \(expected.count) tokens: "
        + "\(column(Double(characters) / time / 1e6, 1, 0)) million characters/s, "
        + "\(column(Double(expected.count) / time / 1e6, 1, 0)) million tokens/s")
  }
}
