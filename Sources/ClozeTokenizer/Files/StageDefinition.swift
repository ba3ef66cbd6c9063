internal import ClozeIO

/// The stages of a tokenizer.json, where they do not amount to BERT's.
struct StageDefinition {
  /// The sections `normalizer` and `pre_tokenizer`, as they are stored.
  var normalizer: JSONValue?
  var splitter: JSONValue?
  var splitters: [SplitterStep] = []
  var model = Pipeline.Model.wordPiece
  var casing = Casing()
  private var read: [NormalizerStep] = []

  /// What other files, or a caller, say of casing; nil for what they leave to the normalizers.
  struct Casing: Equatable {
    var lowercase: Bool?
    /// nil inside: follows `lowercase`.
    var stripAccents: Bool??
    var handleChineseChars: Bool?
    /// Whether text is lower-cased before all else.
    var lowercasesFirst = false
  }

  /// - Parameter root: the document, with the sections.
  init(_ root: JSONField) throws(ClozeError) {
    if let field = try root.present("normalizer") {
      normalizer = field.value
      read = try NormalizerStep.read(field)
    }
    if let field = try root.present("pre_tokenizer") {
      splitter = field.value
      splitters = try SplitterStep.read(field)
    }
  }

  init(splitters: [SplitterStep], model: Pipeline.Model) {
    self.splitters = splitters
    self.model = model
  }

  /// Whether one of the normalizers is BERT's, whose casing other files may change.
  var hasBERT: Bool { read.contains { if case .bert = $0 { true } else { false } } }

  /// Makes a character map the only normalizer.
  mutating func setCharsmap(_ map: Charsmap) { read = [.charsmap(map)] }

  /// The normalizers, with the casing that is asked for.
  var normalizers: [NormalizerStep] {
    var isBERT = false
    var isLower = false
    var steps: [NormalizerStep] = []
    for step in read {
      switch step {
      case .bert(let tables):
        isBERT = true
        var options = tables.options
        options.lowercase = casing.lowercase ?? options.lowercase
        if let strip = casing.stripAccents { options.stripAccents = strip }
        options.handleChineseChars = casing.handleChineseChars ?? options.handleChineseChars
        isLower = isLower || options.lowercase
        steps.append(.bert(NormalizerTables(options)))
      case .lowercase where casing.lowercase == false: break
      default:
        if case .lowercase = step { isLower = true }
        steps.append(step)
      }
    }
    if casing.lowercasesFirst || casing.lowercase == true && !isBERT, !isLower { steps.insert(.lowercase, at: 0) }
    return steps
  }
}

/// Reading normalizers.
extension NormalizerStep {
  /// The steps of a normalizer, those of sequences one after another.
  static func read(_ field: JSONField, depth: Int = 0) throws(ClozeError) -> [NormalizerStep] {
    let type = try field.required("type").string()
    func unsupported(_ reason: String) -> ClozeError {
      ClozeError(.unsupportedTokenizer, "\(field.path) is a \(type)\(reason)")
    }
    switch type {
    case "Sequence":
      guard depth < 8 else { throw unsupported(" inside eight others") }
      var steps: [NormalizerStep] = []
      for part in try field.required("normalizers").elements() { steps += try read(part, depth: depth + 1) }
      return steps
    case "BertNormalizer": return [.bert(NormalizerTables(try NormalizerOptions(json: field)))]
    case "NFC": return [.form(NormalizationForm(composes: true, isCompatible: false))]
    case "NFD": return [.form(NormalizationForm(composes: false, isCompatible: false))]
    case "NFKC": return [.form(NormalizationForm(composes: true, isCompatible: true))]
    case "NFKD": return [.form(NormalizationForm(composes: false, isCompatible: true))]
    case "Nmt": return [.nmt]
    case "Lowercase": return [.lowercase]
    case "StripAccents": return [.stripAccents]
    case "ByteLevel": return [.byteLevel]
    case "Strip":
      return [
        .strip(left: try field.required("strip_left").bool(), right: try field.required("strip_right").bool())
      ]
    case "Prepend":
      let text = try field.required("prepend").text()
      guard !text.isEmpty else { throw unsupported(" of nothing, which is not supported") }
      return [.prepend(text)]
    case "Replace":
      return [
        .replace(try TextPattern(json: field.required("pattern")), with: try field.required("content").text())
      ]
    case "Precompiled":
      let map = try field.required("precompiled_charsmap")
      return [.charsmap(try Charsmap(Base64.decoded(map), path: map.path))]
    default: throw unsupported(", which is not supported")
    }
  }
}

/// The options of BertNormalizer.
extension NormalizerOptions {
  init(json field: JSONField) throws(ClozeError) {
    self.init(
      cleanText: try field.present("clean_text")?.bool() ?? true,
      handleChineseChars: try field.present("handle_chinese_chars")?.bool() ?? true,
      stripAccents: try field.present("strip_accents")?.bool(),
      lowercase: try field.present("lowercase")?.bool() ?? true)
  }
}

/// Reading pre-tokenizers.
extension SplitterStep {
  /// The steps of a pre-tokenizer, those of sequences one after another.
  static func read(_ field: JSONField, depth: Int = 0) throws(ClozeError) -> [SplitterStep] {
    let type = try field.required("type").string()
    func unsupported(_ reason: String) -> ClozeError {
      ClozeError(.unsupportedTokenizer, "\(field.path) is a \(type)\(reason)")
    }
    func behavior() throws(ClozeError) -> SplitBehavior? {
      guard let value = try field.present("behavior") else { return nil }
      let name = try value.string()
      guard let behavior = SplitBehavior(rawValue: name) else {
        throw ClozeError(.unsupportedTokenizer, "\(value.path) is \"\(name)\", which is not supported")
      }
      return behavior
    }
    switch type {
    case "Sequence":
      guard depth < 8 else { throw unsupported(" inside eight others") }
      var steps: [SplitterStep] = []
      for part in try field.required("pretokenizers").elements() { steps += try read(part, depth: depth + 1) }
      return steps
    case "BertPreTokenizer":
      return [
        .split(.flags(ScalarFlags.whitespace), .removed, inverted: false),
        .split(.flags(ScalarFlags.punctuation), .isolated, inverted: false),
      ]
    case "Whitespace": return [.split(.wordsOrMarks, .removed, inverted: true)]
    case "WhitespaceSplit": return [.split(.flags(ScalarFlags.whitespace), .removed, inverted: false)]
    case "Punctuation":
      return [.split(.flags(ScalarFlags.punctuation), try behavior() ?? .isolated, inverted: false)]
    case "Digits":
      let individual = try field.required("individual_digits").bool()
      return [.split(.properties(ScalarProperty.numeric), individual ? .isolated : .contiguous, inverted: false)]
    case "ByteLevel":
      return [
        .byteLevel(
          addsSpace: try field.required("add_prefix_space").bool(),
          splits: try field.present("use_regex")?.bool() ?? true)
      ]
    case "Metaspace": return [try metaspace(field)]
    case "Split":
      guard let behavior = try behavior() else { throw ClozeError(.damaged, "\(field.path) has no behavior") }
      return [
        .split(
          try TextPattern(json: field.required("pattern")), behavior, inverted: try field.required("invert").bool())
      ]
    default: throw unsupported(", which is not supported")
    }
  }

  /// Metaspace in its new spelling, with `prepend_scheme` and `split`, or in its old one, with `add_prefix_space`.
  private static func metaspace(_ field: JSONField) throws(ClozeError) -> SplitterStep {
    let place = try field.required("replacement")
    let replacement = try place.text()
    guard String(decoding: replacement, as: UTF8.self).unicodeScalars.count == 1 else {
      throw ClozeError(.damaged, "\(place.path) is not one character")
    }
    var scheme = PrependScheme.always
    if let value = try field.present("prepend_scheme") {
      let name = try value.string()
      guard let known = PrependScheme(rawValue: name) else {
        throw ClozeError(.unsupportedTokenizer, "\(value.path) is \"\(name)\", which is not supported")
      }
      scheme = known
    }
    if let value = try field.present("add_prefix_space"), try !value.bool() {
      guard try field.present("prepend_scheme") == nil || scheme == .never else {
        throw ClozeError(.damaged, "\(value.path) is false, and prepend_scheme is \"\(scheme.rawValue)\"")
      }
      scheme = .never
    }
    return .metaspace(replacement: replacement, scheme, splits: try field.present("split")?.bool() ?? true)
  }
}

/// Base64 (RFC 4648).
enum Base64 {
  static func encoded(_ bytes: [UInt8]) -> String {
    let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var out: [UInt8] = []
    out.reserveCapacity(bytes.count / 3 * 4 + 4)
    for i in stride(from: 0, to: bytes.count, by: 3) {
      let count = min(3, bytes.count &- i)
      let bits = (0..<count).reduce(0) { $0 | Int(bytes[i &+ $1]) << (16 &- 8 &* $1) }
      for k in 0..<4 { out.append(k <= count ? digits[bits >> (18 &- 6 &* k) & 63] : UInt8(ascii: "=")) }
    }
    return String(decoding: out, as: UTF8.self)
  }

  static func decoded(_ field: JSONField) throws(ClozeError) -> [UInt8] {
    let text = try field.text()
    var out: [UInt8] = []
    out.reserveCapacity(text.count / 4 * 3)
    let padding = text.suffix(2).count { $0 == UInt8(ascii: "=") }
    var bits: UInt32 = 0
    for (i, byte) in text.dropLast(padding).enumerated() {
      let value: UInt8
      switch byte {
      case 65...90: value = byte &- 65
      case 97...122: value = byte &- 71
      case 48...57: value = byte &+ 4
      case 43: value = 62
      case 47: value = 63
      default: throw ClozeError(.damaged, "\(field.path) is not base64 at character \(i)")
      }
      bits = bits << 6 | UInt32(value)
      if i % 4 > 0 { out.append(UInt8(truncatingIfNeeded: bits >> UInt32(6 &- 2 &* (i % 4)))) }
    }
    guard text.count % 4 == 0 else { throw ClozeError(.damaged, "\(field.path) is base64 that is cut short") }
    return out
  }
}
