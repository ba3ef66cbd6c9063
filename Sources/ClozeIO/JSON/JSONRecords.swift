/// The records of a JSON file: the elements of its array, those of the array "data" of its object, or its lines where
/// each is an object.
package struct JSONRecords {
  /// Each with the line where it begins, counted from 1.
  package private(set) var records: [(field: JSONField, line: Int)] = []

  /// - Parameter name: the file's name in messages.
  /// - Throws: `.damaged` with the byte, or the line, that is wrong; `.damaged` for a document that is no list.
  package init(_ bytes: [UInt8], name: String) throws(ClozeError) {
    var parser = try JSONParser(bytes, name: name)
    guard try parser.kind() == .object, try Self.isLines(parser) else {
      try read(JSONField(parsing: bytes, name: name), bytes)
      return
    }
    var number = 0
    for line in bytes.split(separator: 0x0A, omittingEmptySubsequences: false) {
      number += 1
      if line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { continue }
      records.append((try JSONField(parsing: Array(line), name: "\(name), line \(number)"), number))
    }
  }

  /// Whether more follows the first object.
  private static func isLines(_ start: JSONParser) throws(ClozeError) -> Bool {
    var parser = start
    try parser.skip()
    return !parser.isAtEnd
  }

  private mutating func read(_ root: JSONField, _ bytes: [UInt8]) throws(ClozeError) {
    var list = root
    if !root.isArray {
      guard case .object = root.value else {
        throw root.mismatch("an array of examples, or an object with them as data,")
      }
      guard let data = try root.present("data") else {
        records = [(root, 1)]
        return
      }
      list = data
    }
    var (line, at) = (1, 0)
    for element in try list.elements() {
      // Lines are counted up to the first text in the element that stands in the file.
      if let place = element.value.place {
        while at < place {
          if bytes[at] == 0x0A { line += 1 }
          at += 1
        }
      }
      records.append((element, line))
    }
  }
}

extension JSONValue {
  /// Where in the document its first string or number begins; nil where it has none.
  fileprivate var place: Int? {
    switch self {
    case .null, .bool: nil
    case .number(let text), .string(let text): text.bytes.startIndex
    case .array(let elements): elements.lazy.compactMap(\.place).first
    case .object(let members): members.first?.key.bytes.startIndex
    }
  }
}

extension JSONField {
  /// A field of a record: of an object by key, of an array by number; nil where there is none.
  package func field(_ field: DataField) throws(ClozeError) -> JSONField? {
    switch (value, field) {
    case (.array(let elements), .number(let number)):
      number <= elements.count ? JSONField(value: elements[number - 1], path: "\(path)[\(number - 1)]") : nil
    case (_, .number(let number)): try member("\(number)")
    case (_, .name(let name)): try member(name)
    }
  }
}
