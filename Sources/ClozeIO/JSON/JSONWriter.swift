/// Writes one JSON value, compact.
package struct JSONWriter {
  package private(set) var text = ""
  private var needsComma = false

  package init() {}

  package mutating func object(_ key: String? = nil, _ body: (inout JSONWriter) -> Void) {
    enclose(key, "{", "}", body)
  }

  package mutating func array(_ key: String? = nil, _ body: (inout JSONWriter) -> Void) {
    enclose(key, "[", "]", body)
  }

  package mutating func value(_ key: String? = nil, _ number: Int) { put(key, String(number)) }
  package mutating func value(_ key: String? = nil, _ flag: Bool) { put(key, flag ? "true" : "false") }
  /// JSON knows neither NaN nor infinity: they become null.
  package mutating func value(_ key: String? = nil, _ number: Double) {
    put(key, number.isFinite ? "\(number)" : "null")
  }
  package mutating func value(_ key: String? = nil, _ string: String?) {
    put(key, string.map(Self.quoted) ?? "null")
  }

  private mutating func enclose(
    _ key: String?, _ open: String, _ close: String, _ body: (inout JSONWriter) -> Void
  ) {
    put(key, open)
    needsComma = false
    body(&self)
    text += close
    needsComma = true
  }

  private mutating func put(_ key: String?, _ value: String) {
    if needsComma { text += "," }
    if let key { text += Self.quoted(key) + ":" }
    text += value
    needsComma = true
  }

  private static func quoted(_ string: String) -> String {
    var result = "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
