/// Reads JSON as RFC 8259 has it, strictly: no comments, no trailing commas, no lone surrogates.
///
/// Values that nobody asked for are checked and skipped; only strings are ever copied. `bytes` must
/// be UTF-8.
struct JSONScanner {
  /// What is wrong, and at which byte.
  struct Failure: Error, Hashable {
    let offset: Int
    let reason: String
  }

  /// The types of JSON, with the article that messages need.
  enum Kind: String {
    case object = "an object"
    case array = "an array"
    case string = "a string"
    case number = "a number"
    case boolean = "a boolean"
    case null
  }

  /// Containers within containers that are followed; deeper ones are refused, so that the stack
  /// stays small.
  static let maximumDepth = 256

  private let bytes: [UInt8]
  private(set) var offset = 0

  init(_ bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }

  /// The next byte that is not white space, or nil at the end.
  mutating func peek() -> UInt8? {
    while offset < bytes.count {
      switch bytes[offset] {
      case 0x20, 0x09, 0x0A, 0x0D: offset += 1
      default: return bytes[offset]
      }
    }
    return nil
  }

  /// The type of the value that begins here.
  mutating func kind() throws(Failure) -> Kind {
    guard let byte = peek() else { throw failure("a value is missing") }
    switch byte {
    case UInt8(ascii: "{"): return .object
    case UInt8(ascii: "["): return .array
    case UInt8(ascii: "\""): return .string
    case UInt8(ascii: "t"), UInt8(ascii: "f"): return .boolean
    case UInt8(ascii: "n"): return .null
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number
    default: throw failure("not a JSON value")
    }
  }

  /// Nothing but white space may be left.
  mutating func end() throws(Failure) {
    if peek() != nil { throw failure("text after the value") }
  }

  /// Calls `member` with every key of an object, the scanner standing at the key's value, which
  /// `member` must read.
  mutating func object(
    _ member: (String, inout JSONScanner) throws(Failure) -> Void
  ) throws(Failure) {
    try expect(UInt8(ascii: "{"))
    if peek() == UInt8(ascii: "}") {
      offset += 1
      return
    }
    while true {
      guard peek() == UInt8(ascii: "\"") else { throw failure("a key in quotes is missing") }
      let key = try string()
      try expect(UInt8(ascii: ":"))
      try member(key, &self)
      if try !isContinued(until: UInt8(ascii: "}")) { return }
    }
  }

  /// Calls `element` with the index of every element of an array, the scanner standing at it;
  /// `element` must read it.
  mutating func array(
    _ element: (Int, inout JSONScanner) throws(Failure) -> Void
  ) throws(Failure) {
    try expect(UInt8(ascii: "["))
    if peek() == UInt8(ascii: "]") {
      offset += 1
      return
    }
    var index = 0
    while true {
      try element(index, &self)
      index += 1
      if try !isContinued(until: UInt8(ascii: "]")) { return }
    }
  }

  /// Checks the value that begins here, and goes past it.
  mutating func skip(depth: Int = 0) throws(Failure) {
    switch try kind() {
    case .object:
      guard depth < Self.maximumDepth else { throw failure("nested too deeply") }
      try object { (_, scanner) throws(Failure) in try scanner.skip(depth: depth + 1) }
    case .array:
      guard depth < Self.maximumDepth else { throw failure("nested too deeply") }
      try array { (_, scanner) throws(Failure) in try scanner.skip(depth: depth + 1) }
    case .string: _ = try string()
    case .number: try number()
    case .boolean: try word(peek() == UInt8(ascii: "t") ? "true" : "false")
    case .null: try word("null")
    }
  }

  /// Reads a string.
  mutating func string() throws(Failure) -> String {
    try expect(UInt8(ascii: "\""))
    var text: [UInt8] = []
    while offset < bytes.count {
      let byte = bytes[offset]
      switch byte {
      case UInt8(ascii: "\""):
        offset += 1
        return String(decoding: text, as: UTF8.self)
      case UInt8(ascii: "\\"):
        text.append(contentsOf: try escaped().utf8)
      case 0..<0x20:
        throw failure("a control character in a string")
      default:
        text.append(byte)
        offset += 1
      }
    }
    throw failure("a string does not end")
  }

  /// Reads what a backslash begins.
  private mutating func escaped() throws(Failure) -> Character {
    let start = offset
    offset += 1
    guard offset < bytes.count else { throw failure("a string does not end") }
    let letter = bytes[offset]
    offset += 1
    switch letter {
    case UInt8(ascii: "\""): return "\""
    case UInt8(ascii: "\\"): return "\\"
    case UInt8(ascii: "/"): return "/"
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): break
    default: throw Failure(offset: start, reason: "an unknown escape in a string")
    }
    let unit = try fourHexDigits()
    if let scalar = Unicode.Scalar(unit) { return Character(scalar) }
    // A surrogate: only a high one that a low one follows stands for a character.
    if unit < 0xDC00, offset + 1 < bytes.count, bytes[offset] == UInt8(ascii: "\\"),
      bytes[offset + 1] == UInt8(ascii: "u")
    {
      offset += 2
      let low = try fourHexDigits()
      if low >= 0xDC00, low <= 0xDFFF,
        let scalar = Unicode.Scalar(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00))
      {
        return Character(scalar)
      }
    }
    throw Failure(offset: start, reason: "half of a surrogate pair in a string")
  }

  private mutating func fourHexDigits() throws(Failure) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard offset < bytes.count, let digit = hexDigit(bytes[offset]) else {
        throw failure("four hexadecimal digits are missing")
      }
      value = value << 4 | digit
      offset += 1
    }
    return value
  }

  private func hexDigit(_ byte: UInt8) -> UInt32? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0"))
    case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(byte - UInt8(ascii: "a") + 10)
    case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(byte - UInt8(ascii: "A") + 10)
    default: nil
    }
  }

  /// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`
  private mutating func number() throws(Failure) {
    if current == UInt8(ascii: "-") { offset += 1 }
    let leadingZero = current == UInt8(ascii: "0")
    let digits = try digits()
    if leadingZero, digits > 1 { throw failure("a number begins with 0") }
    if current == UInt8(ascii: ".") {
      offset += 1
      _ = try self.digits()
    }
    if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
      offset += 1
      if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { offset += 1 }
      _ = try self.digits()
    }
  }

  private mutating func digits() throws(Failure) -> Int {
    let start = offset
    while let byte = current, byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") { offset += 1 }
    if offset == start { throw failure("a digit is missing") }
    return offset - start
  }

  private mutating func word(_ word: String) throws(Failure) {
    guard bytes[min(offset, bytes.count)...].starts(with: word.utf8) else {
      throw failure("not a JSON value")
    }
    offset += word.utf8.count
  }

  private var current: UInt8? { offset < bytes.count ? bytes[offset] : nil }

  private mutating func expect(_ byte: UInt8) throws(Failure) {
    guard peek() == byte else {
      throw failure("\"\(Character(Unicode.Scalar(byte)))\" is missing")
    }
    offset += 1
  }

  /// Goes past a comma, and says true, or past the closing bracket.
  private mutating func isContinued(until close: UInt8) throws(Failure) -> Bool {
    let byte = peek()
    guard byte == close || byte == UInt8(ascii: ",") else {
      throw failure("\",\" or \"\(Character(Unicode.Scalar(close)))\" is missing")
    }
    offset += 1
    return byte != close
  }

  private func failure(_ reason: String) -> Failure { Failure(offset: offset, reason: reason) }
}
