/// Reads JSON (RFC 8259). Nesting is bounded, errors say what and at which byte.
struct JSONParser {
  /// A tokenizer.json nests about eight deep.
  static let deepestNesting = 64

  private let source: [UInt8]
  private let name: String
  private var at = 0

  /// `name` is what the source is called in messages.
  init(_ source: [UInt8], name: String) {
    self.source = source
    self.name = name
  }

  /// The whole document.
  mutating func parse() throws(ClozeError) -> JSONValue {
    let invalid = source.withUnsafeBufferPointer { UTF8Scan.firstInvalid($0) }
    if let invalid { throw error("not valid UTF-8", at: invalid) }
    let value = try value(depth: 0)
    skipSpace()
    if at < source.count { throw error("something after the end of the document", at: at) }
    return value
  }

  private func error(_ what: String, at position: Int) -> ClozeError {
    ClozeError(.damaged, "\(name): \(what) at byte \(position)")
  }

  private mutating func skipSpace() {
    while let byte = current, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
      at &+= 1
    }
  }

  private var current: UInt8? { at < source.count ? source[at] : nil }

  private mutating func value(depth: Int) throws(ClozeError) -> JSONValue {
    skipSpace()
    guard let byte = current else { throw error("the document ends early", at: at) }
    guard depth < JSONParser.deepestNesting else {
      throw error("nesting deeper than \(JSONParser.deepestNesting)", at: at)
    }
    switch byte {
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case UInt8(ascii: "-"), 48...57: return .number(try number())
    default: throw error("a value was expected", at: at)
    }
  }

  private mutating func word(
    _ text: String, _ value: JSONValue
  ) throws(ClozeError) -> JSONValue {
    guard source[at...].starts(with: text.utf8) else { throw error("a value was expected", at: at) }
    at &+= text.utf8.count
    return value
  }

  private mutating func object(depth: Int) throws(ClozeError) -> JSONValue {
    var members: [(key: JSONText, value: JSONValue)] = []
    at &+= 1
    skipSpace()
    if current == UInt8(ascii: "}") {
      at &+= 1
      return .object(members)
    }
    while true {
      skipSpace()
      guard current == UInt8(ascii: "\"") else { throw error("a key was expected", at: at) }
      let key = try string()
      skipSpace()
      guard current == UInt8(ascii: ":") else { throw error("':' was expected", at: at) }
      at &+= 1
      members.append((key, try value(depth: depth &+ 1)))
      skipSpace()
      switch current {
      case UInt8(ascii: ","): at &+= 1
      case UInt8(ascii: "}"):
        at &+= 1
        return .object(members)
      default: throw error("',' or '}' was expected", at: at)
      }
    }
  }

  private mutating func array(depth: Int) throws(ClozeError) -> JSONValue {
    var elements: [JSONValue] = []
    at &+= 1
    skipSpace()
    if current == UInt8(ascii: "]") {
      at &+= 1
      return .array(elements)
    }
    while true {
      elements.append(try value(depth: depth &+ 1))
      skipSpace()
      switch current {
      case UInt8(ascii: ","): at &+= 1
      case UInt8(ascii: "]"):
        at &+= 1
        return .array(elements)
      default: throw error("',' or ']' was expected", at: at)
      }
    }
  }

  private mutating func string() throws(ClozeError) -> JSONText {
    let opening = at
    at &+= 1
    let begin = at
    var hasEscapes = false
    while let byte = current {
      if byte == UInt8(ascii: "\"") {
        let text = JSONText(bytes: source[begin..<at], hasEscapes: hasEscapes)
        at &+= 1
        return text
      }
      if byte < 0x20 { throw error("a control character in a string", at: at) }
      if byte == UInt8(ascii: "\\") {
        hasEscapes = true
        try escape()
      } else {
        at &+= 1
      }
    }
    throw error("a string that does not end", at: opening)
  }

  private mutating func escape() throws(ClozeError) {
    let begin = at
    at &+= 1
    guard let byte = current else { throw error("the document ends early", at: at) }
    at &+= 1
    guard byte == UInt8(ascii: "u") else {
      if "\"\\/bfnrt".utf8.contains(byte) { return }
      throw error("an unknown escape", at: begin)
    }
    let unit = try hexUnit(begin)
    if unit >= 0xDC00 && unit < 0xE000 { throw error("half a surrogate pair", at: begin) }
    if unit >= 0xD800 && unit < 0xDC00 {
      guard source[at...].starts(with: "\\u".utf8) else {
        throw error("half a surrogate pair", at: begin)
      }
      at &+= 2
      let second = try hexUnit(begin)
      guard second >= 0xDC00 && second < 0xE000 else {
        throw error("half a surrogate pair", at: begin)
      }
    }
  }

  private mutating func hexUnit(_ begin: Int) throws(ClozeError) -> UInt32 {
    var unit: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = current, let digit = JSONParser.hexValue(byte) else {
        throw error("an unfinished escape", at: begin)
      }
      unit = unit << 4 | UInt32(digit)
      at &+= 1
    }
    return unit
  }

  static func hexValue(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 48...57: byte &- 48
    case 65...70: byte &- 55
    case 97...102: byte &- 87
    default: nil
    }
  }

  private mutating func number() throws(ClozeError) -> JSONText {
    let begin = at
    func digits(_ at: inout Int) -> Bool {
      let from = at
      while at < source.count, source[at] >= 48, source[at] <= 57 { at &+= 1 }
      return at > from
    }
    if current == UInt8(ascii: "-") { at &+= 1 }
    let isZero = current == UInt8(ascii: "0")
    let first = at
    guard digits(&at), !isZero || at == first &+ 1 else {
      throw error("a malformed number", at: begin)
    }
    if current == UInt8(ascii: ".") {
      at &+= 1
      guard digits(&at) else { throw error("a malformed number", at: begin) }
    }
    if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
      at &+= 1
      if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { at &+= 1 }
      guard digits(&at) else { throw error("a malformed number", at: begin) }
    }
    return JSONText(bytes: source[begin..<at], hasEscapes: false)
  }
}
