import ClozeTokenizer
import Foundation
import Testing

@testable import Cloze

@Suite struct WordEncodingTests {
  /// The first token of each word, whether tokens include the blank before it (BPE), are it (Unigram), or neither.
  @Test(arguments: ["unigram", "bytes", "words", "word-piece"]) func firstTokens(name: String) throws {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Fixtures/tokenizer/stages/\(name).json").path
    let words = ["ab", "cde", "the", "a"]
    let encoded = try WordEncoding(words, Tokenizer(path: path), maxTokens: nil)
    #expect(encoded.pieces.map(\.word) == [0, 1, 2, 3])
    let text = Array(words.joined(separator: " ").utf8)
    let tokens = encoded.encoding.offsets
    for (word, token) in encoded.pieces {
      let begin = words[..<word].reduce(0) { $0 + $1.utf8.count + 1 }
      let place = Int(tokens[token].begin)..<Int(tokens[token].end)
      #expect(
        place.contains(begin) || place.upperBound == begin,
        "\(name): \(String(decoding: text[place], as: UTF8.self)) for \(words[word])")
    }
  }
}
