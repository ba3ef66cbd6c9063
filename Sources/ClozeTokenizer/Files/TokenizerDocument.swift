internal import ClozeIO

/// A tokenizer.json, read in one pass: vocabulary and merges, of which there may be megabytes, into tables, the rest
/// as a tree.
struct TokenizerDocument {
  /// Everything but the model's `vocab` and `merges`.
  private(set) var root = JSONField(value: .null, path: "tokenizer.json:")
  /// The tokens of `vocab`: with ids where it is an object, in their order where it is an array.
  private(set) var vocabulary = Vocabulary.Builder()
  private(set) var form = Form.missing
  /// The scores of the tokens of an array.
  private(set) var scores: [Double] = []
  /// The parts of each merge as one string, and the length of the first part.
  private(set) var merges: [(bytes: ArraySlice<UInt8>, split: Int)]?

  enum Form {
    case missing, object, array
    /// Something else.
    case other(JSONKind)
  }

  /// The tokens that follow the vocabulary, with the ids that the file gives them.
  private(set) var added: [(token: AddedToken, id: Int32?)] = []

  private static let name = "tokenizer.json"
  /// The most tokens, merges and added tokens that are read, many times those of any tokenizer; they bound the memory
  /// that a file of any size takes.
  static let maximumTokens = 1 << 22
  static let maximumAdded = 1 << 18
  /// The members of the document that are read; others may have any size.
  private static let sections: Set<String> = [
    "version", "model", "normalizer", "pre_tokenizer", "post_processor", "added_tokens",
  ]

  init(_ bytes: [UInt8]) throws(ClozeError) {
    var parser = try JSONParser(bytes, name: Self.name)
    guard try parser.kind() == .object else {
      root = try JSONField(parsing: bytes, name: Self.name)
      return
    }
    var members: [(key: JSONText, value: JSONValue)] = []
    var found = self
    try parser.object { (key, parser) throws(ClozeError) in
      let name = key.string
      guard Self.sections.contains(name) else { return try parser.skip() }
      if name == "model", try parser.kind() == .object {
        members.append((key, try found.readModel(&parser)))
      } else if name == "added_tokens", try parser.kind() == .array {
        try found.readAdded(&parser)
      } else {
        members.append((key, try parser.value()))
      }
    }
    try parser.end()
    self = found
    root.value = .object(members)
  }

  private mutating func readAdded(_ parser: inout JSONParser) throws(ClozeError) {
    let path = "\(Self.name): added_tokens"
    var found: [(token: AddedToken, id: Int32?)] = []
    try parser.array { (parser) throws(ClozeError) in
      guard found.count < Self.maximumAdded else {
        throw ClozeError(.unsupportedTokenizer, "\(path) has more than \(Self.maximumAdded) tokens")
      }
      let index = found.count
      found.append(try AddedToken.read(parser.value(), "\(path)[\(index)]"))
    }
    added = found
  }

  private static func check(_ count: Int, _ path: String) throws(ClozeError) {
    guard count < maximumTokens else {
      throw ClozeError(.unsupportedTokenizer, "\(path) has more than \(maximumTokens) entries")
    }
  }

  private mutating func readModel(_ parser: inout JSONParser) throws(ClozeError) -> JSONValue {
    var members: [(key: JSONText, value: JSONValue)] = []
    var found = self
    try parser.object { (key, parser) throws(ClozeError) in
      let name = key.decoded
      if name.elementsEqual("vocab".utf8) {
        try found.readVocabulary(&parser)
      } else if name.elementsEqual("merges".utf8), try parser.kind() == .array {
        try found.readMerges(&parser)
      } else {
        members.append((key, try parser.value()))
      }
    }
    self = found
    return .object(members)
  }

  private mutating func readVocabulary(_ parser: inout JSONParser) throws(ClozeError) {
    let path = "\(Self.name): model.vocab"
    vocabulary = Vocabulary.Builder()
    scores = []
    var tokens = Vocabulary.Builder()
    switch try parser.kind() {
    case .object:
      form = .object
      try parser.object { (key, parser) throws(ClozeError) in
        guard try parser.kind() == .number else {
          throw JSONField(value: try parser.value(), path: "\(path)[\"\(key.string)\"]").mismatch("a number")
        }
        let id = try JSONField.id(parser.number(), "\(path)[\"\(key.string)\"]")
        try Self.check(tokens.ids.count, path)
        guard tokens.add(key.decoded, id: id) else { throw ClozeError(.damaged, "\(path) is too large") }
      }
      vocabulary = tokens
    case .array:
      form = .array
      var scores: [Double] = []
      try parser.array { (parser) throws(ClozeError) in
        let index = scores.count
        try Self.check(index, path)
        let place = { "\(path)[\(index)]" }
        guard try parser.kind() == .array else {
          throw JSONField(value: try parser.value(), path: place()).mismatch("a token and its score")
        }
        var parts = 0
        try parser.array { (parser) throws(ClozeError) in
          if parts == 0 {
            guard try parser.kind() == .string else {
              throw JSONField(value: try parser.value(), path: "\(place())[0]").mismatch("a string")
            }
            guard tokens.add(try parser.string().decoded, id: Int32(truncatingIfNeeded: index)) else {
              throw ClozeError(.damaged, "\(path) is too large")
            }
          } else {
            guard try parser.kind() == .number else {
              throw JSONField(value: try parser.value(), path: "\(place())[1]").mismatch("a number")
            }
            guard let score = DecimalNumber.value(try parser.number().bytes) else {
              throw ClozeError(.damaged, "\(place())[1] is out of range")
            }
            scores.append(score)
          }
          parts &+= 1
          if parts > 2 { throw ClozeError(.damaged, "\(place()) has more than a token and its score") }
        }
        guard parts == 2 else { throw ClozeError(.damaged, "\(place()) has no score") }
      }
      vocabulary = tokens
      self.scores = scores
    case let kind:
      form = .other(kind)
      try parser.skip()
    }
  }

  /// Reads merges, each a string with a space inside, or a list of two strings.
  private mutating func readMerges(_ parser: inout JSONParser) throws(ClozeError) {
    let path = "\(Self.name): model.merges"
    var found: [(bytes: ArraySlice<UInt8>, split: Int)] = []
    var index = 0
    try parser.array { (parser) throws(ClozeError) in
      let place = { "\(path)[\(index)]" }
      try Self.check(index, path)
      switch try parser.kind() {
      case .string:
        let line = try parser.string().decoded
        if let merge = try MergeList.parse(line, place()) { found.append(merge) }
      case .array:
        var parts: [ArraySlice<UInt8>] = []
        try parser.array { (parser) throws(ClozeError) in
          guard parts.count < 2, try parser.kind() == .string else {
            throw ClozeError(.damaged, "\(place()) is not a list of two strings")
          }
          parts.append(try parser.string().decoded)
        }
        guard parts.count == 2 else { throw ClozeError(.damaged, "\(place()) is not a list of two strings") }
        found.append(((Array(parts[0]) + parts[1])[...], parts[0].count))
      default: throw JSONField(value: try parser.value(), path: place()).mismatch("a string or a list of two")
      }
      index &+= 1
    }
    merges = found
  }
}

/// Merges as lines of text.
enum MergeList {
  /// The two parts of a line, separated by a space, as one string and the length of the first; nil for a version.
  static func parse(_ line: ArraySlice<UInt8>, _ path: @autoclosure () -> String) throws(ClozeError) -> (
    bytes: ArraySlice<UInt8>, split: Int
  )? {
    if line.starts(with: "#version".utf8) { return nil }
    guard let space = line.firstIndex(of: 0x20), !line[(space &+ 1)...].contains(0x20) else {
      throw ClozeError(
        .damaged,
        "\(path()) is \"\(String(decoding: line, as: UTF8.self))\", two tokens with a space between were expected")
    }
    return ((Array(line[..<space]) + line[(space &+ 1)...])[...], space &- line.startIndex)
  }
}

/// Numbers as `tokenizers` reads them, whose last bit may differ from the nearest number to the text.
///
/// Source: serde_json 1.0 without its feature float_roundtrip: the digits as an integer of 64 bits, further digits
/// ignored, are divided by or multiplied with a power of ten.
enum DecimalNumber {
  private static let powers: [Double] = (0...308).map { Double("1e\($0)") ?? .infinity }

  /// The value of a number of JSON; nil where it is too large.
  static func value(_ text: ArraySlice<UInt8>) -> Double? {
    text.withUnsafeBufferPointer { text -> Double? in
      var p = 0
      let isNegative = text.first == UInt8(ascii: "-")
      if isNegative { p = 1 }
      var digits: UInt64 = 0
      var exponent = 0
      var isFull = false
      func take() -> Bool {
        guard p < text.count, text[p] &- 48 < 10 else { return false }
        if !isFull {
          let (product, overflow) = digits.multipliedReportingOverflow(by: 10)
          let (sum, overflow2) = product.addingReportingOverflow(UInt64(text[p] &- 48))
          if overflow || overflow2 { isFull = true } else { digits = sum }
        }
        p &+= 1
        return true
      }
      while take() { if isFull { exponent &+= 1 } }
      if p < text.count, text[p] == UInt8(ascii: ".") {
        p &+= 1
        // After an integer too long, the digits after the point may still be added where they fit.
        isFull = false
        while take() { if !isFull { exponent &-= 1 } }
      }
      if p < text.count, text[p] | 0x20 == UInt8(ascii: "e") {
        p &+= 1
        var sign = 1
        if p < text.count, text[p] == UInt8(ascii: "-") || text[p] == UInt8(ascii: "+") {
          sign = text[p] == UInt8(ascii: "-") ? -1 : 1
          p &+= 1
        }
        var value = 0
        while p < text.count, text[p] &- 48 < 10 {
          value = min(value &* 10 &+ Int(text[p] &- 48), 1 << 30)
          p &+= 1
        }
        exponent &+= sign &* value
      }
      var number = Double(digits)
      while true {
        let size = exponent.magnitude
        if size <= 308 {
          if exponent >= 0 { number *= powers[Int(size)] } else { number /= powers[Int(size)] }
          if number.isInfinite { return nil }
          break
        }
        if number == 0 { break }
        if exponent >= 0 { return nil }
        number /= 1e308
        exponent &+= 308
      }
      return isNegative ? -number : number
    }
  }
}
