import ClozeIO
import Foundation
import Testing

@testable import ClozeCommand

@Suite struct NPYWriterTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func header(_ bytes: [UInt8]) -> String { String(decoding: bytes[10..<128], as: UTF8.self) }

  @Test func writesWhatNumPyReads() throws {
    let writer = try NPYWriter(AtomicFile(path: folder.file("v.npy")), columns: 3, elementType: .float32)
    try writer.append(rows: [1, -2, 0.5])
    try writer.append(rows: [Float]())
    try writer.append(rows: [3, 4, 5, 6, 7, 8] as ArraySlice<Float>)
    // Nothing under the final name before the end.
    #expect(!folder.names.contains("v.npy"))
    #expect(folder.names.count == 1)
    try writer.finish()
    #expect(folder.names == ["v.npy"])

    let bytes = try folder.bytes(of: "v.npy")
    #expect(Array(bytes[..<10]) == [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59, 1, 0, 118, 0])
    let dictionary = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 3), }"
    #expect(header(bytes).hasPrefix(dictionary))
    #expect(bytes[127] == 0x0A)
    #expect(bytes[(10 + dictionary.utf8.count)..<127].allSatisfy { $0 == 0x20 })
    #expect(bytes.count == 128 + 9 * 4)
    #expect(Array(bytes[128..<136]) == [0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0])
  }

  @Test func keepsRoomForAnyNumberOfRows() {
    let header = NPYWriter.header(rows: .max, columns: .max, elementType: .float16)
    #expect(header.count == 128)
    #expect(header.last == 0x0A)
  }

  @Test func writesAnEmptyMatrix() throws {
    try NPYWriter(AtomicFile(path: folder.file("v.npy")), columns: 7, elementType: .float32).finish()
    let bytes = try folder.bytes(of: "v.npy")
    #expect(bytes.count == 128)
    #expect(header(bytes).contains("'shape': (0, 7), }"))
  }

  @Test func roundsToHalves() throws {
    let writer = try NPYWriter(AtomicFile(path: folder.file("v.npy")), columns: 2, elementType: .float16)
    // 1 + 2^-11 lies halfway between 1 and its successor, 1 + 3 * 2^-11 between two odd and even
    // ones.
    try writer.append(rows: [1 + 0x1p-11, 1 + 3 * 0x1p-11])
    try writer.finish()
    let bytes = try folder.bytes(of: "v.npy")
    #expect(header(bytes).contains("'<f2'"))
    #expect(Array(bytes[128...]) == [0x00, 0x3C, 0x02, 0x3C])
  }

  /// Two rows of nine dimensions; the expected bytes are quantize_embeddings' of sentence-transformers.
  @Test(
    arguments: [
      (NPYWriter.ElementType.uint8, "|u1", [0, 254, 0, 254, 0, 255, 0, 0, 0, 254, 0, 0, 0, 0, 0, 0, 254, 254]),
      (.int8, "|i1", [128, 126, 128, 126, 128, 127, 128, 128, 128, 126, 128, 128, 128, 128, 128, 128, 126, 126]),
      (.ubinary, "|u1", [0b0101_0101, 0, 0b1000_0001, 0b1000_0000]),
      (.binary, "|i1", [0b1101_0101, 0b1000_0000, 0b0000_0001, 0]),
    ] as [(NPYWriter.ElementType, String, [UInt8])])
  func writesFewerBits(type: NPYWriter.ElementType, descriptor: String, wanted: [UInt8]) throws {
    let rows: [Float] = [-1, 1, -2, 2, 0, 3, -4, 4, -5, /**/ 1, 0, -2, -2, 0, -3, -4, 5, 5]
    let ranges = rows.indices.reduce(into: EmbeddingRanges(columns: 9)) { ranges, index in
      if index % 9 == 0 { ranges.add(rows: rows[index..<(index + 9)]) }
    }
    for given in [nil, ranges] {
      let writer = try NPYWriter(
        AtomicFile(path: folder.file("v.npy")), columns: 9, elementType: type, ranges: type.hasLevels ? given : nil)
      try writer.append(rows: rows[..<9])
      try writer.append(rows: rows[9...])
      try writer.finish()
      let bytes = try folder.bytes(of: "v.npy")
      #expect(header(bytes).contains("'\(descriptor)'") && header(bytes).contains("(2, \(type.columns(9)))"))
      #expect(Array(bytes[128...]) == wanted)
    }
  }

  @Test func cutsWhatLiesOutsideOfRanges() throws {
    var ranges = EmbeddingRanges(columns: 3)
    ranges.add(rows: [0, 0, 3])
    ranges.add(rows: [1, 1, 3])
    var bytes: [UInt8] = []
    ranges.quantize(rows: [-9, 9, 4, .nan, .infinity, -.infinity], to: &bytes)
    #expect(bytes == [0, 255, 1, 0, 255, 0])
  }

  @Test func refusesRangesOfOneRow() throws {
    let writer = try NPYWriter(AtomicFile(path: folder.file("v.npy")), columns: 1, elementType: .int8)
    try writer.append(rows: [1])
    #expect(
      throws: ClozeError(.invalidArgument, "int8 needs the ranges of at least two texts; give some with --ranges")
    ) { try writer.finish() }
    let device = try NPYWriter(AtomicFile(path: "/dev/null"), columns: 1, elementType: .int8)
    try device.append(rows: [1, 2])
    let reason = "what was written to a device cannot be read back"
    #expect(throws: ClozeError(.io, "cannot write to /dev/null: \(reason)")) { try device.finish() }
  }

  @Test func readsRanges() throws {
    func written(_ values: [Float], columns: Int = 2) throws -> String {
      let writer = try NPYWriter(AtomicFile(path: folder.file("r.npy")), columns: columns, elementType: .float32)
      try writer.append(rows: values)
      try writer.finish()
      return folder.file("r.npy")
    }
    let ranges = try EmbeddingRanges(path: written([-1, 2, 3, 2]), columns: 2)
    #expect(ranges.lowest == [-1, 2] && ranges.highest == [3, 2])
    for (values, columns) in [([1, 2] as [Float], 2), ([1, 2, 3, 4], 1), ([1, 0, 0, 1], 2), ([0, .nan, 1, 1], 2)] {
      let path = try written(values, columns: columns)
      let error = #expect(throws: ClozeError.self) { try EmbeddingRanges(path: path, columns: 2) }
      #expect(error?.message.hasPrefix("\(path): ") == true)
    }
    // An array that is cut short.
    let path = try folder.write("\u{93}NUMPY", to: "short.npy")
    #expect(throws: ClozeError.self) { try EmbeddingRanges(path: path, columns: 2) }
  }

  @Test func refusesWhatDoesNotFitIntoAHalf() throws {
    do {
      let writer = try NPYWriter(AtomicFile(path: folder.file("v.npy")), columns: 2, elementType: .float16)
      try writer.append(rows: [1, 2, 65_519, -.infinity])
      #expect(throws: ClozeError(.io, "row 2: 65520.0 is too large for float16")) {
        try writer.append(rows: [0, 65_520])
      }
    }
    #expect(folder.names == [])
  }

  @Test func leavesWhatWasThereWhenItIsNotFinished() throws {
    _ = try folder.write("before", to: "v.npy")
    do {
      let writer = try NPYWriter(AtomicFile(path: folder.file("v.npy")), columns: 1, elementType: .float32)
      try writer.append(rows: [1])
      #expect(folder.names.count == 2)
    }
    #expect(folder.names == ["v.npy"])
    #expect(try folder.bytes(of: "v.npy") == Array("before".utf8))
  }

  @Test func replacesAFileAndKeepsItsMode() throws {
    let path = try folder.write("before", to: "v.npy")
    chmod(path, 0o640)
    let link = folder.file("link.npy")
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "v.npy")
    try NPYWriter(AtomicFile(path: link), columns: 1, elementType: .float32).finish()
    #expect(folder.names == ["link.npy", "v.npy"])
    #expect(try folder.bytes(of: "v.npy").count == 128)
    let attributes = try FileManager.default.attributesOfItem(atPath: path)
    #expect(attributes[.posixPermissions] as? Int == 0o640)
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == "v.npy")
  }

  @Test func namesPlacesThatCannotBeWrittenTo() throws {
    let missing = folder.file("missing/v.npy")
    #expect(throws: ClozeError(.io, "cannot write to \(missing): No such file or directory")) {
      try AtomicFile(path: missing)
    }
    let path = folder.path
    #expect(throws: ClozeError(.io, "cannot write to \(path): it is a folder")) { try AtomicFile(path: path) }
    let pipe = folder.file("pipe")
    mkfifo(pipe, 0o600)
    #expect(throws: ClozeError(.io, "cannot write to \(pipe): it is no regular file")) { try AtomicFile(path: pipe) }
    #expect(throws: ClozeError(.io, "cannot write to /dev/full: No space left on device")) {
      _ = try NPYWriter(AtomicFile(path: "/dev/full"), columns: 1, elementType: .float32)
    }
    #expect(folder.names == ["pipe"])
  }
}
