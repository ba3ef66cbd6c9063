/// A strict parser of JSON (RFC 8259). It returns whole documents as trees, or is driven value by value where little
/// of a document is needed, or its size must not determine memory. Errors name the document, reason and byte.
package struct JSONParser {
  /// The maximum depth of containers. A tokenizer.json has depth eight, and other fields of a JSON line, such as parse
  /// trees, some dozens. The bound keeps recursion within 256 KB of stack.
  package static let maximumDepth = 256

  private let source: [UInt8]
  private let name: String
  private var at = 0
  /// Containers open at `at`.
  private var depth = 0

  /// - Parameter name: the document's name in messages.
  /// - Throws: `.damaged` where `source` is not UTF-8.
  package init(_ source: [UInt8], name: String) throws(ClozeError) {
    self.source = source
    self.name = name
    if let invalid = UTF8Scan.firstInvalid(source) { throw error("not valid UTF-8", at: invalid) }
  }

  /// The whole document as a tree.
  mutating func document() throws(ClozeError) -> JSONValue {
    let value = try value()
    try end()
    return value
  }

  /// The type of the value that begins here.
  package mutating func kind() throws(ClozeError) -> JSONKind {
    skipSpace()
    guard let byte = current else { throw error("the document ends early", at: at) }
    switch byte {
    case UInt8(ascii: "{"): return .object
    case UInt8(ascii: "["): return .array
    case UInt8(ascii: "\""): return .string
    case UInt8(ascii: "t"), UInt8(ascii: "f"): return .boolean
    case UInt8(ascii: "n"): return .null
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number
    default: throw error("a value was expected", at: at)
    }
  }

  /// The value that begins here as a tree.
  package mutating func value() throws(ClozeError) -> JSONValue {
    switch try kind() {
    case .object:
      var members: [(key: JSONText, value: JSONValue)] = []
      try object { (key, parser) throws(ClozeError) in members.append((key, try parser.value())) }
      return .object(members)
    case .array:
      var elements: [JSONValue] = []
      try array { (parser) throws(ClozeError) in elements.append(try parser.value()) }
      return .array(elements)
    case .string: return .string(try string())
    case .number: return .number(try number())
    case .boolean: return .bool(try boolean())
    case .null:
      try word("null")
      return .null
    }
  }

  /// Checks and skips the value that begins here; takes no memory.
  package mutating func skip() throws(ClozeError) {
    switch try kind() {
    case .object: try object { (_, parser) throws(ClozeError) in try parser.skip() }
    case .array: try array { (parser) throws(ClozeError) in try parser.skip() }
    case .string: _ = try string()
    case .number: _ = try number()
    case .boolean: _ = try boolean()
    case .null: try word("null")
    }
  }

  /// Calls `member` with every key of the object that begins here; `member` must read or skip the key's value.
  package mutating func object(_ member: (JSONText, inout JSONParser) throws(ClozeError) -> Void) throws(ClozeError) {
    try open("{")
    if take("}") { return close() }
    while true {
      skipSpace()
      guard current == UInt8(ascii: "\"") else { throw error("a key was expected", at: at) }
      let key = try string()
      guard take(":") else { throw error("':' was expected", at: at) }
      try member(key, &self)
      if take("}") { return close() }
      guard take(",") else { throw error("',' or '}' was expected", at: at) }
    }
  }

  /// Calls `element` at every element of the array that begins here; `element` must read or skip it.
  package mutating func array(_ element: (inout JSONParser) throws(ClozeError) -> Void) throws(ClozeError) {
    try open("[")
    if take("]") { return close() }
    while true {
      try element(&self)
      if take("]") { return close() }
      guard take(",") else { throw error("',' or ']' was expected", at: at) }
    }
  }

  /// Reads a string.
  @inline(never) package mutating func string() throws(ClozeError) -> JSONText {
    skipSpace()
    let opening = at
    guard current == UInt8(ascii: "\"") else { throw error("a string was expected", at: at) }
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

  /// Reads a number: `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`
  @inline(never) package mutating func number() throws(ClozeError) -> JSONText {
    skipSpace()
    let begin = at
    if current == UInt8(ascii: "-") { at &+= 1 }
    let startsWithZero = current == UInt8(ascii: "0")
    let count = digits()
    guard count == 1 || count > 1 && !startsWithZero else { throw error("a malformed number", at: begin) }
    if current == UInt8(ascii: ".") {
      at &+= 1
      guard digits() > 0 else { throw error("a malformed number", at: begin) }
    }
    if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
      at &+= 1
      if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { at &+= 1 }
      guard digits() > 0 else { throw error("a malformed number", at: begin) }
    }
    return JSONText(bytes: source[begin..<at], hasEscapes: false)
  }

  /// Throws if anything but white space is left.
  package mutating func end() throws(ClozeError) {
    skipSpace()
    if at < source.count { throw error("something after the end of the document", at: at) }
  }

  /// Whether nothing but white space is left.
  package var isAtEnd: Bool {
    source[at...].allSatisfy { $0 == 0x20 || $0 == 0x0A || $0 == 0x0D || $0 == 0x09 }
  }

  /// An error about the value that begins here.
  package mutating func refused(_ reason: String) -> ClozeError {
    skipSpace()
    return error(reason, at: at)
  }

  // MARK: - Tokens

  // Not inlined, as its temporaries would take stack at every level of recursion.
  @inline(never) private func error(_ reason: String, at position: Int) -> ClozeError {
    ClozeError(.damaged, "\(name): \(reason) at byte \(position)")
  }

  private var current: UInt8? { at < source.count ? source[at] : nil }

  private mutating func skipSpace() {
    while let byte = current, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { at &+= 1 }
  }

  /// Skips white space and `character`; false if something else follows.
  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard current == UInt8(ascii: character) else { return false }
    at &+= 1
    return true
  }

  private mutating func open(_ bracket: Unicode.Scalar) throws(ClozeError) {
    let start = at
    guard take(bracket) else { throw error("'\(bracket)' was expected", at: at) }
    depth &+= 1
    guard depth <= Self.maximumDepth else { throw error("nesting deeper than \(Self.maximumDepth)", at: start) }
  }

  private mutating func close() { depth &-= 1 }

  private mutating func boolean() throws(ClozeError) -> Bool {
    let isTrue = current == UInt8(ascii: "t")
    try word(isTrue ? "true" : "false")
    return isTrue
  }

  private mutating func word(_ text: StaticString) throws(ClozeError) {
    let isThere = text.withUTF8Buffer { source[at...].starts(with: $0) }
    guard isThere else { throw error("a value was expected", at: at) }
    at &+= text.utf8CodeUnitCount
  }

  /// Skips and counts decimal digits.
  private mutating func digits() -> Int {
    let begin = at
    while let byte = current, byte >= 48, byte <= 57 { at &+= 1 }
    return at &- begin
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
    guard unit >= 0xD800, unit < 0xE000 else { return }
    guard unit < 0xDC00, source[at...].starts(with: "\\u".utf8) else { throw error("half a surrogate pair", at: begin) }
    at &+= 2
    let second = try hexUnit(begin)
    guard second >= 0xDC00, second < 0xE000 else { throw error("half a surrogate pair", at: begin) }
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
}
