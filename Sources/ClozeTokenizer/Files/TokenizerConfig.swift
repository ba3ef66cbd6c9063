internal import ClozeIO

/// The files beside a vocab.txt or a tokenizer.json; nil for those that are not there.
struct SideFiles {
  /// tokenizer_config.json
  var config: [UInt8]?
  /// special_tokens_map.json
  var specialTokens: [UInt8]?
  /// added_tokens.json
  var addedTokens: [UInt8]?
  /// sentence_bert_config.json
  var sentence: [UInt8]?
  /// config.json
  var model: [UInt8]?

  /// Reads those that are in a folder.
  init(in folder: String) throws(ClozeError) {
    func content(_ name: String) throws(ClozeError) -> [UInt8]? {
      let path = joined(folder, name)
      return try FileKind(path) == .file ? try contents(of: path) : nil
    }
    config = try content("tokenizer_config.json")
    specialTokens = try content("special_tokens_map.json")
    addedTokens = try content("added_tokens.json")
    sentence = try content("sentence_bert_config.json")
    model = try content("config.json")
  }

  init(config: [UInt8]?) { self.config = config }
}

/// What the files beside a vocabulary say of tokenizing; nil for what they leave out.
struct TokenizerConfig {
  var lowercase: Bool?
  /// nil inside: follows `lowercase`.
  var stripAccents: Bool??
  var handleChineseChars: Bool?
  /// Whether text is lower-cased before all else: `do_lower_case` of sentence_bert_config.json.
  var lowercasesFirst = false
  var modelMaxLength: Int?
  /// Whether `truncation_side` is "left".
  var truncatesLeft = false
  /// `add_prefix_space` and `trim_offsets`, of byte-level BPE.
  var addsPrefixSpace: Bool?
  var trimsOffsets: Bool?
  var splitSpecialTokens = false
  /// Special tokens by their role, one of `roles`.
  var names: [String: AddedToken] = [:]
  /// Further special tokens.
  var others: [AddedToken] = []
  /// The entries of added_tokens_decoder, else of added_tokens.json, by ascending id.
  var added: [(id: Int32, token: AddedToken)] = []
  /// The class of transformers, without an ending "Fast", and the file that names it.
  private var className: (name: String, file: String)?
  /// Settings of word splitters that are not BERT's, as `key value`.
  private var splitters: [String] = []
  private var skipsBasic = false

  /// transformers' own roles, in the order in which it adds the tokens.
  static let roles = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"]

  /// Classes whose tokenizers of a vocab.txt are BERT's.
  private static let bertClasses: Set<String> = [
    "BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "MobileBertTokenizer", "ConvBertTokenizer",
    "SqueezeBertTokenizer", "LayoutLMTokenizer", "LxmertTokenizer", "RetriBertTokenizer", "RealmTokenizer",
    "DPRContextEncoderTokenizer", "DPRQuestionEncoderTokenizer", "DPRReaderTokenizer",
  ]
  /// Classes for any tokenizer.json.
  private static let anyClasses: Set<String> = ["PreTrainedTokenizer", "TokenizersBackend"]
  /// Classes that split words before any tokenizer.json could.
  private static let otherSplitters: Set<String> = [
    "BertJapaneseTokenizer", "RoFormerTokenizer", "CpmTokenizer", "XLMTokenizer", "FlaubertTokenizer",
    "BertweetTokenizer", "PhobertTokenizer",
  ]

  init() {}

  /// - Throws: `.damaged` with the file and the key at fault.
  init(_ files: SideFiles) throws(ClozeError) {
    var hasDecoder = false
    if let json = files.config { hasDecoder = try read(JSONField(parsing: json, name: "tokenizer_config.json")) }
    // transformers writes all tokens to added_tokens_decoder, or to the two other files, as versions before 4.34 did.
    if !hasDecoder {
      if let json = files.specialTokens {
        try readNames(JSONField(parsing: json, name: "special_tokens_map.json"))
      }
      if let json = files.addedTokens { try readAdded(JSONField(parsing: json, name: "added_tokens.json")) }
    }
    if let json = files.sentence {
      let root = try JSONField(parsing: json, name: "sentence_bert_config.json")
      lowercasesFirst = try root.present("do_lower_case")?.bool() ?? false
    }
    if className == nil, let json = files.model {
      try readClass(JSONField(parsing: json, name: "config.json"), "config.json")
    }
  }

  /// Whether the class is BERT's, or none is named.
  var isBERT: Bool { className.map { Self.bertClasses.contains($0.name) } ?? true }

  /// The class that is named, without an ending "Fast".
  var tokenizerClass: String? { className?.name }

  /// Why the class that is named is none of some, and no class for any tokenizer; nil where it is, or none is named.
  func refusal(of classes: Set<String>) -> String? {
    guard let (name, file) = className, !classes.contains(name), !Self.anyClasses.contains(name) else { return nil }
    return "\(file) says tokenizer_class \"\(name)\", only \(classes.sorted().joined(separator: ", ")) are supported"
  }

  /// Why words are split in another way than BERT's; nil where they are not.
  ///
  /// - Parameter hasDefinition: whether a tokenizer.json defines everything else.
  func refusal(hasDefinition: Bool) -> String? {
    var reasons: [String] = []
    if let (name, file) = className {
      let isOther =
        hasDefinition
        ? Self.otherSplitters.contains(name) : !Self.bertClasses.contains(name) && !Self.anyClasses.contains(name)
      if isOther { reasons.append("\(file) says tokenizer_class \"\(name)\"") }
    }
    reasons += splitters.map { "tokenizer_config.json says \($0)" }
    // A tokenizer.json is used as it is.
    if skipsBasic, !hasDefinition { reasons.append("tokenizer_config.json says do_basic_tokenize false") }
    if reasons.isEmpty { return nil }
    return reasons.joined(separator: ", ") + "; only BERT's own splitting into words and pieces is supported"
  }

  // MARK: - Files

  /// Reads tokenizer_config.json; returns whether it has added_tokens_decoder.
  private mutating func read(_ root: JSONField) throws(ClozeError) -> Bool {
    lowercase = try root.present("do_lower_case")?.bool()
    if let field = try root.member("strip_accents") {
      if case .null = field.value { stripAccents = .some(nil) } else { stripAccents = try field.bool() }
    }
    handleChineseChars = try root.present("tokenize_chinese_chars")?.bool()
    if let field = try root.present("model_max_length") {
      guard case .number(let number) = field.value else { throw field.mismatch("a number") }
      // "No limit" is written as 1e30, which is not an Int.
      if let length = number.integer, length > 0, length <= Int(Int32.max) { modelMaxLength = length }
    }
    truncatesLeft = try root.present("truncation_side")?.string() == "left"
    addsPrefixSpace = try root.present("add_prefix_space")?.bool()
    trimsOffsets = try root.present("trim_offsets")?.bool()
    splitSpecialTokens = try root.present("split_special_tokens")?.bool() ?? false
    try readClass(root, "tokenizer_config.json")
    for (key, own) in [("word_tokenizer_type", "basic"), ("subword_tokenizer_type", "wordpiece")] {
      if let value = try root.present(key)?.scalar(), value != own { splitters.append("\(key) \"\(value)\"") }
    }
    for key in ["do_word_tokenize", "do_subword_tokenize"] where try root.present(key)?.bool() == false {
      splitters.append("\(key) false")
    }
    skipsBasic = try root.present("do_basic_tokenize")?.bool() == false
    try readNames(root)
    guard let field = try root.present("added_tokens_decoder") else { return false }
    guard case .object(let members) = field.value else { throw field.mismatch("an object") }
    for member in members {
      let path = "\(field.path).\(member.key.string)"
      let token = try AddedToken(json: JSONField(value: member.value, path: path))
      added.append((try JSONField.id(member.key, path), token))
    }
    added.sort { $0.id < $1.id }
    return true
  }

  private mutating func readClass(_ root: JSONField, _ file: String) throws(ClozeError) {
    guard var name = try root.present("tokenizer_class")?.string() else { return }
    if name.hasSuffix("Fast") { name.removeLast(4) }
    className = (name, file)
  }

  /// Reads the special tokens of tokenizer_config.json or special_tokens_map.json: `cls_token` and so on, a name or an
  /// added token in full, and lists of others.
  private mutating func readNames(_ root: JSONField) throws(ClozeError) {
    for role in Self.roles {
      if let field = try root.present(role) { names[role] = try AddedToken(special: field) }
    }
    var found: [AddedToken] = []
    guard case .object(let members) = root.value else { throw root.mismatch("an object") }
    for member in members {
      let key = member.key.string
      let field = JSONField(value: member.value, path: "\(root.path) \(key)")
      switch (key, field.value) {
      case ("additional_special_tokens", .array), ("extra_special_tokens", .array):
        for element in try field.elements() { found.append(try AddedToken(special: element)) }
      case ("extra_special_tokens", .object):
        for (_, value) in try field.members() { found.append(try AddedToken(special: value)) }
      case (_, .string), (_, .object):
        // A role of the model's own, such as "image_token".
        if key.hasSuffix("_token"), !Self.roles.contains(key) { found.append(try AddedToken(special: field)) }
      default: break
      }
    }
    let known = Set(others.map(\.content))
    others += found.filter { !known.contains($0.content) }
  }

  /// Reads added_tokens.json, an object from tokens to ids.
  private mutating func readAdded(_ root: JSONField) throws(ClozeError) {
    guard case .object(let members) = root.value else { throw root.mismatch("an object from tokens to ids") }
    let special = Set(names.values.map(\.content) + others.map(\.content))
    for member in members {
      let path = "\(root.path) \(member.key.string)"
      guard case .number(let number) = member.value else {
        throw JSONField(value: member.value, path: path).mismatch("a number")
      }
      var token = AddedToken(content: Array(member.key.decoded))
      token.special = special.contains(token.content)
      token.normalized = !token.special
      added.append((try JSONField.id(number, path), token))
    }
    added.sort { $0.id < $1.id }
  }
}

/// Reading added tokens.
extension AddedToken {
  init(json field: JSONField) throws(ClozeError) { self = try AddedToken.read(field.value, field.path).token }

  /// A token in full, and the id that goes with it, if any. In one pass, as there may be tens of thousands.
  static func read(_ value: JSONValue, _ path: @autoclosure () -> String) throws(ClozeError) -> (
    token: AddedToken, id: Int32?
  ) {
    guard case .object(let members) = value else { throw JSONField(value: value, path: path()).mismatch("an object") }
    var content: [UInt8]?
    var id: Int32?
    var flags: (special: Bool?, singleWord: Bool?, left: Bool?, right: Bool?, normalized: Bool?)
    for member in members {
      let key = member.key.string
      func flag() throws(ClozeError) -> Bool? {
        switch member.value {
        case .null: return nil
        case .bool(let flag): return flag
        default: throw JSONField(value: member.value, path: "\(path()).\(key)").mismatch("true or false")
        }
      }
      switch key {
      case "content":
        switch member.value {
        case .null: content = nil
        case .string(let text): content = Array(text.decoded)
        default: throw JSONField(value: member.value, path: "\(path()).content").mismatch("a string")
        }
      case "id": if case .number(let number) = member.value { id = number.integer.flatMap { Int32(exactly: $0) } }
      case "special": flags.special = try flag()
      case "single_word": flags.singleWord = try flag()
      case "lstrip": flags.left = try flag()
      case "rstrip": flags.right = try flag()
      case "normalized": flags.normalized = try flag()
      default: break
      }
    }
    guard let content else { throw ClozeError(.damaged, "\(path()) has no content") }
    let special = flags.special ?? false
    let token = AddedToken(
      content: content, singleWord: flags.singleWord ?? false, takesLeft: flags.left ?? false,
      takesRight: flags.right ?? false, normalized: flags.normalized ?? !special, special: special)
    return (token, id)
  }

  /// A special token, as its name or in full.
  init(special field: JSONField) throws(ClozeError) {
    if case .object = field.value {
      try self.init(json: field)
      normalized = try field.present("normalized")?.bool() ?? false
    } else {
      self.init(content: try field.text())
    }
    special = true
  }
}
