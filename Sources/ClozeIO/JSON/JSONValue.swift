/// The types of JSON, with an article for messages.
package enum JSONKind: String {
  case object = "an object"
  case array = "an array"
  case string = "a string"
  case number = "a number"
  case boolean = "a boolean"
  case null
}

/// A JSON value as a tree. Strings and numbers are slices of the source, decoded on demand.
package enum JSONValue {
  case null
  case bool(Bool)
  case number(JSONText)
  case string(JSONText)
  case array([JSONValue])
  case object([(key: JSONText, value: JSONValue)])

  package var kind: JSONKind {
    switch self {
    case .null: .null
    case .bool: .boolean
    case .number: .number
    case .string: .string
    case .array: .array
    case .object: .object
    }
  }
}

/// A string or number as written in the source: without the quotes, with its escapes.
package struct JSONText {
  package var bytes: ArraySlice<UInt8>
  package var hasEscapes: Bool

  /// The bytes with escapes resolved; they are valid UTF-8.
  package var decoded: ArraySlice<UInt8> {
    guard hasEscapes else { return bytes }
    var out: [UInt8] = []
    out.reserveCapacity(bytes.count)
    var i = bytes.startIndex
    let end = bytes.endIndex
    func hex(_ at: Int) -> UInt32 {
      guard at &+ 4 <= end else { return 0xFFFD }
      return bytes[at..<at &+ 4].reduce(0) { $0 << 4 | UInt32(JSONParser.hexValue($1) ?? 0) }
    }
    while i < end {
      let byte = bytes[i]
      i &+= 1
      guard byte == UInt8(ascii: "\\"), i < end else {
        out.append(byte)
        continue
      }
      let escape = bytes[i]
      i &+= 1
      switch escape {
      case UInt8(ascii: "b"): out.append(8)
      case UInt8(ascii: "f"): out.append(12)
      case UInt8(ascii: "n"): out.append(10)
      case UInt8(ascii: "r"): out.append(13)
      case UInt8(ascii: "t"): out.append(9)
      case UInt8(ascii: "u"):
        // The parser has seen to it that surrogates come in pairs.
        var scalar = hex(i)
        i &+= 4
        if scalar >= 0xD800 && scalar < 0xDC00 {
          scalar = 0x10000 &+ (scalar &- 0xD800) << 10 &+ (hex(i &+ 2) & 0x3FF)
          i &+= 6
        }
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 4) { buffer in
          guard let base = buffer.baseAddress else { return }
          let length = UTF8Scan.encode(scalar, base)
          for k in 0..<length { out.append(base[k]) }
        }
      default: out.append(escape)
      }
    }
    return out[...]
  }

  package var string: String { String(decoding: decoded, as: UTF8.self) }

  /// The value of a plain integer, nil for fractions, exponents, and what does not fit.
  package var integer: Int? {
    var value = 0
    var digits = bytes
    let negative = digits.first == UInt8(ascii: "-")
    if negative { digits = digits.dropFirst() }
    for byte in digits {
      guard byte >= 48, byte <= 57 else { return nil }
      let (product, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, overflow2) = product.addingReportingOverflow(Int(byte) &- 48)
      if overflow || overflow2 { return nil }
      value = sum
    }
    return negative ? 0 &- value : value
  }
}
