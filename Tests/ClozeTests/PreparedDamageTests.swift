import ClozeTestSupport
import ClozeIO
import ClozeTokenizer
import Foundation
import Testing

@testable import Cloze

/// Prepared models that are damaged or forged.
struct PreparedDamageTests {
  /// Models with every kind of section.
  let sound: [UInt8]

  init() throws {
    let tokenizer = try Tokenizer(vocabulary: Array(TextTests.vocabulary.joined(separator: "\n").utf8))
    sound = try prepared("pretraining-float16", LoadOptions(tokenizer: tokenizer))
  }

  private func load(_ bytes: [UInt8]) throws {
    let model = try bytes.withUnsafeBytes { try Model(bytes: $0) }
    let session = try Session(model: model, threads: 1)
    _ = try session.run(ids: [0, 1], cuSeqlens: [0, 2])
    if model.tokenizer != nil { _ = try session.embed(["a b word7 [MASK]"]) }
  }

  private func file() throws -> PreparedFile {
    try sound.withUnsafeBytes { try PreparedFile(MappedFile(copying: $0), name: "it") }
  }

  @Test func soundOneLoads() throws { try load(sound) }

  @Test func everySectionIsChecked() throws {
    let file = try file()
    #expect(file.names.count > 40)
    for name in file.names {
      let range = try #require(file.section(name)).range
      for place in [range.lowerBound, (range.lowerBound + range.upperBound) / 2, range.upperBound - 1] {
        var bytes = sound
        bytes[place] ^= 0x10
        expectError(.invalidModel, "section \"\(name)\" is damaged", "checksum") { try load(bytes) }
      }
    }
  }

  @Test func theFileIsNamed() throws {
    try withFolder { folder in
      let path = folder + "/model.cloze"
      var bytes = sound
      bytes[bytes.count - 1] ^= 1
      try Data(bytes).write(to: URL(filePath: path))
      expectError(.invalidModel, path, "section \"nsp.biases\"") { _ = try Model(path: path) }
      expectError(.invalidModel, path, "section") { _ = try Inspection(path: path) }
      try Data(sound.prefix(sound.count - 1)).write(to: URL(filePath: path))
      expectError(.invalidModel, path, "truncated") { _ = try Model(path: path) }
      expectError(.invalidModel, path, "truncated") { _ = try Model.tokenizer(path: path) }
    }
  }

  /// A change of any byte is an error, also in the header, the table and between sections.
  @Test func everyByteCounts() throws {
    let table = 64 + 96 * (try file().names.count)
    for place in Array(0..<160) + Array(stride(from: 160, to: table, by: 31))
      + Array(stride(from: table - 1, to: sound.count, by: 1009))
    {
      var bytes = sound
      bytes[place] ^= 1
      #expect(throws: ClozeError.self, "byte \(place)") { try load(bytes) }
    }
  }

  @Test func truncation() throws {
    for length in Array(8..<200) + Array(stride(from: 200, to: sound.count, by: 997)) {
      expectError(.invalidModel, "truncated") { try load(Array(sound.prefix(length))) }
    }
    expectError(.invalidModel, "were added") { try load(sound + [0]) }
  }

  @Test func versions() throws {
    for (version, word) in [(1, "older"), (3, "newer"), (77, "newer")] {
      var bytes = sound
      bytes[12] = UInt8(version)
      expectError(.unsupportedModel, "version \(version)", word, "version 2", "convert") { try load(bytes) }
    }
    var bytes = sound
    bytes[8..<12].reverse()
    expectError(.invalidModel, "big-endian") { try load(bytes) }
    bytes = sound
    bytes[9] = 0
    expectError(.invalidModel, "byte order") { try load(bytes) }
  }

  /// A file with sections replaced or added and valid checksums.
  private func forged(
    leavingOut dropped: String? = nil, adding: [(String, [UInt8])] = [],
    _ change: (String, inout [UInt8]) -> Void = { _, _ in }
  ) throws -> [UInt8] {
    let file = try file()
    var image = PreparedImage()
    for name in file.names where name != dropped {
      let range = try #require(file.section(name)).range
      var bytes = Array(sound[range])
      change(name, &bytes)
      try image.add(name, copying: bytes)
    }
    for (name, bytes) in adding { try image.add(name, copying: bytes) }
    var bytes: [UInt8] = []
    image.write { bytes += $0 }
    return bytes
  }

  @Test func forgeryByItself() throws { #expect(try forged() == sound) }

  @Test func missingAndUnknownSections() throws {
    for name in try file().names where name != "tokenizer" {
      // What is optional shows by what belongs to it.
      if name.hasSuffix(".smoothing") { continue }
      expectError(.invalidModel, "\"\(name)\"") { try load(forged(leavingOut: name)) }
    }
    expectError(.invalidModel, "\"tokenizer.text\" is unknown") { try load(forged(leavingOut: "tokenizer")) }
    expectError(.invalidModel, "\"x\" is unknown") { try load(forged(adding: [("x", [1])])) }
    expectError(.invalidModel, "\"nsp.biases\" occurs twice") { try load(forged(adding: [("nsp.biases", [1])])) }
    for name in ["", "a b", "ü", "\u{7f}"] {
      expectError(.invalidModel, "name") { try load(forged(adding: [(name, [1])])) }
    }
  }

  @Test func sizesThatContradict() throws {
    let texts = ["configuration", "provenance", "tokenizer"]
    for name in try file().names where !texts.contains(name) {
      for count in [-4, 4, 64] {
        let bytes = try forged {
          guard $0 == name else { return }
          if count < 0 { $1.removeLast(-count) } else { $1 += [UInt8](repeating: 0, count: count) }
        }
        #expect(throws: ClozeError.self, "\(name) \(count)") { try load(bytes) }
        if !name.hasPrefix("tokenizer") {
          expectError(.invalidModel, "section \"\(name)\" has", "configuration") { try load(bytes) }
        }
      }
    }
  }

  private func configured(_ from: String, _ to: String) throws -> [UInt8] {
    try forged {
      guard $0 == "configuration" else { return }
      let text = String(decoding: $1, as: UTF8.self)
      #expect(text.contains(from))
      $1 = Array(text.replacingOccurrences(of: from, with: to).utf8)
    }
  }

  @Test(arguments: [
    ("\"hidden_size\":60", "\"hidden_size\":64"), ("\"hidden_size\":60", "\"hidden_size\":0"),
    ("\"hidden_size\":60", "\"hidden_size\":-60"), ("\"hidden_size\":60", "\"hidden_size\":2147483647"),
    ("\"hidden_size\":60", "\"hidden_size\":9223372036854775807"), ("\"hidden_size\":60,", ""),
    ("\"hidden_size\":60", "\"hidden_size\":\"60\""), ("\"hidden_size\":60", "\"hidden_size\":60.5"),
    ("\"num_attention_heads\":5", "\"num_attention_heads\":7"),
    ("\"num_attention_heads\":5", "\"num_attention_heads\":61"), ("\"num_hidden_layers\":", "\"num_hidden_layers\":1"),
    ("\"vocab_size\":1003", "\"vocab_size\":1009"), ("\"vocab_size\":1003", "\"vocab_size\":2147483647"),
    ("\"vocab_size\":1003", "\"vocab_size\":1"), ("\"max_position_embeddings\":40", "\"max_position_embeddings\":41"),
    ("\"type_vocab_size\":2", "\"type_vocab_size\":3"), ("\"intermediate_size\":100", "\"intermediate_size\":65537"),
    ("\"bert\"", "\"roberta\""), ("\"int8\"", "\"int4\""), ("\"int8\"", "\"float32\""), ("\"gelu\"", "\"sine\""),
    ("\"nsp\"", "\"mop\""), ("\"pooler\",", ""), ("\"mlm\",", ""), ("true", "false"), ("}", ""), ("{", ""),
  ]) func configurationsThatDoNotFit(_ from: String, _ to: String) throws {
    let bytes = try configured(from, to)
    expectError(.invalidModel) { try load(bytes) }
  }

  @Test func weightsThatAreNoNumbers() throws {
    for name in ["position", "token_type", "embedding_norm", "word.scales", "layer.0.output.biases"] {
      for value in [Float.nan, .infinity] {
        let bytes = try forged { section, bytes in
          guard section == name else { return }
          withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.replaceSubrange(4..<8, with: $0) }
        }
        expectError(.invalidModel, "section \"\(name)\"", "NaN or infinite") { try load(bytes) }
      }
    }
    let negative = try forged { section, bytes in if section == "embedding_norm" { bytes[bytes.count - 1] |= 0x80 } }
    expectError(.invalidModel, "epsilon") { try load(negative) }
  }

  /// A tokenizer with inconsistent parts, byte by byte: an error or a usable tokenizer.
  @Test func tokenizersThatDoNotFit() throws {
    for (name, place, value) in [
      ("tokenizer.order", 0, 0xFF), ("tokenizer.order", 4, 0), ("tokenizer.lengths", 0, 6),
      ("tokenizer.lengths", 3, 0xFF), ("tokenizer.ids", 3, 0xFF), ("tokenizer.text", 5, 7), ("tokenizer.text", 1, 0xFF),
      ("tokenizer.text", 0, 0x7E),
    ] {
      let bytes = try forged { if $0 == name { $1[place] = UInt8(value) } }
      expectError(.invalidModel, "vocabulary") { try load(bytes) }
    }
    for name in ["tokenizer", "tokenizer.text", "tokenizer.lengths", "tokenizer.ids", "tokenizer.order"] {
      let range = try #require(file().section(name)).range
      for place in stride(from: 0, to: range.count, by: max(1, range.count / 40)) {
        for mask in [0x01, 0x20, 0x80] {
          let bytes = try forged { if $0 == name { $1[place] ^= UInt8(mask) } }
          do { try load(bytes) } catch is ClozeError {}
        }
      }
      expectError(.invalidModel) { try load(forged { if $0 == name { $1 = [] } }) }
    }
  }

  @Test func layoutsOfOthers() throws {
    // The layout is in the header, under its checksum.
    var bytes = sound
    bytes[28] = 9
    expectError(.invalidModel, "header is damaged") { try load(bytes) }
  }
}
