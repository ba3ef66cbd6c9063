import ClozeTokenizer
import Testing

@Suite struct EncodingTests {
  private func tokenizer() throws -> Tokenizer { try Tokenizer(path: Fixture.path("vocab.txt")) }

  @Test func bytesAndStringsAreOne() throws {
    let tokenizer = try tokenizer()
    for text in ["", "Hello [MASK] wörld", "東京\u{301}"] {
      var copy = text
      let fromBytes = try copy.withUTF8 { bytes in try tokenizer.encode(UnsafeRawBufferPointer(bytes)) }
      #expect(try tokenizer.encode(text) == fromBytes)
    }
    #expect(try tokenizer.encode(UnsafeRawBufferPointer(start: nil, count: 0)).ids.count == 2)
  }

  @Test func batchesStandEndToEnd() throws {
    let tokenizer = try tokenizer()
    let buffer = EncodingBuffer()
    let plain = EncodingBuffer(keepsOffsets: false)
    var ids: [Int32] = []
    for (text, pair) in [("the fox", nil), ("", "dog"), ("[MASK]", "x")] as [(String, String?)] {
      let alone = try tokenizer.encode(text, pair: pair)
      ids += alone.ids
      #expect(try tokenizer.append(text, pair: pair, into: buffer) == false)
      try tokenizer.append(text, pair: pair, into: plain)
    }
    #expect(buffer.ids == ids && plain.ids == ids)
    #expect(buffer.typeIDs == plain.typeIDs && buffer.typeIDs.count == ids.count)
    #expect(buffer.offsets.count == ids.count && plain.offsets.isEmpty)
    buffer.removeAll()
    #expect(buffer.ids.isEmpty && buffer.typeIDs.isEmpty && buffer.offsets.isEmpty)
  }

  @Test func nothingIsAppendedOnError() throws {
    let tokenizer = try tokenizer()
    let buffer = EncodingBuffer()
    try tokenizer.append("fox", into: buffer)
    let before = buffer.ids
    for text in [[0x66, 0x80], [0x66, 0x6F, 0x78, 0xF5]] as [[UInt8]] {
      _ = refusal { try text.withUnsafeBytes { bytes in try tokenizer.append(bytes, into: buffer) } }
    }
    _ = refusal { try tokenizer.append("fox dog", maxTokens: 3, into: buffer) }
    #expect(buffer.ids == before && buffer.offsets.count == before.count)
  }

  @Test(
    arguments: [
      ([0x80], 0), ([0x61, 0xC3], 1), ([0x61, 0xC0, 0x80], 1), ([0xE0, 0x80, 0x80], 0), ([0xED, 0xA0, 0x80], 0),
      ([0xF4, 0x90, 0x80, 0x80], 0), ([0xC3, 0xA9, 0xE4, 0xB8], 2),
      ([0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0xFF], 9), ([0xF0, 0x9F, 0x98, 0x41], 0),
    ] as [([UInt8], Int)]) func invalidUTF8IsNamed(_ bytes: [UInt8], _ position: Int) throws
  {
    let tokenizer = try tokenizer()
    let single = refusal { try bytes.withUnsafeBytes { bytes in try tokenizer.encode(bytes) } }
    #expect(single.status == .invalidText)
    #expect(single.message == "text is not valid UTF-8 at byte \(position)")
    let second = refusal {
      try bytes.withUnsafeBytes { bytes in
        try tokenizer.encode(UnsafeRawBufferPointer(start: nil, count: 0), pair: bytes)
      }
    }
    #expect(second.message == "the second text is not valid UTF-8 at byte \(position)")
  }

  @Test func lengthsAreNamed() throws {
    let tokenizer = try tokenizer()
    func message(_ text: String, _ pair: String?, _ limit: Int, _ rule: Truncation) -> String {
      let error = refusal { try tokenizer.encode(text, pair: pair, maxTokens: limit, truncation: rule) }
      #expect(error.status == .tooLong)
      return error.message
    }
    #expect(message("the quick fox", nil, 4, .error) == "text needs 5 tokens, the limit is 4")
    #expect(message("the", nil, 1, .longestFirst) == "at most 1 tokens are allowed, the special tokens alone are 2")
    #expect(message("the", nil, -5, .longestFirst).contains("at most -5"))
    #expect(
      message("the fox dog", nil, 3, .onlySecond)
        == "text needs 5 tokens, the limit is 3, and there is no second text to cut")
    #expect(
      message("the", "fox dog world", 5, .onlyFirst) == "the pair needs 7 tokens, the limit is 5, "
        + "and cutting the first text alone (1 tokens) does not help")
    #expect(try tokenizer.encode("the fox", maxTokens: 2, truncation: .longestFirst).ids.count == 2)
    #expect(try tokenizer.encode("the fox", maxTokens: 4).truncated == false)
    #expect(try tokenizer.encode("a", maxTokens: Int.max, truncation: .onlyFirst).truncated == false)
  }

  @Test func truncationNeedsNotReadOn() throws {
    let tokenizer = try tokenizer()
    let long = String(repeating: "the fox ", count: 10_000)
    let all = try tokenizer.encode(long)
    let cut = try tokenizer.encode(long, maxTokens: 100, truncation: .longestFirst)
    #expect(cut.truncated && cut.ids.count == 100)
    #expect(cut.ids.dropLast() == all.ids.prefix(99))
    #expect(cut.ids.last == tokenizer.sepID)
  }

  @Test func namesAndIDs() throws {
    let tokenizer = try tokenizer()
    #expect(tokenizer.clsID == tokenizer.id(of: "[CLS]") && tokenizer.clsID == 3)
    #expect(tokenizer.sepID == 4 && tokenizer.maskID == 5 && tokenizer.padID == 0)
    #expect(tokenizer.unknownID == 2)
    #expect(tokenizer.lowercase && tokenizer.stripAccents && tokenizer.modelMaxLength == nil)
    #expect(tokenizer.token(for: 5) == "[MASK]")
    #expect(tokenizer.token(for: -1) == nil && tokenizer.token(for: Int32.max) == nil)
    #expect(tokenizer.tokenPointer(for: Int32(tokenizer.vocabularySize)) == nil)
    for id in 0..<Int32(tokenizer.vocabularySize) {
      let token = try #require(tokenizer.token(for: id))
      #expect(tokenizer.id(of: token) == id)
      #expect(String(cString: try #require(tokenizer.tokenPointer(for: id))) == token)
    }
    #expect(tokenizer.id(of: "no such token") == nil && tokenizer.id(of: "") == nil)
  }

  @Test func threadsShareATokenizer() async throws {
    let tokenizer = try tokenizer()
    let text = "The quick brown fox jumped over the lazy dog, Zürich 東京 [MASK]."
    let wanted = try tokenizer.encode(text)
    await withTaskGroup(of: Bool.self) { group in
      for _ in 0..<4 {
        group.addTask {
          let buffer = EncodingBuffer()
          for _ in 0..<200 {
            buffer.removeAll()
            _ = try? tokenizer.append(text, into: buffer)
            if buffer.ids != wanted.ids || buffer.offsets != wanted.offsets { return false }
          }
          return true
        }
      }
      for await same in group { #expect(same) }
    }
  }
}
