import Foundation
import Testing

@testable import ClozeIO

@Suite struct JSONWriterTests {
  @Test func writesWhatOthersRead() throws {
    let text = String(String.UnicodeScalarView((0..<0x250).compactMap(Unicode.Scalar.init))) + "\\\"中🙂"
    let line = JSONWriter.line {
      $0.value("text \"\n", text)
      $0.array("ints", [1, -2])
      $0.array("empty") { _ in }
      $0.array("floats", [0.1, -1.5e-8, .greatestFiniteMagnitude, -0.0, .leastNonzeroMagnitude] as [Float])
      $0.array("odd", [.nan, .infinity] as [Float])
      $0.value("flag", true)
      $0.value("none", nil)
      $0.value("double", 1e300)
      $0.value("float", 0.25 as Float)
      $0.value("int", Int.min)
    }
    #expect(line.last == 0x0A)
    #expect(!line.dropLast().contains { $0 < 0x20 || $0 == 0x7F })
    let object = try #require(try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any])
    #expect(object.count == 10)
    #expect(object["text \"\n"] as? String == text)
    #expect(object["ints"] as? [Int] == [1, -2])
    let floats = try #require(object["floats"] as? [Double]).map(Float.init)
    #expect(floats == [0.1, -1.5e-8, .greatestFiniteMagnitude, -0.0, .leastNonzeroMagnitude])
    #expect((object["odd"] as? [NSNull])?.count == 2)
    #expect(object["int"] as? Int == .min)
    // The parser of this module reads the same.
    #expect(try JSONField(parsing: line, name: "t").required("text \"\n").string() == text)
  }

  @Test func keepsTheOrderOfKeys() {
    let line = JSONWriter.line {
      $0.value("b", 1)
      $0.array("a", ["x"])
      $0.object("\u{7F}") { $0.value("r", "\r\t\u{1}") }
      $0.array { $0.object { _ in } }
    }
    #expect(String(decoding: line, as: UTF8.self) == #"{"b":1,"a":["x"],"\u007f":{"r":"\r\t\u0001"},[{}]}"# + "\n")
  }

  @Test func writesFloatsThatReadBackTheSame() {
    var random = SplitMix64(seed: 11)
    for _ in 0..<20_000 {
      let value = Float(bitPattern: UInt32.random(in: .min ... .max, using: &random))
      guard value.isFinite else { continue }
      var writer = JSONWriter()
      writer.value(nil, value)
      #expect(Float(writer.text)?.bitPattern == value.bitPattern)
    }
  }
}
