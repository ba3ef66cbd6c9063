/// Width of `text` in columns of a terminal: 2 for East Asian wide and full-width characters and emoji, 0 for
/// combining marks.
///
/// Source: Unicode 14 EastAsianWidth.txt, classes W and F; unassigned code points between them are
/// counted as wide. Wide emoji are those with the property Emoji_Presentation.
func displayWidth(_ text: String) -> Int {
  var width = 0
  for character in text {
    // A grapheme is as wide as its widest scalar; the emoji variation selector makes a symbol an
    // emoji.
    var widest = 0
    for scalar in character.unicodeScalars { widest = max(widest, scalar.value == 0xFE0F ? 2 : displayWidth(scalar)) }
    width += widest
  }
  return width
}

private func displayWidth(_ scalar: Unicode.Scalar) -> Int {
  if scalar.value < 0x300 { return scalar.value < 0x20 || scalar.value == 0xAD ? 0 : 1 }
  if isWide(scalar.value) { return 2 }
  let properties = scalar.properties
  if properties.isEmojiPresentation { return 2 }
  switch properties.generalCategory {
  case .nonspacingMark, .enclosingMark, .format: return 0
  default: return 1
  }
}

private func isWide(_ value: UInt32) -> Bool {
  switch value {
  case 0x1100...0x115F,  // Hangul initials
    0x2329...0x232A,  // angle brackets
    0x2E80...0x303E,  // CJK radicals, punctuation
    0x3041...0x3247, 0x3250...0x4DBF,  // kana, compatibility, extension A
    0x4E00...0xA4CF,  // unified ideographs, Yi
    0xA960...0xA97C, 0xAC00...0xD7A3,  // Hangul
    0xF900...0xFAFF,  // compatibility ideographs
    0xFE10...0xFE19, 0xFE30...0xFE6F,  // vertical and small forms
    0xFF01...0xFF60, 0xFFE0...0xFFE6,  // full-width forms
    0x16FE0...0x1B2FF,  // Tangut, Khitan, kana supplements
    0x1F200...0x1F265,  // squared ideographs
    0x20000...0x3FFFD:  // further ideographs
    // Of the compatibility marks only the kana voicing marks combine.
    return value != 0x3099 && value != 0x309A && !(0x302A...0x302D).contains(value)
  default: return false
  }
}

/// `text` with control characters written as escapes, so that a terminal only displays it.
func printable(_ text: String) -> String {
  guard text.unicodeScalars.contains(where: isControl) else { return text }
  var result = ""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\n": result += "\\n"
    case "\r": result += "\\r"
    case "\t": result += "\\t"
    case _ where isControl(scalar): result += "\\u{\(String(scalar.value, radix: 16))}"
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result
}

/// C0, DEL, C1, and bidirectional controls.
private func isControl(_ scalar: Unicode.Scalar) -> Bool {
  switch scalar.value {
  case 0..<0x20, 0x7F...0x9F, 0x202A...0x202E, 0x2066...0x2069: true
  default: false
  }
}

/// `text` truncated to `width` columns, with an ellipsis if anything is missing.
func clipped(_ text: String, to width: Int) -> String {
  guard displayWidth(text) > width else { return text }
  var result = ""
  var taken = 1
  for character in text {
    taken += displayWidth(String(character))
    if taken > width { break }
    result.append(character)
  }
  return result + "…"
}
