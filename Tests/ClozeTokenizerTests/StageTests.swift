import ClozeIO
import Foundation
import Testing

@testable import ClozeTokenizer

/// The stages of a tokenizer.json; what they make of text is in ReferenceTests.
@Suite struct StageTests {
  /// A tokenizer.json of a model, and more.
  private static func json(_ model: String, _ more: String = "") -> [UInt8] {
    Array(#"{"version":"1.0","model":\#(model)\#(more)}"#.utf8)
  }

  private static let unigram = #"{"type":"Unigram","unk_id":0,"vocab":[["<unk>",0],["a",-1],["ab",-1.5]]}"#
  private static let bpe = #"{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}"#

  private static func normalizer(_ text: String) -> [UInt8] { json(unigram, #","normalizer":\#(text)"#) }
  private static func splitter(_ text: String) -> [UInt8] { json(unigram, #","pre_tokenizer":\#(text)"#) }

  /// What contradicts itself, or is not read, is refused with its place.
  @Test(
    arguments: [
      (json(#"{"type":"Unigram","vocab":[["a"]]}"#), .damaged, "model.vocab[0] has no score"),
      (json(#"{"type":"Unigram","vocab":[["a","x"]]}"#), .damaged, "model.vocab[0][1] is a string, a number"),
      (json(#"{"type":"Unigram","vocab":[["a",1e999]]}"#), .damaged, "model.vocab[0][1] is out of range"),
      (json(#"{"type":"Unigram","vocab":[[7,1]]}"#), .damaged, "model.vocab[0][0] is a number, a string"),
      (json(#"{"type":"Unigram","vocab":[["a",1,2]]}"#), .damaged, "model.vocab[0] has more than"),
      (json(#"{"type":"Unigram","vocab":[]}"#), .damaged, "model.vocab is empty"),
      (json(#"{"type":"Unigram","vocab":{"a":1}}"#), .damaged, "model.vocab is an object, an array"),
      (json(#"{"type":"Unigram","unk_id":9,"vocab":[["a",1]]}"#), .damaged, "model.unk_id is 9, "),
      (json(#"{"type":"Unigram","unk_id":-1,"vocab":[["a",1]]}"#), .damaged, "model.unk_id is -1"),
      (json(#"{"type":"Unigram","vocab":[["a\u0000",1]]}"#), .unsupportedTokenizer, "model.vocab has a NUL in entry 0"),
      (json(#"{"type":"BPE","vocab":{"a":0}}"#), .damaged, "model has no merges"),
      (json(#"{"type":"BPE","vocab":{"a":0},"merges":["a b"]}"#), .damaged, #"merges[0] needs the token "b""#),
      (
        json(#"{"type":"BPE","vocab":{"a":0,"b":1},"merges":["a b"]}"#), .damaged, #"merges[0] needs the token "ab""#
      ),
      (json(#"{"type":"BPE","vocab":{"a":0},"merges":["a"]}"#), .damaged, "model.merges[0] is \"a\""),
      (json(#"{"type":"BPE","vocab":{"a":0},"merges":[["a"]]}"#), .damaged, "model.merges[0] is not a list of two"),
      (json(#"{"type":"BPE","vocab":{"a":0},"merges":[7]}"#), .damaged, "model.merges[0] is a number"),
      (json(#"{"type":"BPE","vocab":{"a":0,"b":0},"merges":[]}"#), .damaged, "gives two tokens the same id"),
      (
        json(#"{"type":"BPE","dropout":0.1,"vocab":{"a":0},"merges":[]}"#), .unsupportedTokenizer,
        "model.dropout is 0.1"
      ), (normalizer(#"{"type":"Uppercase"}"#), .unsupportedTokenizer, "normalizer is a Uppercase"),
      (
        normalizer(#"{"type":"Precompiled","precompiled_charsmap":"AAEAAA=="}"#), .damaged,
        "normalizer.precompiled_charsmap says that its trie has 256 bytes, and has 0"
      ),
      (
        normalizer(#"{"type":"Precompiled","precompiled_charsmap":"A?=="}"#), .damaged,
        "normalizer.precompiled_charsmap is not base64 at character 1"
      ),
      (normalizer(#"{"type":"Precompiled","precompiled_charsmap":"AAA"}"#), .damaged, "cut short"),
      (normalizer(#"{"type":"Strip","strip_left":1}"#), .damaged, "normalizer.strip_left is a number"),
      (
        normalizer(#"{"type":"Replace","pattern":{"Regex":"(a)\\1"},"content":""}"#), .unsupportedTokenizer,
        #"normalizer.pattern.Regex is the regular expression "(a)\1", \1 in it is not supported"#
      ),
      (
        normalizer(#"{"type":"Replace","pattern":{"Regex":"a*"},"content":""}"#), .unsupportedTokenizer,
        "a match of no characters"
      ), (normalizer(#"{"type":"Replace","pattern":{"Regex":"(?:"},"content":""}"#), .unsupportedTokenizer, "group"),
      (
        normalizer(#"{"type":"Replace","pattern":{"Regex":"[b-a]"},"content":""}"#), .unsupportedTokenizer,
        "wrong way round"
      ), (splitter(#"{"type":"UnicodeScripts"}"#), .unsupportedTokenizer, "pre_tokenizer is a UnicodeScripts"),
      (splitter(#"{"type":"Metaspace","replacement":"ab"}"#), .damaged, "pre_tokenizer.replacement is not one"),
      (
        splitter(#"{"type":"Metaspace","replacement":"a","prepend_scheme":"last"}"#), .unsupportedTokenizer,
        #"pre_tokenizer.prepend_scheme is "last""#
      ),
      (
        splitter(#"{"type":"Punctuation","behavior":"Kept"}"#), .unsupportedTokenizer,
        #"pre_tokenizer.behavior is "Kept""#
      ),
      (
        json(unigram, #","post_processor":{"type":"Sequence","processors":[\#(roberta),\#(roberta)]}"#),
        .unsupportedTokenizer, "post_processor.processors[1] is a second one"
      ),
    ] as [([UInt8], ClozeError.Cause, String)]) func refused(_ file: [UInt8], _ cause: ClozeError.Cause, _ part: String)
  {
    let error = refusal { try Tokenizer(json: file) }
    #expect(error.cause == cause)
    #expect(error.message.contains(part), "\(error)")
  }

  private static let roberta = #"{"type":"RobertaProcessing","sep":["a",1],"cls":["a",1]}"#

  @Test func unknownTokens() throws {
    let without = try Tokenizer(json: Self.json(#"{"type":"Unigram","unk_id":null,"vocab":[["a",-1]]}"#))
    #expect(try without.encode("aa").ids == [0, 0])
    #expect(refusal { try without.encode("ax") }.cause == .missingToken)
    let left = try Tokenizer(json: Self.json(Self.bpe))
    #expect(try left.encode("axb").ids == [2], "what has no token is left out")
    let named = #"{"type":"BPE","unk_token":"?","vocab":{"a":0},"merges":[]}"#
    #expect(refusal { try Tokenizer(json: Self.json(named)).encode("b") }.message.contains("the vocabulary has no ?"))
  }

  @Test func names() throws {
    let tokenizer = try Tokenizer(path: Fixture.path("stages/unigram.json"))
    #expect(tokenizer.clsID == 0 && tokenizer.padID == 1 && tokenizer.sepID == 2 && tokenizer.unknownID == 3)
    #expect(tokenizer.maskID == tokenizer.id(of: "<mask>") && tokenizer.maskID != nil)
    #expect(tokenizer.token(for: 0) == "<s>" && tokenizer.token(for: -1) == nil)
    for id in 0..<Int32(tokenizer.vocabularySize) {
      let token = try #require(tokenizer.token(for: id))
      #expect(tokenizer.id(of: token) == id)
    }
  }

  @Test func truncationAtTheBeginning() throws {
    let json = Self.json(Self.unigram, #","pre_tokenizer":{"type":"WhitespaceSplit"}"#)
    let tokenizer = try Tokenizer(json: json, config: Array(#"{"truncation_side":"left"}"#.utf8))
    let again = try Tokenizer(tokenizer.stored)
    for tokenizer in [tokenizer, again] {
      let one = try tokenizer.encode("a ab x", maxTokens: 2, truncation: .longestFirst)
      #expect(one.ids == [2, 0] && one.truncated && one.offsets[0].begin == 2)
    }
  }

  @Test func casing() throws {
    let json = Self.json(Self.unigram, #","normalizer":{"type":"NFC"}"#)
    #expect(try Tokenizer(json: json).encode("AB").ids == [0])
    let lower = try Tokenizer(json: json, options: TokenizerOptions(lowercase: true))
    #expect(try lower.encode("AB").ids == [2] && lower.lowercase)
    #expect(try Tokenizer(lower.stored).encode("AB").ids == [2])
    let given = Self.json(Self.unigram, #","normalizer":{"type":"Lowercase"}"#)
    #expect(try Tokenizer(json: given, options: TokenizerOptions(lowercase: false)).encode("AB").ids == [0])
  }

  /// A regular expression that backtracks without end is an error of the text, soon.
  @Test func slowExpression() throws {
    let pattern = #"{"type":"Split","pattern":{"Regex":"(?:a|a)+b"},"behavior":"Isolated","invert":false}"#
    let tokenizer = try Tokenizer(json: Self.splitter(pattern))
    #expect(refusal { try tokenizer.encode(String(repeating: "a", count: 60)) }.message.contains("takes too long"))
    #expect(try tokenizer.encode("aab").ids == [1, 2])
  }

  /// Whatever bytes of the tables of a prepared model are damaged: an error or other tokens.
  @Test(arguments: ["unigram", "fallback", "bytes", "words"]) func damagedTables(_ name: String) throws {
    var random = SplitMix64(seed: 3)
    let tokenizer = try Tokenizer(path: Fixture.path("stages/\(name).json"))
    let stored = tokenizer.stored
    let tables = try #require(stored.tables)
    for round in 0..<80 {
      var parts = [tables.text, tables.offsets, tables.ids, tables.trie, tables.values].map { Array($0) }
      for _ in 0...round % 5 {
        let which = Int.random(in: 0..<5, using: &random)
        guard !parts[which].isEmpty else { continue }
        switch Int.random(in: 0..<3, using: &random) {
        case 0: parts[which].removeLast(min(parts[which].count, 4 << Int.random(in: 0..<4, using: &random)))
        default:
          for _ in 0..<20 {
            let at = Int.random(in: 0..<parts[which].count, using: &random)
            parts[which][at] = UInt8.random(in: 0...255, using: &random)
          }
        }
      }
      let memory = DamagedTables(parts)
      var damaged = stored
      damaged.tables = StoredTokenizer.Tables(
        text: memory.parts[0], offsets: memory.parts[1], ids: memory.parts[2], trie: memory.parts[3],
        values: memory.parts[4], hasScores: tables.hasScores, owner: memory)
      guard let other = try? Tokenizer(damaged) else { continue }
      for text in ["The quick brown fox don't <mask> e\u{301} 東京 \u{10FFFF}", "a"] {
        guard let encoding = try? other.encode(text, pair: "b") else { continue }
        for id in encoding.ids { #expect(id >= 0 && Int(id) < other.vocabularySize) }
        for range in encoding.offsets { #expect(range.begin >= 0 && range.begin <= range.end) }
      }
      for id in stride(from: Int32(-1), to: 600, by: 7) { _ = other.token(for: id).flatMap { other.id(of: $0) } }
    }
  }

  @Test func damagedSentencePiece() throws {
    var random = SplitMix64(seed: 4)
    let good = try Fixture.bytes("stages/xlm-roberta/sentencepiece.bpe.model")
    var errors = 0
    for _ in 0..<200 {
      var bytes = good
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        if Bool.random(using: &random) {
          bytes = Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &random)))
        } else if !bytes.isEmpty {
          bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
      }
      do {
        let tokenizer = try Tokenizer(
          TokenizerDefinition(sentencePiece: bytes, config: TokenizerConfig()), TokenizerOptions())
        _ = try? tokenizer.encode("The ﬁrst e\u{301} <mask>")
      } catch { errors += 1 }
    }
    #expect(errors > 50)
  }

  @Test func manyAddedTokens() {
    let tokens = (0...1 << 18).map { #"{"content":"\#($0)"}"# }.joined(separator: ",")
    let error = refusal { try Tokenizer(json: Self.json(Self.unigram, #","added_tokens":[\#(tokens)]"#)) }
    #expect(error.message.contains("added_tokens has more than 262144 tokens"), "\(error)")
  }

  /// Longer words than the cache keeps, and more of them than it has room for.
  @Test func manyWords() throws {
    let tokenizer = try Tokenizer(path: Fixture.path("stages/bytes.json"))
    let buffer = EncodingBuffer()
    for round in 0..<2 {
      for number in 0..<2_000 {
        buffer.removeAll()
        let text = "dog\(number &* 7919) " + String(repeating: "fox", count: number % 20)
        try tokenizer.append(text, into: buffer)
        guard round == 1, number % 97 == 0 else { continue }
        #expect(try tokenizer.encode(text).ids == buffer.ids)
      }
    }
  }

  /// Words are what lies between white space, whether or not a token includes the space before it.
  @Test(arguments: ["unigram", "bytes", "bytes-space"]) func wordsBeginAfterSpaces(name: String) throws {
    let tokenizer = try Tokenizer(path: Fixture.path("stages/\(name).json"))
    let text = Array("ab  cd, efg h".utf8)
    let found = try text.withUnsafeBytes { text in
      tokenizer.wordBeginnings(try tokenizer.encode(text), in: text).compactMap { $0 }
    }
    #expect(found == [0, 4, 8, 12])
  }
}

/// Tables in memory of their own, each at a multiple of 64.
private final class DamagedTables {
  private(set) var parts: [UnsafeRawBufferPointer] = []

  init(_ bytes: [[UInt8]]) {
    for part in bytes {
      let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: part.count, alignment: 64)
      memory.copyBytes(from: part)
      parts.append(UnsafeRawBufferPointer(memory))
    }
  }

  deinit { for part in parts { part.deallocate() } }
}
