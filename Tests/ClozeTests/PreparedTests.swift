import ClozeTestSupport
import ClozeIO
import ClozeTokenizer
import Foundation
import Testing

@testable import Cloze

/// Models in their prepared form.
struct PreparedTests {
  /// Models with every head, a separate decoder, no token types, many layers.
  static let fixtures = [
    "pretraining-sdpa-opset17", "pretraining-float16", "masked-lm-separate", "masked-lm-opset13", "no-token-types",
    "base-3-layers-opset11", "answers", "classifier-of-two", "distilbert-classifier", "electra", "roberta",
    "sentence-cls", "sentence-dense", "mpnet",
  ]

  @Test(arguments: fixtures, Precision.allCases) func everyOutputStaysTheSame(_ name: String, _ precision: Precision)
    throws
  {
    try withFolder { folder in
      let path = folder + "/model.cloze"
      let options = LoadOptions(precision: precision)
      try Model.convert(Fixture.modelPath(name), to: path, options: options)
      let bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
      for isa in availableISAs {
        let options = LoadOptions(precision: precision, isa: isa)
        let model = try Model(path: Fixture.modelPath(name), options: options)
        let prepared = [
          try Model(path: path, options: LoadOptions(isa: isa)),
          try bytes.withUnsafeBytes { try Model(bytes: $0, options: options) },
        ]
        let batch = Batch(model, lengths: [5, 1, 24, 40].filter { $0 <= model.info.maxTokens })
        for other in prepared {
          #expect(other.info.heads == model.info.heads && other.info.precision == precision)
          #expect(other.info.labels == model.info.labels && other.info.embeddingSize == model.info.embeddingSize)
          #expect(other.info.pooling == model.info.pooling && other.info.normalize == model.info.normalize)
          #expect(other.info.isa == isa && other.info.maxTokens == model.info.maxTokens)
          let (one, two) = (try Session(model: model, threads: 1), try Session(model: other, threads: 2))
          for output in model.outputs { #expect(try one.run(batch, output).bits == two.run(batch, output).bits) }
        }
      }
    }
  }

  /// The file does not depend on the instruction set that wrote it.
  @Test(arguments: Precision.allCases) func theFileIsTheSameEverywhere(_ precision: Precision) throws {
    let name = "pretraining-sdpa-opset17"
    let files = try availableISAs.map { try prepared(name, LoadOptions(precision: precision, isa: $0)) }
    for file in files { #expect(file == files[0]) }
    #expect(files[0].count > 10_000)
  }

  /// The kernels' panels are those of the format, on every instruction set.
  @Test(arguments: Precision.allCases) func panelsAreThoseOfTheFormat(_ precision: Precision) throws {
    let size = precision == .int8 ? 1 : 4
    for isa in availableISAs {
      let matrix = try Kernels.choose(isa).matrix(precision)
      for (n, k) in [(1, 1), (16, 4), (33, 7), (70, 41)] {
        let rows = (0..<(n * k * size)).map { UInt8(($0 * 37) % 127) }
        let (columns, inputs) = (n.roundedUp(to: 16), precision == .int8 ? k.roundedUp(to: 4) : k)
        var expected = [UInt8](repeating: precision == .int8 ? 0x80 : 0, count: columns * inputs * size)
        for (j, p) in (0..<n).flatMap({ j in (0..<k).map { (j, $0) } }) {
          if precision == .int8 {
            expected[((j / 16 * inputs / 4 + p / 4) * 16 + j % 16) * 4 + p % 4] = rows[j * k + p] &+ 128
          } else {
            for byte in 0..<4 { expected[((j / 16 * k + p) * 16 + j % 16) * 4 + byte] = rows[(j * k + p) * 4 + byte] }
          }
        }
        var panels = [UInt8](repeating: 7, count: expected.count)
        var sums = [Int32](repeating: 7, count: columns)
        panels.withUnsafeMutableBytes { to in
          sums.withUnsafeMutableBufferPointer {
            matrix.pack_columns(rows, k, n, k, to.baseAddress!, precision == .int8 ? $0.baseAddress : nil)
          }
        }
        #expect(panels == expected, "\(isa) \(n) x \(k)")
      }
    }
  }

  @Test func textComesToo() throws {
    try withFolder { folder in
      let path = folder + "/model.cloze"
      try FileManager.default.copyItem(atPath: Fixture.path("base-3-layers-opset11"), toPath: folder + "/model.onnx")
      try write(TextTests.vocabulary.joined(separator: "\n"), to: folder + "/vocab.txt")
      try write(#"{"do_lower_case": false}"#, to: folder + "/tokenizer_config.json")
      try write(#"{"max_seq_length": 9}"#, to: folder + "/sentence_bert_config.json")
      try write(#"{"pooling_mode_cls_token": true}"#, to: folder + "/1_Pooling/config.json")
      try write(
        #"[{"type": "models.Transformer"}, {"type": "models.Pooling", "path": "1_Pooling"}]"#,
        to: folder + "/modules.json")
      try Model.convert(folder, to: path)
      let (model, prepared) = (try Model(path: folder), try Model(path: path))
      #expect(prepared.info.maxTokens == 9 && prepared.info.pooling == .cls && !prepared.info.normalize)
      let texts: [Text] = ["a cat", Text("A", "dog B"), "", "[MASK] x y z a b c d e f g"]
      let (one, two) = (try Session(model: model), try Session(model: prepared))
      let (expected, found) = (try one.embed(texts), try two.embed(texts))
      #expect(expected.values.bits == found.values.bits && expected.truncated == found.truncated)
      #expect(found.truncated.contains(true))
      // The tokenizer alone, and another one in its place.
      #expect(try Model.tokenizer(path: path)?.encode("A cat").ids == model.tokenizer?.encode("A cat").ids)
      let other = try Tokenizer(vocabulary: Array("[UNK]\n[CLS]\n[SEP]\na".utf8))
      #expect(try Model(path: path, options: LoadOptions(tokenizer: other)).tokenizer === other)
    }
  }

  @Test func withoutTokenizer() throws {
    let model = try prepared("sdpa-opset14").withUnsafeBytes { try Model(bytes: $0) }
    expectError(.noTokenizer, "tokenizer") { _ = try Session(model: model).embed(["a"]) }
  }

  @Test func precisionMustFit() throws {
    for precision in Precision.allCases {
      let file = try prepared("sdpa-opset14", LoadOptions(precision: precision))
      let other = Precision.allCases.filter { $0 != precision }
      expectError(.invalidArgument, precision.word, "convert") {
        _ = try file.withUnsafeBytes { try Model(bytes: $0, options: LoadOptions(precision: other[0])) }
      }
    }
  }

  @Test func inspection() throws {
    try withFolder { folder in
      let path = folder + "/a file"  // decided by content, not by name
      try Model.convert(Fixture.modelPath("masked-lm-opset13"), to: path)
      let (before, after) = (try Inspection(path: Fixture.modelPath("masked-lm-opset13")), try Inspection(path: path))
      #expect(after.configuration?.sizes.map(\.value) == before.configuration?.sizes.map(\.value))
      for part in ["\"prepared\":{\"precision\":\"int8\",\"version\":1", "\"parameters\":", "\"forms\":"] {
        #expect(after.json.contains(part), "\(after.json)")
      }
      for part in ["format version 2", "tied to the word embeddings", "opset 13"] {
        #expect(after.description.contains(part), "\(after.description)")
      }
    }
  }

  @Test func whereItGoes() throws {
    try withFolder { folder in
      let path = folder + "/model.cloze"
      func names() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: folder).sorted() }
      // A failed conversion keeps the existing file and leaves no other.
      try write("before", to: path)
      expectError(.unsupportedModel, "causal") { try Model.convert(Fixture.path("refused/causal"), to: path) }
      #expect(try String(contentsOfFile: path, encoding: .utf8) == "before")
      #expect(try names() == ["model.cloze"])
      try Model.convert(Fixture.modelPath("sdpa-opset14"), to: path)
      #expect(try names() == ["model.cloze"])
      _ = try Model(path: path)
      expectError(.invalidArgument, "prepared already") { try Model.convert(path, to: path + "2") }
      expectError(.io, folder) { try Model.convert(Fixture.modelPath("sdpa-opset14"), to: folder) }
      expectError(.io, "nowhere") {
        try Model.convert(Fixture.modelPath("sdpa-opset14"), to: folder + "/nowhere/a.cloze")
      }
      expectError(.invalidArgument, "path") { try Model.convert(Fixture.modelPath("sdpa-opset14"), to: "") }
      #expect(try names() == ["model.cloze"])
      // Begun and not finished.
      do {
        let file = try AtomicFile(path: path)
        try [UInt8](repeating: 1, count: 1000).withUnsafeBytes { bytes throws in try file.append(bytes) }
      }
      #expect(try names() == ["model.cloze"])
      _ = try Model(path: path)
    }
  }
}

/// The bytes of a model in its prepared form.
func prepared(_ fixture: String, _ options: LoadOptions = LoadOptions()) throws -> [UInt8] {
  var bytes: [UInt8] = []
  try PreparedModel(Fixture.modelPath(fixture), options: options).write { bytes += $0 }
  return bytes
}
