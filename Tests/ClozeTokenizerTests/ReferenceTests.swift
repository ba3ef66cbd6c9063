import Foundation
import Testing

@testable import ClozeTokenizer

/// A line of cases.jsonl.
private struct Case: Decodable {
  var tokenizer: String
  var lowercase: Bool?
  var strip_accents: Bool?
  var text: String
  var pair: String?
  var max_tokens: Int?
  var truncation: String?
  var too_long: Bool?
  var ids: [Int32]?
  var type_ids: [Int32]?
  var offsets: [[Int32]]?
  var truncated: Bool?
}

@Suite struct ReferenceTests {
  /// Every case of cases.jsonl, which `make_cases.py` computed with the reference, and of stages.jsonl, for which
  /// `make_stages.py` did; and the same of stored tokenizers.
  @Test(arguments: ["cases.jsonl", "stages.jsonl"], [false, true]) func cases(_ file: String, isStored: Bool) throws {
    var made: [String: Tokenizer] = [:]
    let decoder = JSONDecoder()
    var count = 0
    for line in try Fixture.lines(file) {
      let wanted = try decoder.decode(Case.self, from: Data(line.utf8))
      let key = "\(wanted.tokenizer) \(wanted.lowercase as Any) \(wanted.strip_accents as Any)"
      var tokenizer = try #require(
        try made[key]
          ?? Tokenizer(
            path: Fixture.path(wanted.tokenizer),
            options: TokenizerOptions(lowercase: wanted.lowercase, stripAccents: wanted.strip_accents)))
      if isStored, made[key] == nil { tokenizer = try Tokenizer(tokenizer.stored) }
      made[key] = tokenizer
      let rule = try #require(Truncation(rawValue: wanted.truncation ?? "error"))
      count += 1
      if wanted.too_long == true {
        let error = refusal {
          try tokenizer.encode(wanted.text, pair: wanted.pair, maxTokens: wanted.max_tokens, truncation: rule)
        }
        #expect(error.status == .tooLong, "\(line)")
        continue
      }
      let encoding = try tokenizer.encode(
        wanted.text, pair: wanted.pair, maxTokens: wanted.max_tokens, truncation: rule)
      #expect(encoding.ids == wanted.ids, "\(line)")
      #expect(encoding.typeIDs == wanted.type_ids, "\(line)")
      #expect(encoding.offsets.map { [$0.begin, $0.end] } == wanted.offsets, "\(line)")
      #expect(encoding.truncated == wanted.truncated, "\(line)")
    }
    #expect(count > 500)
  }

  /// Every Unicode scalar, against the hashes of every-scalar.txt; see `every_scalar` in make_cases.py.
  @Test func everyScalar() async throws {
    let vocabulary = Array("[UNK]\n[CLS]\n[SEP]\n".utf8)
    func definition(_ options: NormalizerOptions) throws -> Tokenizer {
      var definition = try TokenizerDefinition(vocabulary: vocabulary, config: TokenizerConfig())
      definition.normalizer = options
      return try Tokenizer(definition, TokenizerOptions())
    }
    let tokenizers = [
      try definition(NormalizerOptions()), try definition(NormalizerOptions(lowercase: false)),
      try definition(NormalizerOptions(stripAccents: false)),
      try definition(
        NormalizerOptions(cleanText: false, handleChineseChars: false, stripAccents: true, lowercase: false)),
    ]
    let lines = try Fixture.lines("every-scalar.txt")
    #expect(lines.count == 0x110000 / 4096)
    try await withThrowingTaskGroup(of: (Int, UInt32).self) { group in
      for block in 0..<lines.count {
        group.addTask {
          var hash = ScalarHash(tokenizers)
          return (block, try hash.hash(block: block * 4096))
        }
      }
      for try await (block, hash) in group {
        let wanted = UInt32(lines[block].suffix(8), radix: 16)
        #expect(hash == wanted, "among the 4,096 from U+\(String(block * 4096, radix: 16))")
      }
    }
  }

  /// Answers a file of requests for compare.py, which sets the variable.
  @Test(
    .enabled(
      if: ProcessInfo.processInfo.environment["CLOZE_TOKENIZER_REQUESTS"] != nil,
      "runs where Tests/Fixtures/tokenizer/compare.py asks for it")) func compareWithRequests() throws
  {
    let path = try #require(ProcessInfo.processInfo.environment["CLOZE_TOKENIZER_REQUESTS"])
    var comparison = Comparison()
    for line in Array(try Data(contentsOf: URL(fileURLWithPath: path))).split(separator: 10) { comparison.answer(line) }
    try Data(comparison.answers).write(to: URL(fileURLWithPath: path + ".answers"))
  }
}

/// The CRC-32 of the normalised forms of scalars.
private struct ScalarHash {
  private let tokenizers: [Tokenizer]
  private let buffer = EncodingBuffer()
  private let scratch = EncodingScratch()
  private var text: [UInt8] = []
  private var crc: UInt32 = 0
  private var table: [UInt32] = []

  init(_ tokenizers: [Tokenizer]) {
    self.tokenizers = tokenizers
    // The reflected polynomial of CRC-32 as in zlib.
    table = (0..<256).map { byte in
      (0..<8).reduce(UInt32(byte)) { crc, _ in crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
    }
  }

  private mutating func add(_ byte: UInt8) { crc = table[Int(UInt8(truncatingIfNeeded: crc) ^ byte)] ^ crc >> 8 }

  mutating func hash(block: Int) throws -> UInt32 {
    crc = 0xFFFF_FFFF
    for c in block..<block + 4096 {
      guard let scalar = Unicode.Scalar(UInt32(c)) else { continue }
      try add(tokenizers[0], [0x61], scalar, [0x62])
      if c >= 0x30000 { continue }
      for tokenizer in tokenizers.dropFirst() { try add(tokenizer, [0x61], scalar, [0x62]) }
      // e, U+0301, the scalar, U+0323
      try add(tokenizers[0], [0x65, 0xCC, 0x81], scalar, [0xCC, 0xA3])
    }
    return ~crc
  }

  private mutating func add(_ tokenizer: Tokenizer, _ before: [UInt8], _ scalar: Unicode.Scalar, _ after: [UInt8])
    throws
  {
    text.removeAll(keepingCapacity: true)
    text += before
    text += UTF8.encode(scalar) ?? .init()
    text += after
    var sink = TextSink(scratch)
    text.withUnsafeBufferPointer { bytes in
      if let base = bytes.baseAddress { tokenizer.normalizer.normalizer.normalize(base, 0, bytes.count, into: &sink) }
    }
    for i in 0..<sink.text.count { add(sink.text.base[i]) }
    sink.returnBuffers(to: scratch)
    buffer.removeAll()
    try text.withUnsafeBytes { _ = try tokenizer.append($0, into: buffer) }
    for range in buffer.offsets.dropFirst().dropLast() {
      add(0xFF)
      add(UInt8(truncatingIfNeeded: range.begin))
      add(UInt8(truncatingIfNeeded: range.end))
    }
  }
}
