import ClozeIO
import Foundation
import Testing

@testable import ClozeONNX

/// A model may name files in its own folder only.
struct ExternalDataTests {
  /// A folder with `weights.bin` of 64 bytes and a secret beside it.
  struct Folder: ~Copyable {
    let base: URL
    let model: URL

    init() throws {
      base = FileManager.default.temporaryDirectory.appending(path: "cloze-\(UUID().uuidString)")
      model = base.appending(path: "model")
      try FileManager.default.createDirectory(at: model, withIntermediateDirectories: true)
      try Data((0..<64).map { UInt8($0) }).write(to: model.appending(path: "weights.bin"))
      try Data(repeating: 7, count: 64).write(to: base.appending(path: "secret.bin"))
      try FileManager.default.createSymbolicLink(
        at: model.appending(path: "outside.bin"), withDestinationURL: base.appending(path: "secret.bin"))
      try FileManager.default.createSymbolicLink(
        at: model.appending(path: "inside.bin"), withDestinationURL: model.appending(path: "weights.bin"))
      try FileManager.default.createSymbolicLink(at: model.appending(path: "up"), withDestinationURL: base)
    }

    deinit { try? FileManager.default.removeItem(at: base) }

    func load(_ location: String?, offset: String? = nil, length: String? = nil, dims: [Int] = [2, 4]) -> (
      file: ONNXFile?, error: ClozeError?
    ) {
      var tiny = TinyModel()
      tiny.tensors = [TinyModel.external("w", dims, location: location, offset: offset, length: length)]
      let path = model.appending(path: "model.onnx")
      do {
        try Data(tiny.bytes).write(to: path)
        return (try ONNXFile(path: path.path), nil)
      } catch { return (nil, error as? ClozeError) }
    }
  }

  @Test func readsWhatIsInside() throws {
    let folder = try Folder()
    for location in ["weights.bin", "inside.bin", "./weights.bin"] {
      let (file, error) = folder.load(location, offset: "16", length: "32")
      #expect(error == nil)
      let tensor = try #require(file?.graph.tensors.first ?? nil)
      #expect(try Array(tensor.bytes()) == (16..<48).map { UInt8($0) })
    }
  }

  /// The cache of the Hugging Face hub: every file of a model is a link into one folder.
  @Test func readsFromACacheOfLinks() throws {
    let folder = try Folder()
    let blobs = folder.base.appending(path: "blobs")
    try FileManager.default.createDirectory(at: blobs, withIntermediateDirectories: true)
    var tiny = TinyModel()
    tiny.tensors = [TinyModel.external("w", [2, 4], location: "data", offset: "0", length: "32")]
    try Data(tiny.bytes).write(to: blobs.appending(path: "a"))
    try Data(repeating: 5, count: 64).write(to: blobs.appending(path: "b"))
    let model = folder.model.appending(path: "linked.onnx")
    let data = folder.model.appending(path: "data")
    for (link, target) in [(model, "../blobs/a"), (data, "../blobs/b")] {
      try FileManager.default.createSymbolicLink(atPath: link.path, withDestinationPath: target)
    }
    let file = try ONNXFile(path: model.path)
    #expect(try file.graph.tensors.first??.bytes().allSatisfy { $0 == 5 } == true)
    // Other links are refused.
    try FileManager.default.removeItem(at: data)
    try FileManager.default.createSymbolicLink(atPath: data.path, withDestinationPath: "../secret.bin")
    #expect(throws: ClozeError.self) { try ONNXFile(path: model.path) }
  }

  @Test(arguments: [
    ("../secret.bin", "\"..\""), ("sub/../../secret.bin", "\"..\""), ("..\\secret.bin", "\"..\""),
    ("/etc/passwd", "absolute"), ("outside.bin", "symbolic link"), ("up/secret.bin", "symbolic link"),
  ]) func refusesWhatIsOutside(_ location: String, _ reason: String) throws {
    let folder = try Folder()
    let (file, error) = folder.load(location)
    #expect(file == nil)
    #expect(error?.cause == .externalData)
    #expect(error?.message.contains(reason) == true, "\(String(describing: error))")
    #expect(error?.message.contains(location) == true)
    #expect(error?.message.contains("\"w\"") == true)
  }

  @Test func refusesPastTheEnd() throws {
    let folder = try Folder()
    for (offset, length) in [("40", "32"), ("64", "32"), ("18446744073709551615", nil), ("99999999999999", nil)]
      as [(String, String?)]
    {
      let (file, error) = folder.load("weights.bin", offset: offset, length: length)
      #expect(file == nil)
      #expect(error != nil)
    }
    let (_, error) = folder.load("weights.bin", offset: "40")
    #expect(error?.cause == .externalData)
    #expect(error?.message.contains("64 bytes") == true, "\(String(describing: error))")
  }

  @Test func refusesLies() throws {
    let folder = try Folder()
    #expect(folder.load("weights.bin", length: "31").error?.cause == .damaged)
    #expect(folder.load("weights.bin", offset: "-1").error?.cause == .damaged)
    #expect(folder.load("weights.bin", offset: "1x").error?.cause == .damaged)
    #expect(folder.load(nil).error?.cause == .damaged)
    #expect(folder.load("").error?.cause == .damaged)
    #expect(folder.load(".").error?.cause == .externalData)
    // A claim of terabytes must be refused by the size of the file, not by running out of memory.
    #expect(folder.load("weights.bin", dims: [1 << 20, 1 << 18]).error != nil)
    #expect(folder.load("weights.bin", dims: [1 << 20, 1 << 10]).error?.cause == .externalData)
  }

  @Test func namesMissingFiles() throws {
    let folder = try Folder()
    let (_, error) = folder.load("gone.bin")
    #expect(error?.status == .notFound)
    #expect(error?.message.contains("gone.bin") == true)
    #expect(error?.message.contains("\"w\"") == true)
  }

  @Test func fromMemoryNeedsTheFolder() throws {
    let folder = try Folder()
    var tiny = TinyModel()
    tiny.tensors = [TinyModel.external("w", [2, 4], location: "weights.bin")]
    let error = try #require(loadError(tiny.bytes))
    #expect(error.cause == .externalData)
    #expect(error.message.contains("weights.bin"))
    let bytes = tiny.bytes
    try bytes.withUnsafeBytes { raw in
      let file = try ONNXFile(bytes: raw, folder: folder.model.path)
      #expect(try file.graph.tensors.first??.bytes().count == 32)
    }
  }
}
