/// Writes one JSON value, compact.
///
/// Numbers are the shortest decimals that read back as the same value; NaN and infinity, which JSON lacks, become
/// null. Strings are escaped so that a terminal only displays them: DEL too.
package struct JSONWriter {
  package private(set) var bytes: [UInt8] = []
  private var needsComma = false

  package init() {}

  package var text: String { String(decoding: bytes, as: UTF8.self) }

  /// An object on a line of its own.
  package static func line(_ members: (inout JSONWriter) -> Void) -> [UInt8] {
    var writer = JSONWriter()
    writer.object(nil, members)
    writer.bytes.append(0x0A)
    return writer.bytes
  }

  package mutating func object(_ key: String? = nil, _ body: (inout JSONWriter) -> Void) {
    enclose(key, "{", "}", body)
  }

  package mutating func array(_ key: String? = nil, _ body: (inout JSONWriter) -> Void) { enclose(key, "[", "]", body) }

  package mutating func array(_ key: String? = nil, _ strings: [String]) {
    array(key) { for string in strings { $0.value(nil, string) } }
  }
  package mutating func array(_ key: String? = nil, _ numbers: some Sequence<some BinaryInteger>) {
    array(key) { for number in numbers { $0.value(nil, Int(number)) } }
  }
  package mutating func array(_ key: String? = nil, _ numbers: some Sequence<Float>) {
    array(key) { for number in numbers { $0.value(nil, number) } }
  }

  package mutating func value(_ key: String? = nil, _ number: Int) { put(key, number.description) }
  package mutating func value(_ key: String? = nil, _ flag: Bool) { put(key, flag ? "true" : "false") }
  package mutating func value(_ key: String? = nil, _ number: Double) {
    put(key, number.isFinite ? number.description : "null")
  }
  package mutating func value(_ key: String? = nil, _ number: Float) {
    put(key, number.isFinite ? number.description : "null")
  }
  package mutating func value(_ key: String? = nil, _ string: String?) {
    guard let string else { return put(key, "null") }
    begin(key)
    quote(string)
  }

  /// A tree that was read; of strings the same text, of numbers the same digits.
  package mutating func value(_ key: String? = nil, _ tree: JSONValue) {
    switch tree {
    case .null: put(key, "null")
    case .bool(let flag): value(key, flag)
    case .number(let number): put(key, number.string)
    case .string(let text): value(key, text.string)
    case .array(let elements): array(key) { for element in elements { $0.value(nil, element) } }
    case .object(let members): object(key) { for member in members { $0.value(member.key.string, member.value) } }
    }
  }

  private mutating func enclose(_ key: String?, _ open: String, _ close: String, _ body: (inout JSONWriter) -> Void) {
    put(key, open)
    needsComma = false
    body(&self)
    bytes.append(contentsOf: close.utf8)
    needsComma = true
  }

  private mutating func put(_ key: String?, _ value: String) {
    begin(key)
    bytes.append(contentsOf: value.utf8)
  }

  /// What comes before a value.
  private mutating func begin(_ key: String?) {
    if needsComma { bytes.append(UInt8(ascii: ",")) }
    needsComma = true
    guard let key else { return }
    quote(key)
    bytes.append(UInt8(ascii: ":"))
  }

  private mutating func quote(_ string: String) {
    bytes.append(UInt8(ascii: "\""))
    for byte in string.utf8 {
      switch byte {
      case UInt8(ascii: "\""): bytes.append(contentsOf: "\\\"".utf8)
      case UInt8(ascii: "\\"): bytes.append(contentsOf: "\\\\".utf8)
      case UInt8(ascii: "\n"): bytes.append(contentsOf: "\\n".utf8)
      case UInt8(ascii: "\r"): bytes.append(contentsOf: "\\r".utf8)
      case UInt8(ascii: "\t"): bytes.append(contentsOf: "\\t".utf8)
      case 0..<0x20, 0x7F:
        let digits = String(byte, radix: 16)
        bytes.append(contentsOf: ("\\u00" + (byte < 0x10 ? "0" : "") + digits).utf8)
      default: bytes.append(byte)
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }
}
