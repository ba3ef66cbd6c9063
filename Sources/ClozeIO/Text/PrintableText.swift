extension String {
  /// The text as messages quote it: characters that steer a terminal, or that turn the direction of what follows, are
  /// written out (`\n`, `\x1b`, `\u{202e}`); everything else, backslashes too, stays. What is printable already stays
  /// as it is, so that messages may be made of messages.
  package var printable: String {
    guard unicodeScalars.contains(where: { $0.steers }) else { return self }
    var text = ""
    for scalar in unicodeScalars {
      guard scalar.steers else {
        text.unicodeScalars.append(scalar)
        continue
      }
      switch scalar {
      case "\t": text += "\\t"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\0"..."\u{9F}":
        let digits = String(scalar.value, radix: 16)
        text += "\\x" + (digits.utf8.count < 2 ? "0" : "") + digits
      default: text += "\\u{" + String(scalar.value, radix: 16) + "}"
      }
    }
    return text
  }
}

extension Unicode.Scalar {
  /// Whether it is a control character (general category Cc), a separator of lines or paragraphs, or one of the
  /// characters for explicit directions (Unicode Standard Annex 9, section 2).
  fileprivate var steers: Bool {
    switch value {
    case 0x00..<0x20, 0x7F...0x9F, 0x061C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: true
    default: false
    }
  }
}
