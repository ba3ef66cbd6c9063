/// A place in a JSON document: a value and the path that leads to it, for messages.
package struct JSONField {
  package var value: JSONValue
  /// Such as "tokenizer.json: model.vocab".
  package var path: String

  /// Reads a whole document, called `name` in messages.
  package init(parsing document: [UInt8], name: String) throws(ClozeError) {
    var parser = try JSONParser(document, name: name)
    self.init(value: try parser.document(), path: "\(name):")
  }

  package init(value: JSONValue, path: String) {
    self.value = value
    self.path = path
  }

  package func mismatch(_ expected: String) -> ClozeError {
    ClozeError(.damaged, "\(path) is \(value.kind.rawValue), \(expected) was expected")
  }

  /// The member with a name, nil where it is missing; of members with one name the last counts.
  package func member(_ name: String) throws(ClozeError) -> JSONField? {
    guard case .object(let members) = value else { throw mismatch("an object") }
    guard let found = members.last(where: { $0.key.decoded.elementsEqual(name.utf8) }) else { return nil }
    return JSONField(value: found.value, path: path.hasSuffix(":") ? "\(path) \(name)" : "\(path).\(name)")
  }

  /// The same, with null as good as missing.
  package func present(_ name: String) throws(ClozeError) -> JSONField? {
    guard let field = try member(name) else { return nil }
    if case .null = field.value { return nil }
    return field
  }

  package func required(_ name: String) throws(ClozeError) -> JSONField {
    guard let field = try present(name) else {
      throw ClozeError(.damaged, path.hasSuffix(":") ? "\(path) no \(name)" : "\(path) has no \(name)")
    }
    return field
  }

  package func text() throws(ClozeError) -> [UInt8] {
    guard case .string(let text) = value else { throw mismatch("a string") }
    return Array(text.decoded)
  }

  package func string() throws(ClozeError) -> String {
    guard case .string(let text) = value else { throw mismatch("a string") }
    return text.string
  }

  package func bool() throws(ClozeError) -> Bool {
    guard case .bool(let bool) = value else { throw mismatch("true or false") }
    return bool
  }

  /// An integer of any size that fits.
  package func integer() throws(ClozeError) -> Int {
    guard case .number(let number) = value, let integer = number.integer else { throw mismatch("an integer") }
    return integer
  }

  package func number() throws(ClozeError) -> Double {
    guard case .number(let number) = value, let double = Double(number.string) else { throw mismatch("a number") }
    return double
  }

  /// A string, a number as it is written, or true or false.
  package func scalar() throws(ClozeError) -> String {
    switch value {
    case .string(let text): text.string
    case .number(let text): text.string
    case .bool(let flag): flag ? "true" : "false"
    default: throw mismatch("a string or a number")
    }
  }

  package var isArray: Bool { if case .array = value { true } else { false } }

  /// The members of an object, in their order.
  package func members() throws(ClozeError) -> [(name: String, value: JSONField)] {
    guard case .object(let members) = value else { throw mismatch("an object") }
    return members.map { member in
      let name = member.key.string
      return (name, JSONField(value: member.value, path: "\(path).\(name)"))
    }
  }

  package func elements() throws(ClozeError) -> [JSONField] {
    guard case .array(let elements) = value else { throw mismatch("an array") }
    return elements.enumerated().map { JSONField(value: $1, path: "\(path)[\($0)]") }
  }

  /// The elements of an array as scalars.
  package func scalars() throws(ClozeError) -> [String] {
    var scalars: [String] = []
    for element in try elements() { scalars.append(try element.scalar()) }
    return scalars
  }

  /// A token id or type id: 0 to 2^31 - 1.
  package func id() throws(ClozeError) -> Int32 {
    guard case .number(let number) = value else { throw mismatch("a number") }
    return try JSONField.id(number, path)
  }

  package static func id(_ number: JSONText, _ path: @autoclosure () -> String) throws(ClozeError) -> Int32 {
    guard let integer = number.integer, let id = Int32(exactly: integer), id >= 0 else {
      throw ClozeError(.damaged, "\(path()) is \(number.string), 0 to \(Int32.max) was expected")
    }
    return id
  }
}
