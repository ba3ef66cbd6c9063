import ClozeTestSupport
import Foundation
import Testing

@testable import ClozeIO

/// Files of tensors, whose headers come from strangers.
struct SafetensorsTests {
  /// A file with this header and `data` bytes of data.
  private func bytes(_ header: String, data: Int = 24) -> [UInt8] {
    let length = UInt64(header.utf8.count)
    return (0..<8).map { UInt8(truncatingIfNeeded: length >> ($0 * 8)) } + Array(header.utf8)
      + (0..<data).map { UInt8($0) }
  }

  private func read(_ bytes: [UInt8]) throws -> Safetensors {
    try bytes.withUnsafeBytes { try Safetensors(LazyFile(copying: $0), name: "m") }
  }

  @Test func readsAHeader() throws {
    let file = try read(
      bytes(
        #"""
        {"__metadata__": {"format": "pt", "k\u00e9y": "a\"b"},
         "\u0041\ud83d\ude00\n": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
         "empty": {"data_offsets": [4, 4], "shape": [0, 9000000000], "dtype": "F16"},
         "odd": {"dtype": "F8_E4M3", "shape": [3], "data_offsets": [1, 3]},
         "scalar": {"dtype": "U8", "shape": [], "data_offsets": [23, 24]}}
        """# + "   "))
    #expect(file.metadata.map(\.key) == ["format", "kéy"])
    #expect(file.text("kéy") == "a\"b")
    #expect(file.tensors.map(\.name) == ["A😀\n", "empty", "odd", "scalar"])
    #expect(file.tensors.map(\.count) == [6, 0, 3, 1])
    let tensor = try #require(file.tensor("A😀\n"))
    #expect(tensor.shape == [2, 3])
    #expect(tensor.place.elementsEqual(0..<24))
    #expect(file.tensor("u0041") == nil)
    let scalar = try #require(file.tensor("scalar"))
    #expect(try file.elements(of: scalar, as: UInt8.self) == [23])
    #expect(throws: ClozeError.self) { try file.elements(of: scalar, as: Float.self) }
  }

  @Test(arguments: [
    (
      #"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
      "is there twice"
    ), (#"{"w":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}}"#, "has shape twice"),
    (#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":0}}"#, "has \"x\", which is unknown"),
    (#"{"w":{"dtype":"F32","shape":[1]}}"#, "has not all of"),
    (#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0]}}"#, "has not all of"),
    (#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}}"#, "has 4 in its data_offsets"),
    (#"{"w":{"dtype":"F32","shape":[72057594037927936],"data_offsets":[0,4]}}"#, "has 72057594037927936 in its shape"),
    (#"{"w":{"dtype":"F32","shape":[1e0],"data_offsets":[0,4]}}"#, "has 1e0 in its shape"),
    (#"{"w":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, "has -1 in its shape"),
    (#"{"w":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,4]}}"#, "in its shape"),
    (#"{"w":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}}"#, "in its shape"),
    (#"{"w":{"dtype":"F32","shape":[1073741824,1073741824],"data_offsets":[0,4]}}"#, "has the shape"),
    (#"{"w":{"dtype":"F32","shape":[0,1073741824,1073741824],"data_offsets":[0,0]}}"#, "has the shape"),
    (#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[20,28]}}"#, "lies at 20 to 28 of 24 bytes"),
    (#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[8,4]}}"#, "lies at 8 to 4"),
    (#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, "has 4 bytes, its shape [2] calls for 8"),
    (#"{"w":{"dtype":7,"shape":[2],"data_offsets":[0,4]}}"#, "a string was expected at byte 14"),
    (#"{"w":[]}"#, "'{' was expected at byte 5"), (#"{"__metadata__":{"a":1}}"#, "a string was expected at byte 21"),
    (#"{} {}"#, "something after the end"), ("", "'{' was expected at byte 0"),
  ]) func refuses(_ header: String, _ reason: String) {
    let error = #expect(throws: ClozeError.self) { try read(bytes(header)) }
    #expect(error?.cause == .damaged)
    #expect(error?.message.contains(reason) == true, "\(error?.message ?? "")")
    if reason.contains("expected") {
      #expect(error?.message.hasPrefix("m: the header: ") == true)
    } else {
      #expect(error?.message.hasPrefix("m: tensor \"w\" ") == true || header == "{} {}", "\(error?.message ?? "")")
    }
  }

  @Test func refusesWhatHoldsNoHeader() {
    for bytes in [[], [1, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0], [UInt8](repeating: 0xFF, count: 20)] {
      let error = #expect(throws: ClozeError.self) { try read(bytes) }
      #expect(error?.cause == .damaged)
      #expect(error?.message.hasPrefix("m: not a safetensors file") == true)
    }
  }

  @Test func readsBackWhatWasWritten() throws {
    try withFolder { folder in
      let path = folder + "/a.safetensors"
      var file = TensorFile()
      file.metadata = [("k\u{7F}", "{\"a\":\"\\\"\r\n\"}")]
      file.add("x\t\"é", [2, 2], [1, -0.0, .infinity, 4])
      file.add("none", [0, 3], [] as [Float])
      file.add("y", [0.1, 1e300])
      try file.write(to: path)
      let found = try TensorFile(path: path)
      #expect(found.metadata.map(\.key) == ["k\u{7F}"])
      #expect(found.text("k\u{7F}") == "{\"a\":\"\\\"\r\n\"}")
      let x = try #require(found.floats("x\t\"é"))
      #expect(x.shape == [2, 2])
      #expect(x.values.map(\.bitPattern) == ([1, -0.0, .infinity, 4] as [Float]).map(\.bitPattern))
      #expect(found.floats("none")?.shape == [0, 3])
      #expect(found.doubles("y") == [0.1, 1e300])
      #expect(found.floats("y") == nil && found.doubles("z") == nil)
    }
  }

  @Test func holdsFloatsOnly() throws {
    let onDisk = try TemporaryFile(bytes(#"{"w":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}}"#))
    let error = #expect(throws: ClozeError.self) { try TensorFile(path: onDisk.path) }
    #expect(error?.message.hasSuffix("tensor \"w\" is F16, not F32 or F64") == true)
  }
}
