/// A value to be written as JSON, on one line.
enum JSONValue {
  case string(String)
  case int(Int)
  case float(Float)
  case double(Double)
  case bool(Bool)
  case null
  case array([JSONValue])
  case ints([Int])
  case floats(ArraySlice<Float>)
  /// Keys stay in the order given.
  case object([(String, JSONValue)])

  static func strings(_ values: [String]) -> JSONValue { .array(values.map(JSONValue.string)) }

  /// The value and a line end.
  var line: [UInt8] {
    var bytes: [UInt8] = []
    append(to: &bytes)
    bytes.append(0x0A)
    return bytes
  }

  func append(to bytes: inout [UInt8]) {
    switch self {
    case .string(let text): Self.append(text, to: &bytes)
    case .int(let value): bytes.append(contentsOf: value.description.utf8)
    case .float(let value): Self.append(value, to: &bytes)
    case .double(let value):
      bytes.append(contentsOf: (value.isFinite ? value.description : "null").utf8)
    case .bool(let value): bytes.append(contentsOf: value.description.utf8)
    case .null: bytes.append(contentsOf: "null".utf8)
    case .array(let values):
      Self.append(values, between: ("[", "]"), to: &bytes) { $0.append(to: &$1) }
    case .ints(let values):
      Self.append(values, between: ("[", "]"), to: &bytes) {
        $1.append(contentsOf: $0.description.utf8)
      }
    case .floats(let values):
      Self.append(values, between: ("[", "]"), to: &bytes) { Self.append($0, to: &$1) }
    case .object(let members):
      Self.append(members, between: ("{", "}"), to: &bytes) { member, bytes in
        Self.append(member.0, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        member.1.append(to: &bytes)
      }
    }
  }

  private static func append<Element>(
    _ values: some Collection<Element>,
    between brackets: (open: Unicode.Scalar, close: Unicode.Scalar),
    to bytes: inout [UInt8], element: (Element, inout [UInt8]) -> Void
  ) {
    bytes.append(UInt8(ascii: brackets.open))
    var isFirst = true
    for value in values {
      if !isFirst { bytes.append(UInt8(ascii: ",")) }
      isFirst = false
      element(value, &bytes)
    }
    bytes.append(UInt8(ascii: brackets.close))
  }

  /// The shortest decimal that reads back as the same value. JSON has no infinity and no NaN: they
  /// become null.
  private static func append(_ value: Float, to bytes: inout [UInt8]) {
    bytes.append(contentsOf: (value.isFinite ? value.description : "null").utf8)
  }

  private static func append(_ text: String, to bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""): bytes.append(contentsOf: "\\\"".utf8)
      case UInt8(ascii: "\\"): bytes.append(contentsOf: "\\\\".utf8)
      case UInt8(ascii: "\n"): bytes.append(contentsOf: "\\n".utf8)
      case UInt8(ascii: "\r"): bytes.append(contentsOf: "\\r".utf8)
      case UInt8(ascii: "\t"): bytes.append(contentsOf: "\\t".utf8)
      // DEL is allowed in JSON, but a terminal acts on it.
      case 0..<0x20, 0x7F:
        bytes.append(contentsOf: "\\u00".utf8)
        bytes.append(hexDigits[Int(byte >> 4)])
        bytes.append(hexDigits[Int(byte & 15)])
      default: bytes.append(byte)
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }

  private static let hexDigits = Array("0123456789abcdef".utf8)
}

extension JSONValue {
  /// The members that say which text an object is about.
  static func members(of text: NumberedText) -> [(String, JSONValue)] {
    let first: (String, JSONValue) = ("text", .string(text.text.first))
    guard let second = text.text.second else { return [first] }
    return [first, ("pair", .string(second))]
  }
}
