/// A field of a record, by name or by number.
public enum DataField: Hashable, Sendable, CustomStringConvertible {
  /// A name in the header, or a key of a JSON object.
  case name(String)
  /// Counted from 1.
  case number(Int)

  /// Digits are a number, everything else is a name; nil for 0 and for an empty text.
  public init?(_ text: String) {
    guard !text.isEmpty else { return nil }
    if text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) {
      guard let number = Int(text), number > 0 else { return nil }
      self = .number(number)
    } else {
      self = .name(text)
    }
  }

  package var isName: Bool { if case .name = self { true } else { false } }

  /// The name in quotes, or the number.
  public var description: String {
    switch self {
    case .name(let name): "\"\(name)\""
    case .number(let number): "\(number)"
    }
  }

  /// The index of the field in records with this header; a number needs no header.
  ///
  /// - Throws: `.invalidText` if the header does not have the name exactly once.
  package func index(in header: [[UInt8]]) throws(ClozeError) -> Int {
    switch self {
    case .number(let number): return number - 1
    case .name(let name):
      let names = header.map { String(decoding: $0, as: UTF8.self) }
      let matches = names.indices.filter { names[$0] == name }
      guard let match = matches.first else {
        let list = names.map { "\"\($0)\"" }.joined(separator: ", ")
        throw ClozeError(.invalidText, "no field \(self) in the header: \(list)")
      }
      guard matches.count == 1 else {
        throw ClozeError(.invalidText, "\(matches.count) fields are named \(self): give the field's number")
      }
      return match
    }
  }
}
