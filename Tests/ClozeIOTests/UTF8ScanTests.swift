import Testing

@testable import ClozeIO

@Suite struct UTF8ScanTests {
  /// The standard library's opinion.
  private func isValid(_ bytes: [UInt8]) -> Bool { String(validating: bytes, as: UTF8.self) != nil }

  @Test func acceptsEveryScalar() {
    for value in UInt32(0)...0x10FFFF {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let bytes = Array(String(scalar).utf8)
      if UTF8Scan.firstInvalid(bytes[...]) != nil { Issue.record("U+\(String(value, radix: 16))") }
    }
  }

  @Test func agreesWithTheStandardLibraryOnEveryThreeBytes() {
    // Every lead byte with the values at which rules change.
    let edges: [UInt8] = [0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xFF]
    for lead in UInt8.min...UInt8.max {
      for second in edges {
        for third in edges {
          for fourth in edges {
            let bytes = [lead, second, third, fourth]
            for count in 1...4 {
              let part = bytes[..<count]
              #expect((UTF8Scan.firstInvalid(part) == nil) == isValid(Array(part)))
            }
          }
        }
      }
    }
  }

  @Test func findsTheFirstFault() {
    #expect(UTF8Scan.firstInvalid([0x61, 0xC3, 0xA9, 0xC3][...]) == 3)
    #expect(UTF8Scan.firstInvalid([0xE4, 0xB8, 0xAD, 0xED, 0xA0, 0x80][...]) == 3)
    #expect(UTF8Scan.firstInvalid([0x61, 0x62, 0xBF, 0xFF][...]) == 2)
    #expect(UTF8Scan.firstInvalid([][...]) == nil)
  }
}
