import ClozeTestSupport
import Foundation
import Testing

@testable import ClozeIO

/// Indices of files of tensors, which come from strangers too.
struct SafetensorsIndexTests {
  private func index(_ text: String) throws -> SafetensorsIndex { try SafetensorsIndex(Array(text.utf8), path: "i") }

  /// A safetensors file with one byte for each tensor.
  static func write(_ tensors: [String], to path: String) throws {
    let entries = tensors.enumerated().map {
      #""\#($1)":{"dtype":"U8","shape":[1],"data_offsets":[\#($0),\#($0 + 1)]}"#
    }
    let header = Array("{\(entries.joined(separator: ","))}".utf8)
    let length = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> ($0 * 8)) }
    try Data(length + header + tensors.indices.map { UInt8($0) }).write(to: URL(filePath: path))
  }

  private func message(_ body: () throws -> Void) -> String {
    do { try body() } catch { return "\(error)" }
    return "nothing was refused"
  }

  @Test func listsTensorsAndShards() throws {
    let found = try index(
      #"{"metadata":{"total_size":3,"more":[1,{"a":null}]},"weight_map":{"a":"x","b":"y","c\u00e9":"x"}}"#)
    #expect(found.shards == ["x", "y"])
    #expect(found.tensors.map(\.name) == ["a", "b", "cé"])
    #expect(found.tensors.map(\.shard) == [0, 1, 0])
  }

  @Test(arguments: [
    ("{}", "i: no weight_map"), ("[]", "'{' was expected"), ("", "'{' was expected"),
    (#"{"weight_map":{}} x"#, "something after the end"),
    (#"{"weight_map":{},"weight_map":{}}"#, "weight_map is there twice"),
    (#"{"weight_map":{"a":"x","a":"y"}}"#, "tensor \"a\" is there twice"),
    (#"{"weight_map":{"a":1}}"#, "a string was expected"), (#"{"weight_map":["a"]}"#, "'{' was expected"),
  ]) func refuses(_ text: String, _ part: String) {
    let said = message { _ = try index(text) }
    #expect(said.contains(part), "\(said)")
  }

  @Test func isBounded() {
    func map(_ entries: [String]) -> String { "{\"weight_map\":{\(entries.joined(separator: ","))}}" }
    let shards = message { _ = try index(map((0...256).map { "\"t\($0)\":\"s\($0)\"" })) }
    #expect(shards.contains("more than 256 files"), "\(shards)")
    let tensors = message { _ = try index(map((0...65536).map { "\"t\($0)\":\"s\"" })) }
    #expect(tensors.contains("more than 65536 tensors"), "\(tensors)")
  }

  @Test func opensShards() throws {
    try withFolder { folder in
      let path = folder + "/model.safetensors.index.json"
      try Self.write(["a", "more"], to: folder + "/one")
      try Self.write(["c", "b"], to: folder + "/two")
      try Self.write(["a"], to: folder + "/stray")
      func opened(_ map: String) throws -> [(tensor: Safetensors.Tensor, file: LazyFile)] {
        try Data("{\"weight_map\":{\(map)}}".utf8).write(to: URL(filePath: path))
        return try SafetensorsIndex(path: path).open()
      }
      let found = try opened(#""a":"one","b":"two""#)
      #expect(found.map(\.tensor.name) == ["a", "b"])
      for (tensor, file) in found { try file.fill(tensor.place) }
      #expect(found.map(\.tensor.place[0]) == [0, 1])

      for (map, parts) in [
        (#""a":"none""#, ["tensor \"a\"", "\"none\"", "No such file"]),
        (#""z":"two""#, ["tensor \"z\"", "\"two\"", "no tensor of that name"]), (#""a":"../one""#, ["\"..\""]),
        (#""a":"x\\..\\one""#, ["\"..\""]), (#""a":"/etc/passwd""#, ["absolute path"]), (#""a":"""#, ["no file name"]),
        (#""a":"one\u0000""#, ["zero byte"]), (#""a":".""#, [folder]),
      ] {
        let said = message { _ = try opened(map) }
        for part in parts { #expect(said.contains(part) || part == "no file name", "\(said)") }
      }
      try FileManager.default.createSymbolicLink(atPath: folder + "/link", withDestinationPath: "/etc/passwd")
      let said = message { _ = try opened(#""a":"link""#) }
      #expect(said.contains("symbolic link to /etc/passwd"), "\(said)")
    }
  }
}
