import ClozeIO
import Foundation
import Testing

@testable import ClozeONNX

/// Writing of ONNX files.
@Suite struct WritingTests {
  private func document() throws -> ONNXDocument {
    try ONNXDocument(irVersion: 8, opset: 17, producer: "test", version: "1")
  }

  private func bytes(_ document: ONNXDocument) throws -> [UInt8] {
    var all: [UInt8] = []
    while let piece = try document.next() { all += piece }
    return all
  }

  @Test func whatIsWrittenIsRead() throws {
    let document = try document()
    document.metadata("key", "value")
    document.input("x", .float32, [.free("batch"), .fixed(2)])
    document.node(
      "Gemm", name: "n", inputs: ["x", "w"], outputs: ["y"],
      attributes: [("transB", .int(1)), ("alpha", .float(0.5)), ("other", .ints([3, -4]))])
    document.output("y", .float32, [.free("batch"), .fixed(3)])
    try document.tensor("w", .float32, [3, 2]) { () throws(ClozeError) in
      try Tensor.floats([1, 2, 3, 4, 5, 6], shape: [3, 2], name: "w")
    }
    try document.tensor("empty", .int64, [0]) { () throws(ClozeError) in try Tensor.integers([]) }
    try document.finish()
    let all = try bytes(document)
    #expect(all.count == document.size)
    let file = try all.withUnsafeBytes { try ONNXFile(bytes: $0) }
    let graph = file.graph
    #expect(graph.opset == 17 && graph.irVersion == 8 && graph.producer == "test")
    let node = try #require(graph.nodes.first)
    #expect(node.op == "Gemm" && node.int("transB") == 1 && node.float("alpha") == 0.5)
    #expect(node.ints("other") == [3, -4])
    #expect(graph.inputs.map(\.name) == ["x"] && graph.outputs.map(\.name) == ["y"])
    #expect(graph.inputs[0].dimensionNames == ["batch", "2"])
    let weight = try #require(graph.tensors.compactMap { $0 }.first { $0.name == "w" })
    var numbers = [Float](repeating: 0, count: 6)
    try numbers.withUnsafeMutableBufferPointer { try weight.copyFloat32(to: $0) }
    #expect(numbers == [1, 2, 3, 4, 5, 6])
  }

  @Test func moreThanTwoGigabytesAreRefused() throws {
    let document = try document()
    try document.tensor("w", .float32, [1 << 29, 1]) { () throws(ClozeError) in throw ClozeError(.io, "asked for") }
    let error = #expect(throws: ClozeError.self) { try document.finish() }
    #expect(error?.cause == .unsupported && error?.message.contains("2147483647") == true)
    let huge = try self.document()
    #expect(throws: ClozeError.self) {
      try huge.tensor("w", .float32, [Int.max, 2]) { () throws(ClozeError) in try Tensor.integers([]) }
    }
  }

  @Test func aTensorOfAnotherSizeIsAnError() throws {
    let document = try document()
    try document.tensor("w", .int64, [3]) { () throws(ClozeError) in try Tensor.integers([1]) }
    try document.finish()
    #expect(throws: ClozeError.self) { _ = try bytes(document) }
  }

  /// Against the system's own conversion, on every pattern of 16 bits and on what lies between.
  @Test func float16() {
    for bits in UInt16.min...UInt16.max {
      let value = Float(float16Bits: bits)
      if value.isNaN { continue }
      if float16Bits(value) != bits { Issue.record("\(value)") }
      for other in [value.nextUp, value.nextDown, value * 1.0004, value * 1.00025] {
        #if arch(arm64) || os(Linux)
          let expected = Float16(other).bitPattern
          if float16Bits(other) != expected { Issue.record("\(other)") }
        #endif
      }
    }
  }
}
