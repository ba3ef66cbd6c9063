import ClozeIO
import ClozeTestSupport
import Foundation
import Testing

@testable import ClozeONNX

/// Arbitrary bytes give an error or a model, never a crash, a hang, or memory out of proportion to the file.
struct DamageTests {
  /// xorshift64: the same mutations in every run.
  struct Random: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return state
    }
  }

  @Test func randomBytes() {
    var random = Random(state: 1)
    for length in 0..<600 {
      let bytes = (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
      #expect(loadError(bytes) != nil)
    }
  }

  @Test(arguments: ["mask-m4", "dynamo-opset18", "bfloat16-int32-data"]) func truncated(_ name: String) throws {
    let bytes = try Fixture.bytes(name)
    for length in stride(from: 0, to: bytes.count, by: 97) {
      let error = loadError(Array(bytes.prefix(length)))
      #expect(error?.cause == .damaged, "\(length) bytes: \(String(describing: error))")
    }
  }

  /// Bytes replaced, removed, doubled and swapped, mostly in the structure: more than 10,000 copies of files of
  /// every kind, in a process that may grow by the size of a few of them only.
  @Test func mutated() throws {
    let names = [
      "mask-m4", "dynamo-opset23", "typed-data-constants", "masked-lm-shared", "fused-o2", "fused-multi-head",
      "fused-no-embed", "int8/dynamic-fused", "int8/q-attention", "int8/dynamic-7-bit", "int8/qoperator",
      "sentence-dense", "roberta", "mpnet",
    ]
    let before = residentBytes()
    for name in names {
      let original = try Fixture.bytes(name)
      var random = Random(state: UInt64(original.count) | 1)
      var refused = 0
      for _ in 0..<800 { if loadError(mutate(original, &random)) != nil { refused += 1 } }
      // Most changes hit weights and leave a BERT; some must have hit the structure.
      #expect(refused > 40, "\(name)")
    }
    #expect(residentBytes() - before < 512 << 20)
  }

  /// Mutations of safetensors headers.
  @Test func mutatedSafetensors() throws {
    let path = Fixture.folder + "/../pretrained/bert/model.safetensors"
    let original = [UInt8](try Data(contentsOf: URL(filePath: path)))
    let configuration = PretrainedConfiguration(
      modelType: "bert", numAttentionHeads: 5, hiddenAct: "gelu", layerNormEps: 1e-12, padTokenID: 0, architecture: nil,
      unsupportedReason: nil)
    func read(_ bytes: [UInt8]) -> ClozeError? {
      bytes.withUnsafeBytes { raw -> ClozeError? in
        do throws(ClozeError) {
          _ = try Pretrained(Safetensors(LazyFile(borrowing: raw), name: "m").byName, configuration).graph()
          return nil
        } catch { return error }
      }
    }
    #expect(read(original) == nil)
    var random = Random(state: 5)
    var refused = 0
    for _ in 0..<3000 {
      var bytes = original
      // In the header, where the structure is.
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let position = Int.random(in: 0..<3000, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes[position] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes.remove(at: position)
        case 2: bytes.insert(bytes[position], at: position)
        default: bytes[position] = UInt8(ascii: "9")
        }
      }
      if read(bytes) != nil { refused += 1 }
    }
    #expect(refused > 1500)
    for length in [0, 7, 8, 9, 100, original.count - 1] {
      #expect(read(Array(original.prefix(length)))?.cause == .damaged)
    }
  }

  private func mutate(_ original: [UInt8], _ random: inout Random) -> [UInt8] {
    var bytes = original
    for _ in 0..<Int.random(in: 1...6, using: &random) {
      let position = Int.random(in: 0..<bytes.count, using: &random)
      switch Int.random(in: 0..<5, using: &random) {
      case 0: bytes[position] = UInt8.random(in: 0...255, using: &random)
      case 1: bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      case 2: bytes.remove(at: position)
      case 3: bytes.insert(bytes[position], at: position)
      default: bytes[position] = [0, 0x7f, 0x80, 0xff][Int.random(in: 0..<4, using: &random)]
      }
    }
    return bytes
  }

  /// The resident memory of the process.
  private func residentBytes() -> Int {
    let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
    return (text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 4096
  }

  /// Numbers inside the graph replaced by extreme ones: dimensions, axes, shapes, versions.
  @Test func extremeNumbers() throws {
    let original = try Fixture.bytes("sdpa-opset14")
    let extremes: [[UInt8]] = [
      TinyModel.varint(Int.max), TinyModel.varint(Int.min), TinyModel.varint(-1), TinyModel.varint(1 << 40),
      [0xff, 0xff, 0xff, 0xff, 0x0f], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ]
    var random = Random(state: 99)
    for _ in 0..<500 {
      var bytes = original
      let extreme = extremes[Int.random(in: 0..<extremes.count, using: &random)]
      let position = Int.random(in: 0..<(bytes.count - 10), using: &random)
      bytes.replaceSubrange(position..<(position + extreme.count), with: extreme)
      _ = loadError(bytes)
    }
  }

  @Test func contradictoryTensors() {
    func load(_ tensor: [UInt8]) -> ClozeError? {
      var tiny = TinyModel()
      tiny.tensors = [tensor]
      return loadError(tiny.bytes)
    }
    let short = load(TinyModel.tensor("w", [2, 4], raw: Array(repeating: 0, count: 31)))
    #expect(short?.cause == .damaged)
    #expect(short?.message.contains("31 bytes") == true)
    #expect(short?.message.contains("\"w\"") == true)
    #expect(load(TinyModel.tensor("w", [-1], raw: []))?.cause == .damaged)
    #expect(load(TinyModel.tensor("w", [1 << 40, 1 << 40], raw: []))?.cause == .damaged)
    #expect(load(TinyModel.tensor("w", [1 << 30], raw: []))?.cause == .damaged)
    #expect(load(TinyModel.tensor("w", Array(repeating: 1, count: 17), raw: [0, 0, 0, 0]))?.cause == .damaged)
  }

  @Test func brokenGraphs() {
    var cyclic = TinyModel()
    cyclic.nodes = [TinyModel.node("Relu", ["b"], ["c"]), TinyModel.node("Relu", ["c"], ["b"])]
    #expect(loadError(cyclic.bytes)?.message.contains("is part of a cycle") == true)
    var twice = TinyModel()
    twice.tensors = [TinyModel.tensor("w", [1], raw: [0, 0, 0, 0])]
    twice.nodes = [TinyModel.node("Relu", ["w"], ["x"]), TinyModel.node("Relu", ["w"], ["x"])]
    #expect(loadError(twice.bytes)?.message.contains("output of two nodes") == true)
    var dangling = TinyModel()
    dangling.outputs = ["y"]
    #expect(loadError(dangling.bytes)?.message.contains("not computed by any node") == true)
    #expect(loadError(TinyModel().bytes)?.cause == .unsupported)
    #expect(loadError([])?.cause == .damaged)
  }

  /// More nodes than any BERT, in few bytes.
  @Test func boundsCounts() {
    var many = TinyModel()
    many.nodes = Array(repeating: [], count: 300_000)
    let error = loadError(many.bytes)
    #expect(error?.message.contains("too many nodes") == true)
  }

  /// A chain as long as the limit allows must not overflow the stack.
  @Test func longChains() {
    var chain = TinyModel()
    chain.tensors = [TinyModel.tensor("v0", [1], raw: [0, 0, 0, 0])]
    for i in 0..<30_000 { chain.nodes.append(TinyModel.node("Identity", ["v\(i)"], ["v\(i + 1)"])) }
    chain.outputs = ["v30000"]
    #expect(loadError(chain.bytes)?.cause == .unsupported)
  }
}
