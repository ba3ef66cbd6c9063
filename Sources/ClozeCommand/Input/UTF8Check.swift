/// The offset of the first byte at which `bytes` stop being UTF-8, or nil where they all are.
///
/// Well-formed as the Unicode Standard defines it (section 3.9, table 3-7): no overlong forms, no
/// surrogates, nothing above U+10FFFF. The offset is that of the first byte of the sequence at
/// fault.
func firstInvalidUTF8(in bytes: UnsafeBufferPointer<UInt8>) -> Int? {
  var index = 0
  let count = bytes.count
  while index < count {
    let lead = bytes[index]
    if lead < 0x80 {
      index += 1
      continue
    }
    // How many bytes follow, and what the first of them may be.
    let following: Int
    var low: UInt8 = 0x80
    var high: UInt8 = 0xBF
    switch lead {
    case 0xC2...0xDF: following = 1
    case 0xE0: (following, low) = (2, 0xA0)
    case 0xED: (following, high) = (2, 0x9F)
    case 0xE1...0xEF: following = 2
    case 0xF0: (following, low) = (3, 0x90)
    case 0xF1...0xF3: following = 3
    case 0xF4: (following, high) = (3, 0x8F)
    default: return index
    }
    guard index + following < count else { return index }
    guard bytes[index + 1] >= low, bytes[index + 1] <= high else { return index }
    var next = index + 2
    while next <= index + following {
      guard bytes[next] & 0xC0 == 0x80 else { return index }
      next += 1
    }
    index = next
  }
  return nil
}

func firstInvalidUTF8(in bytes: ArraySlice<UInt8>) -> Int? {
  bytes.withUnsafeBufferPointer(firstInvalidUTF8(in:))
}
