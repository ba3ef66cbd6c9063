import ClozeTestSupport
import Foundation
import Testing

@testable import ClozeIO

/// What is at a path in place of what a user expects there.
struct PlaceholderFileTests {
  private let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 90405214\n"

  private func message(_ body: () throws -> Void) -> String {
    do { try body() } catch { return "\(error)" }
    return "nothing was refused"
  }

  @Test func pointersOfLFS() throws {
    let file = try TemporaryFile(Array(pointer.utf8))
    let path = file.path
    for said in [
      message { _ = try contents(of: path) }, message { _ = try LazyFile(path: path) },
      message { _ = try LazyFile(path: path, range: 0..<4) },
    ] { #expect(said.contains(path) && said.contains("Git LFS") && said.contains("git lfs pull"), "\(said)") }
    #expect(!isLFSPointer(Array(pointer.utf8) + [UInt8](repeating: 0x20, count: 1024)))
    #expect(!isLFSPointer(Array("version 2".utf8)))
    #expect(!isLFSPointer([UInt8]()))
  }

  @Test func limits() throws {
    let file = try TemporaryFile([UInt8](repeating: 1, count: 100))
    let path = file.path
    #expect(try contents(of: path, limit: 100).count == 100)
    let said = message { _ = try contents(of: path, limit: 99) }
    #expect(said == "\(path): more than 99 bytes")
  }

  @Test(arguments: [
    "sentence-transformers/all-MiniLM-L6-v2", "bert-base-uncased", "BAAI/bge-small-en-v1.5", "a/b_c",
  ]) func namesOfTheHub(_ name: String) {
    let error = nothing(at: name)
    #expect(error.status == .notFound)
    #expect(error.message.hasPrefix("\(name): no such file or folder; "))
    #expect(error.message.contains("hf download \(name)"))
  }

  @Test(arguments: [
    "/sentence-transformers/all-MiniLM-L6-v2", "./a-b", "../a/b", "a/b/c", "minilm", "model-q.onnx", "a/vocab.txt",
    "a//b", "~/minilm", "a/ b", "a-b/", "é-b",
  ]) func whatIsNone(_ path: String) { #expect(nothing(at: path).message == "\(path): no such file or folder") }

  @Test(arguments: [
    ("pytorch_model.bin", "PyTorch"), ("pytorch_model.bin.index.json", "PyTorch"), ("model.pt", "PyTorch"),
    ("pytorch_model-00001-of-00002.bin", "PyTorch"), ("tf_model.h5", "TensorFlow"), ("model.ckpt.index", "TensorFlow"),
    ("flax_model.msgpack", "Flax"), ("model-q4.gguf", "llama.cpp"), ("openvino_model.bin", "OpenVINO"),
  ]) func weightsOfOthers(_ name: String, _ software: String) {
    #expect(foreignWeights(name)?.contains(software) == true)
  }

  @Test(arguments: ["model.onnx", "model.safetensors", "training_args.bin", "weights.bin", "optimizer.pt"])
  func weightsOfNobodyElse(_ name: String) { #expect(foreignWeights(name) == nil) }

  @Test func namesInAFolder() throws {
    try withFolder { folder in
      let manager = FileManager.default
      for name in ["b", "a", "c.onnx"] { try Data().write(to: URL(filePath: folder + "/" + name)) }
      try manager.createDirectory(atPath: folder + "/folder", withIntermediateDirectories: false)
      try manager.createSymbolicLink(atPath: folder + "/link", withDestinationPath: "a")
      try manager.createSymbolicLink(atPath: folder + "/broken", withDestinationPath: "nothing")
      #expect(try fileNames(in: folder) == ["a", "b", "c.onnx", "link"])
    }
    #expect(throws: ClozeError.self) { try fileNames(in: "/nowhere/at/all") }
  }

  @Test(arguments: [("a/b", "b"), ("a/b/", "b"), ("b", "b"), ("/", "/"), (".", "."), ("a/..", "..")])
  func lastComponents(_ path: String, _ last: String) { #expect(lastComponent(path) == last) }
}
