import ClozeIO
import ClozeTokenizer
import Testing

/// Hostile input gives a result or an error.
@Suite struct RobustnessTests {
  private func broken(_ bytes: [UInt8], _ random: inout SplitMix64) -> [UInt8] {
    var bytes = bytes
    for _ in 0..<Int.random(in: 1...4, using: &random) {
      switch Int.random(in: 0..<4, using: &random) {
      case 0: bytes = Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &random)))
      case 1 where !bytes.isEmpty:
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      case 2:
        let at = Int.random(in: 0...bytes.count, using: &random)
        bytes.insert(contentsOf: Array("\"{}[]:,9\\un\n".utf8).shuffled(using: &random).prefix(3), at: at)
      default:
        let from = Int.random(in: 0...bytes.count, using: &random)
        bytes.removeSubrange(from..<min(bytes.count, from + Int.random(in: 0...9, using: &random)))
      }
    }
    return bytes
  }

  @Test func damagedFiles() throws {
    var random = SplitMix64(seed: 1)
    var good = 0
    var bad = 0
    let text = "The fox [MASK] e\u{301}\u{302E}  東 <br> x1 ##s"
    func tryIt(_ make: () throws -> Tokenizer) {
      do {
        let tokenizer = try make()
        good += 1
        _ = try? tokenizer.encode(text, pair: text, maxTokens: 9, truncation: .longestFirst)
        _ = tokenizer.token(for: 3)
      } catch { bad += 1 }
    }
    let vocabulary = try Fixture.bytes("vocab.txt")
    let added = try Fixture.bytes("added.json").filter { $0 != 0x20 && $0 != 0x0A }
    for _ in 0..<150 {
      let lines = broken(vocabulary, &random)
      tryIt { try Tokenizer(vocabulary: lines) }
      let json = broken(added, &random)
      tryIt { try Tokenizer(json: json) }
      let noise = (0..<Int.random(in: 0...300, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
      tryIt { try Tokenizer(vocabulary: noise) }
      tryIt { try Tokenizer(json: noise) }
      tryIt { try Tokenizer(vocabulary: vocabulary, config: noise) }
    }
    #expect(good > 50 && bad > 400)
  }

  @Test func randomBytesAsText() throws {
    var random = SplitMix64(seed: 2)
    let tokenizers = try ["vocab.txt", "added.json", "cased.json", "template.json"].map {
      try Tokenizer(path: Fixture.path($0))
    }
    let buffer = EncodingBuffer()
    for round in 0..<4000 {
      let count = Int.random(in: 0...40, using: &random)
      // Every other text is valid: scalars at random.
      var text: [UInt8] = []
      for _ in 0..<count {
        if round % 2 == 0 {
          text.append(UInt8.random(in: 0...255, using: &random))
        } else if let scalar = Unicode.Scalar(UInt32.random(in: 0...0x10FFFF, using: &random)) {
          text += Array(String(Character(scalar)).utf8)
        }
      }
      for tokenizer in tokenizers {
        buffer.removeAll()
        let isValid = String(validating: text, as: UTF8.self) != nil
        let outcome = try? text.withUnsafeBytes { try tokenizer.append($0, into: buffer) }
        #expect((outcome != nil) == isValid)
        for range in buffer.offsets { #expect(range.begin >= 0 && range.begin <= range.end && range.end <= text.count) }
      }
    }
  }

  @Test func tenMegabytes() throws {
    let tokenizer = try Tokenizer(path: Fixture.path("vocab.txt"))
    let line = "The quick brown fox, unaffable; 東京 Zürich [MASK] "
    let once = try tokenizer.encode(line).ids.dropFirst().dropLast()
    let times = 10_000_000 / line.utf8.count
    let encoding = try tokenizer.encode(String(repeating: line, count: times))
    #expect(encoding.ids.count == once.count * times + 2)
    #expect(Int(encoding.offsets[encoding.offsets.count - 2].end) == line.utf8.count * times - 1)
  }

  @Test func aMillionLetters() throws {
    let tokenizer = try Tokenizer(path: Fixture.path("vocab.txt"))
    for letter in ["a", "é", "e\u{301}", "\u{302E}"] {
      let word = String(repeating: letter, count: 1_000_000)
      let encoding = try tokenizer.encode(word)
      #expect(encoding.ids.count == 3 && encoding.ids[1] == tokenizer.unknownID)
      #expect(encoding.offsets[1].begin == 0)
    }
    let marks = try tokenizer.encode("a" + String(repeating: "\u{302E}\u{301}", count: 200_000))
    #expect(marks.ids.count == 3)
  }

  @Test func wordsWithoutALimit() throws {
    let model =
      #"{"max_input_chars_per_word":2147483647,"# + ###""vocab":{"[UNK]":0,"[CLS]":1,"[SEP]":2,"a":3,"##a":4}}"###
    let tokenizer = try Tokenizer(json: Array(#"{"pre_tokenizer":{"type":"BertPreTokenizer"},"model":\#(model)}"#.utf8))
    let encoding = try tokenizer.encode(String(repeating: "a", count: 100_000))
    #expect(encoding.ids.count == 100_002 && encoding.ids[2] == 4)
  }

  @Test func vocabulariesOfOddShapes() throws {
    // A very long token, many tokens with a common prefix, a token that equals the continuing prefix.
    var lines = ["[UNK]", "[CLS]", "[SEP]", String(repeating: "x", count: 500_000), "##"]
    for i in 0..<3000 { lines.append(String(repeating: "y", count: i % 150 + 1) + String(i)) }
    let tokenizer = try Tokenizer(vocabulary: Array(lines.joined(separator: "\n").utf8))
    #expect(tokenizer.token(for: 3)?.utf8.count == 500_000)
    #expect(try tokenizer.encode("xxx yy1 ##").ids == [1, 0, 6, 0, 0, 2])
  }
}
