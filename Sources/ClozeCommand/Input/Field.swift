/// Which field of a record is meant: by the name in a header or of a JSON key, or by its number,
/// counted from 1.
enum Field: Hashable, CustomStringConvertible {
  case name(String)
  case number(Int)

  /// Digits are a number, everything else is a name; nil for 0 and for nothing.
  init?(_ argument: String) {
    guard !argument.isEmpty else { return nil }
    if argument.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) {
      guard let number = Int(argument), number > 0 else { return nil }
      self = .number(number)
    } else {
      self = .name(argument)
    }
  }

  var isName: Bool {
    if case .name = self { true } else { false }
  }

  var description: String {
    switch self {
    case .name(let name): "\"\(name)\""
    case .number(let number): "\(number)"
    }
  }
}

/// What the fields of one record are asked for.
struct WantedFields: Hashable {
  var text: Field
  var pair: Field?
}
