internal import ClozeIO

/// A file of tensors as the package `safetensors` writes it: 8 bytes with the length of a header, the
/// header (JSON: name -> dtype, shape, data_offsets), and the data.
///
/// Source: the format's description in huggingface/safetensors. Only the header is read here.
struct Safetensors {
  private(set) var tensors: [String: Tensor] = [:]
  private(set) var byteCount = 0

  /// The package's own bound for a header.
  private static let mostHeader = 100_000_000
  /// More tensors than any BERT has.
  private static let mostTensors = 1 << 16

  init(path: String) throws(ClozeError) {
    try self.init(LazyFile(path: path), name: path)
  }

  init(_ file: LazyFile, name: String) throws(ClozeError) {
    let bytes = file.place
    guard bytes.count >= 8 else {
      throw ClozeError(.damaged, "\(name): no safetensors, only \(bytes.count) bytes")
    }
    try file.fill(UnsafeRawBufferPointer(rebasing: bytes[..<8]))
    let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
    guard length <= UInt64(Self.mostHeader), Int(length) <= bytes.count - 8 else {
      throw ClozeError(.damaged, "\(name): no safetensors, its header would have \(length) bytes")
    }
    let data = UnsafeRawBufferPointer(rebasing: bytes[(8 + Int(length))...])
    let header = UnsafeRawBufferPointer(rebasing: bytes[8..<(8 + Int(length))])
    try file.fill(header)
    var scanner = HeaderScanner(bytes: header, name: name)
    while let entry = try scanner.next() {
      guard tensors.count < Self.mostTensors else {
        throw ClozeError(.unsupported, "\(name): too many tensors")
      }
      // Types that no BERT has for its weights are left out.
      guard let type = Self.types[entry.type] else { continue }
      func refuse(_ reason: String) -> ClozeError {
        ClozeError(.damaged, "\(name): tensor \"\(entry.name)\" \(reason)")
      }
      guard entry.shape.count <= 16, entry.shape.allSatisfy({ $0 >= 0 }),
        let count = Probe.count(entry.shape)
      else { throw refuse("has the shape \(entry.shape)") }
      guard entry.begin >= 0, entry.begin <= entry.end, entry.end <= data.count else {
        throw refuse("lies at \(entry.begin) to \(entry.end) of \(data.count) bytes")
      }
      guard entry.end - entry.begin == count * type.size else {
        throw refuse(
          "has \(entry.end - entry.begin) bytes, its shape \(entry.shape) calls for "
            + "\(count * type.size)")
      }
      let tensor = Tensor(
        name: entry.name, elementType: type, shape: entry.shape,
        place: UnsafeRawBufferPointer(rebasing: data[entry.begin..<entry.end]), file: file, owner: file)
      guard tensors.updateValue(tensor, forKey: entry.name) == nil else {
        throw refuse("is there twice")
      }
      byteCount += tensor.place.count
    }
  }

  private static let types: [String: Tensor.ElementType] = [
    "F64": .float64, "F32": .float32, "F16": .float16, "BF16": .bfloat16, "I64": .int64,
    "I32": .int32, "U8": .uint8, "I8": .int8, "BOOL": .bool,
  ]
}

/// Reads the header's JSON, of which only one kind of object is allowed.
private struct HeaderScanner {
  struct Entry {
    var name = ""
    var type = ""
    var shape: [Int] = []
    var begin = -1
    var end = -1
  }

  let bytes: UnsafeRawBufferPointer
  let name: String
  private var at = 0
  private var begun = false

  init(bytes: UnsafeRawBufferPointer, name: String) {
    self.bytes = bytes
    self.name = name
  }

  /// The next tensor; nil at the end.
  mutating func next() throws(ClozeError) -> Entry? {
    while true {
      if !begun {
        try expect("{")
        begun = true
        if take("}") { return nil }
      } else if !take(",") {
        try expect("}")
        skipSpace()
        guard at == bytes.count else { throw failure("something behind the last tensor") }
        return nil
      }
      let key = try string()
      try expect(":")
      if key == "__metadata__" {
        try metadata()
        continue
      }
      var entry = Entry(name: key)
      try expect("{")
      repeat {
        let field = try string()
        try expect(":")
        switch field {
        case "dtype": entry.type = try string()
        case "shape": entry.shape = try integers()
        case "data_offsets":
          let offsets = try integers()
          guard offsets.count == 2 else { throw failure("data_offsets are no pair") }
          entry.begin = offsets[0]
          entry.end = offsets[1]
        default: throw failure("\"\(field)\" is not known")
        }
      } while take(",")
      try expect("}")
      return entry
    }
  }

  // Strings by strings.
  private mutating func metadata() throws(ClozeError) {
    try expect("{")
    if take("}") { return }
    repeat {
      _ = try string()
      try expect(":")
      _ = try string()
    } while take(",")
    try expect("}")
  }

  private mutating func integers() throws(ClozeError) -> [Int] {
    try expect("[")
    var numbers: [Int] = []
    if take("]") { return numbers }
    repeat {
      skipSpace()
      var number = 0
      let start = at
      while at < bytes.count, bytes[at] >= 0x30, bytes[at] <= 0x39 {
        guard number < 1 << 56 else { throw failure("a number too large") }
        number = number * 10 + Int(bytes[at] - 0x30)
        at += 1
      }
      guard at > start, numbers.count < 32 else { throw failure("no list of numbers") }
      numbers.append(number)
    } while take(",")
    try expect("]")
    return numbers
  }

  private mutating func string() throws(ClozeError) -> String {
    try expect("\"")
    var text: [UInt8] = []
    while at < bytes.count {
      let byte = bytes[at]
      at += 1
      if byte == UInt8(ascii: "\"") { return String(decoding: text, as: UTF8.self) }
      if byte == UInt8(ascii: "\\") {
        // Of what may be escaped, only what stands for itself changes nothing in a name.
        guard at < bytes.count else { break }
        text.append(bytes[at])
        at += 1
      } else {
        text.append(byte)
      }
    }
    throw failure("a string without an end")
  }

  private mutating func skipSpace() {
    while at < bytes.count, [0x20, 0x0a, 0x0d, 0x09].contains(bytes[at]) { at += 1 }
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard at < bytes.count, bytes[at] == UInt8(ascii: character) else { return false }
    at += 1
    return true
  }

  private mutating func expect(_ character: Unicode.Scalar) throws(ClozeError) {
    if !take(character) { throw failure("'\(character)' was expected") }
  }

  private func failure(_ reason: String) -> ClozeError {
    ClozeError(.damaged, "\(name): the header of the safetensors, byte \(8 + at): \(reason)")
  }
}
