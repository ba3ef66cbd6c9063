import ClozeTestSupport
import Foundation
import Testing

@testable import Cloze
@testable import ClozeIO

/// What a path of a model may be: folders of shards, of files with other names, and of what is no model.
struct FolderTests {
  private let manager = FileManager.default
  private let model = Fixture.path("sdpa-opset14")
  private let pretrained = Fixture.modelPath("../pretrained/bert")
  private let ids: [Int32] = [1, 2, 3, 4]

  private func hidden(_ path: String) throws -> [UInt32] {
    let model = try Model(path: path, options: LoadOptions(precision: .float32))
    return try Session(model: model, threads: 1).run(ids: ids, cuSeqlens: [0, 4], output: .hidden(layers: [0, 1])).bits
  }

  private func copy(_ source: String, _ target: String) throws {
    try manager.createDirectory(
      atPath: (target as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try manager.copyItem(atPath: source, toPath: target)
  }

  // MARK: - Shards

  /// The tensors of the fixture in two files, and their index; `edit` changes which file the index names.
  private func shards(in folder: String, _ edit: (inout [String: String]) -> Void = { _ in }) throws {
    let file = try Safetensors(path: pretrained + "/model.safetensors")
    var map: [String: String] = [:]
    for (number, part) in [file.tensors.prefix(9), file.tensors.dropFirst(9)].enumerated() {
      var header: [String] = []
      var data: [UInt8] = []
      for tensor in part {
        try file.file.fill(tensor.place)
        let offsets = "[\(data.count),\(data.count + tensor.place.count)]"
        header.append(
          #""\#(tensor.name)":{"dtype":"\#(tensor.dtype)","shape":\#(tensor.shape),"data_offsets":\#(offsets)}"#)
        data += Array(tensor.place)
        map[tensor.name] = "part-\(number)"
      }
      let text = Array("{\(header.joined(separator: ","))}".utf8)
      let length = (0..<8).map { UInt8(truncatingIfNeeded: text.count >> ($0 * 8)) }
      try Data(length + text + data).write(to: URL(filePath: folder + "/part-\(number)"))
    }
    edit(&map)
    let entries = map.map { "\"\($0)\":\"\($1)\"" }.joined(separator: ",")
    try write("{\"weight_map\":{\(entries)}}", to: folder + "/model.safetensors.index.json")
    try copy(pretrained + "/config.json", folder + "/config.json")
  }

  @Test func shards() throws {
    let whole = try hidden(pretrained)
    try withFolder { folder in
      try shards(in: folder)
      #expect(try hidden(folder) == whole)
      #expect(try hidden(folder + "/model.safetensors.index.json") == whole)
      // A file that the index does not name is no part of the model.
      try write("no tensors", to: folder + "/part-2")
      #expect(try hidden(folder) == whole)
      try manager.removeItem(atPath: folder + "/part-1")
      expectError(.notFound, "model.safetensors.index.json", "\"part-1\"", "tensor") { _ = try Model(path: folder) }
    }
    try withFolder { folder in
      try shards(in: folder) { $0["bert.pooler.dense.bias"] = "part-0" }
      expectError(.invalidModel, "\"bert.pooler.dense.bias\"", "\"part-0\"") { _ = try Model(path: folder) }
    }
    try withFolder { folder in
      try shards(in: folder) { $0["bert.pooler.dense.bias"] = "../part-1" }
      expectError(.invalidModel, "\"..\"") { _ = try Model(path: folder) }
    }
  }

  // MARK: - Names

  @Test(arguments: ["model_quantized.onnx", "onnx/model_O3.onnx", "onnx/model_int8.onnx", "bert.onnx"])
  func theOnlyModel(_ name: String) throws {
    let expected = try hidden(model)
    try withFolder { folder in
      try copy(model, folder + "/" + name)
      try write("{}", to: folder + "/tokenizer_config.json")
      #expect(try hidden(folder) == expected)
      #expect(try hidden(folder + "//") == expected)
      #expect(try hidden(folder + "/" + name) == expected)
    }
  }

  @Test func severalModels() throws {
    try withFolder { folder in
      for name in ["model_fp16.onnx", "onnx/model_int8.onnx", "onnx/model_q4.onnx"] {
        try copy(model, folder + "/" + name)
      }
      expectError(.notFound, "3 models", "model_fp16.onnx, onnx/model_int8.onnx, onnx/model_q4.onnx") {
        _ = try Model(path: folder)
      }
      // Of its folder `onnx`, both.
      expectError(.notFound, "2 models", "model_int8.onnx, model_q4.onnx") { _ = try Model(path: folder + "/onnx") }
      try copy(model, folder + "/model.onnx")
      #expect(try hidden(folder) == hidden(model))
    }
  }

  /// The tokenizer and settings one folder up are found from within `onnx` too, whatever the path looks like.
  @Test func withinTheFolder() async throws {
    await #expect(processExitsWith: .success) {
      try withFolder { folder in
        let onnx = folder + "/onnx"
        try FileManager.default.createDirectory(atPath: onnx, withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: Fixture.path("base-3-layers-opset11"), toPath: onnx + "/model_q.onnx")
        try write(TextTests.vocabulary.prefix(103).joined(separator: "\n"), to: folder + "/vocab.txt")
        try write(#"{"max_seq_length": 17}"#, to: folder + "/sentence_bert_config.json")
        try FileManager.default.createSymbolicLink(atPath: folder + "/link", withDestinationPath: "onnx")
        func check(_ path: String) throws {
          let model = try Model(path: path)
          #expect(model.tokenizer?.vocabularySize == 103, "\(path)")
          #expect(model.info.maxTokens == 17, "\(path)")
        }
        for path in [onnx, onnx + "/", onnx + "//", onnx + "/.", onnx + "/model_q.onnx", folder + "/link"] {
          try check(path)
        }
        FileManager.default.changeCurrentDirectoryPath(folder)
        for path in ["onnx", "onnx/", "onnx/model_q.onnx", "./onnx", "."] { try check(path) }
        FileManager.default.changeCurrentDirectoryPath(onnx)
        for path in [".", "./", "model_q.onnx", "./model_q.onnx", "../onnx", ".."] { try check(path) }
      }
    }
  }

  // MARK: - No models

  @Test func pointersOfLFS() throws {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 90405214\n"
    for name in ["model.onnx", "model.safetensors", "model.safetensors.index.json"] {
      try withFolder { folder in
        try write(pointer, to: folder + "/" + name)
        try write(#"{"model_type": "bert"}"#, to: folder + "/config.json")
        expectError(.invalidModel, name, "Git LFS pointer") { _ = try Model(path: folder) }
        expectError(.invalidModel, name, "Git LFS pointer") { _ = try Inspection(path: folder) }
      }
    }
    for name in ["tokenizer.json", "vocab.txt", "config.json", "tokenizer_config.json"] {
      try withFolder { folder in
        try copy(model, folder + "/model.onnx")
        if name == "tokenizer_config.json" { try write("[UNK]\n[CLS]\n[SEP]\n", to: folder + "/vocab.txt") }
        try write(pointer, to: folder + "/" + name)
        expectError(.invalidModel, name, "Git LFS pointer") { _ = try Model(path: folder) }
      }
    }
  }

  @Test(arguments: [("pytorch_model.bin", "PyTorch"), ("tf_model.h5", "TensorFlow"), ("flax_model.msgpack", "Flax")])
  func weightsOfOtherSoftware(_ name: String, _ software: String) throws {
    try withFolder { folder in
      try write("PK\u{3}\u{4}", to: folder + "/" + name)
      expectError(.notFound, folder, "model.safetensors", name, software, "from_pretrained") {
        _ = try Model(path: folder)
      }
      expectError(.unsupportedModel, name, software) { _ = try Model(path: folder + "/" + name) }
      // An ONNX file may be called as it likes.
      try copy(model, folder + "/model.bin")
      #expect(try hidden(folder + "/model.bin") == hidden(model))
    }
  }

  @Test func namesOfTheHub() {
    let name = "sentence-transformers/all-MiniLM-L6-v2"
    expectError(.notFound, name, "hf download") { _ = try Model(path: name) }
  }
}
