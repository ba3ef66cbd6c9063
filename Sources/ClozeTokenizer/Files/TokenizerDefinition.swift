internal import ClozeIO

/// A tokenizer as its files define it, before it is built.
struct TokenizerDefinition {
  /// The vocabulary's name in messages: "vocab.txt" or "tokenizer.json".
  var source: String
  var vocabulary = Vocabulary.Builder()
  var normalizer = NormalizerOptions()
  var added: [AddedToken] = []
  /// Special tokens that are matched where the vocabulary has them.
  var named: [[UInt8]] = []
  /// nil: BERT's own, with [CLS] and [SEP].
  var template: Template?
  /// Spaces at the ends of tokens are taken off their offsets, once for each; true where the pre-tokenizer puts a
  /// space before the first word.
  var trims: [Bool] = []
  /// Whether a text is truncated at its beginning.
  var truncatesLeft = false
  /// nil: BERT's own stages, with the options of `normalizer`.
  var stages: StageDefinition?
  var unknownToken = Array("[UNK]".utf8)
  var continuingPrefix = Array("##".utf8)
  var longestWord = 100
  var names = SpecialNames()
  var modelMaxLength: Int?
  /// Whether special tokens in a text are text like any other.
  var splitSpecialTokens = false
  /// The ids that files give added tokens, which are not those that they get; for remarks, not stored.
  var stated: [(content: [UInt8], id: Int32)] = []
}

/// The names of the special tokens.
struct SpecialNames {
  var cls = Array("[CLS]".utf8)
  var sep = Array("[SEP]".utf8)
  var mask = Array("[MASK]".utf8)
  var pad = Array("[PAD]".utf8)
}

/// Reading vocab.txt and tokenizer.json.
extension TokenizerDefinition {
  /// Takes over what the files beside the vocabulary say, the casing excepted.
  ///
  /// As in transformers, tokens that they name and that are not listed yet are added: those of added_tokens_decoder or
  /// added_tokens.json by their ids, then special tokens by their roles, then the others. Without [UNK], [CLS] and
  /// [SEP] there is no BERT: the vocabulary must have these, whatever they are called.
  mutating func take(_ config: TokenizerConfig) {
    names.cls = config.names["cls_token"]?.content ?? names.cls
    names.sep = config.names["sep_token"]?.content ?? names.sep
    names.mask = config.names["mask_token"]?.content ?? names.mask
    names.pad = config.names["pad_token"]?.content ?? names.pad
    modelMaxLength = config.modelMaxLength
    truncatesLeft = config.truncatesLeft
    splitSpecialTokens = config.splitSpecialTokens
    if config.added.isEmpty, config.names.isEmpty, config.others.isEmpty { return }
    stated += config.added.map { ($0.token.content, $0.id) }
    var known = Set(added.map(\.content))
    added += config.added.map(\.token).filter { !known.contains($0.content) }
    known.formUnion(added.map(\.content))
    for role in TokenizerConfig.roles {
      guard let token = config.names[role] else { continue }
      if ["unk_token", "cls_token", "sep_token"].contains(role) {
        named.append(token.content)
      } else if known.insert(token.content).inserted {
        added.append(token)
      }
    }
    for token in config.others where known.insert(token.content).inserted { added.append(token) }
  }

  /// Applies the casing that the files beside the vocabulary ask for.
  private mutating func takeCasing(_ config: TokenizerConfig) {
    if let hasBERT = stages?.hasBERT {
      guard hasBERT else { return }
      stages?.casing = StageDefinition.Casing(
        lowercase: config.lowercase, stripAccents: config.stripAccents, handleChineseChars: config.handleChineseChars)
      return
    }
    normalizer.lowercase = config.lowercase ?? normalizer.lowercase
    if let strip = config.stripAccents { normalizer.stripAccents = strip }
    normalizer.handleChineseChars = config.handleChineseChars ?? normalizer.handleChineseChars
  }

  /// sentence-transformers lower-cases before all else, which strips no accents by itself.
  private mutating func takeFirstLowercase(_ config: TokenizerConfig) {
    if stages != nil {
      stages?.casing.lowercasesFirst = config.lowercasesFirst
      return
    }
    guard config.lowercasesFirst, !normalizer.lowercase else { return }
    normalizer.stripAccents = normalizer.stripAccents ?? false
    normalizer.lowercase = true
  }

  /// Applies what a caller decides instead of the files.
  mutating func override(_ options: TokenizerOptions) {
    splitSpecialTokens = options.splitSpecialTokens ?? splitSpecialTokens
    if stages == nil {
      normalizer.lowercase = options.lowercase ?? normalizer.lowercase
      normalizer.stripAccents = options.stripAccents ?? normalizer.stripAccents
      return
    }
    if let lowercase = options.lowercase {
      stages?.casing.lowercase = lowercase
      if !lowercase { stages?.casing.lowercasesFirst = false }
    }
    if let strip = options.stripAccents { stages?.casing.stripAccents = strip }
  }

  /// Reads vocab.txt: one token per line, its id the number of the line from 0.
  ///
  /// As in `tokenizers`, lines end at LF or CR LF, trailing whitespace is removed, and of equal lines the last
  /// counts.
  init(vocabulary bytes: [UInt8], config: TokenizerConfig) throws(ClozeError) {
    self.init(source: "vocab.txt")
    if let reason = config.refusal(hasDefinition: false) { throw ClozeError(.unsupportedTokenizer, reason) }
    if let position = bytes.withUnsafeBufferPointer({ UTF8Scan.firstInvalid($0) }) {
      throw ClozeError(.damaged, "vocab.txt is not valid UTF-8 at byte \(position)")
    }
    guard !bytes.isEmpty else { throw ClozeError(.damaged, "vocab.txt is empty") }
    guard bytes.count < Int(Int32.max) / 2 else {
      throw ClozeError(.damaged, "vocab.txt has \(bytes.count) bytes, which is too large")
    }
    var line: Int32 = 0
    var begin = 0
    while begin < bytes.count {
      let end = bytes[begin...].firstIndex(of: 0x0A) ?? bytes.count
      let token = bytes[begin..<trimmedEnd(bytes, begin, end)]
      guard vocabulary.add(token, id: line) else { throw ClozeError(.damaged, "vocab.txt is too large") }
      line &+= 1
      begin = end &+ 1
    }
    takeCasing(config)
    takeFirstLowercase(config)
    unknownToken = config.names["unk_token"]?.content ?? unknownToken
    take(config)
    named = [unknownToken, names.sep, names.pad, names.cls, names.mask]
  }

  /// Reads tokenizer.json, and what the files beside it add: tokens, names of special tokens, the model's length. As in
  /// transformers, their casing takes precedence, unless they name a class for any tokenizer.json.
  init(json bytes: [UInt8], config: TokenizerConfig) throws(ClozeError) {
    self.init(source: "tokenizer.json")
    let document = try TokenizerDocument(bytes)
    let root = document.root
    if let version = try root.present("version")?.string(), version != "1.0" {
      throw ClozeError(.unsupportedTokenizer, "tokenizer.json: version is \"\(version)\", \"1.0\" was expected")
    }
    try readModel(root.required("model"), document)
    if let reason = config.refusal(hasDefinition: true) { throw ClozeError(.unsupportedTokenizer, reason) }
    if let field = try root.present("added_tokens") { throw field.mismatch("an array") }
    for item in document.added {
      added.append(item.token)
      if let id = item.id { stated.append((item.token.content, id)) }
    }
    if let field = try root.present("post_processor") {
      try readProcessor(field)
      if template == nil { template = .plain }
    } else if stages.map({ if case .wordPiece = $0.model { false } else { true } }) ?? false {
      template = .plain
    }
    // What is matched in normalised text is trimmed as it is there, which only the stages keep.
    let isNormalized = { (token: AddedToken) in token.normalized }
    let hasNormalized =
      added.contains(where: isNormalized) || config.added.contains { $0.token.normalized }
      || config.others.contains(where: isNormalized) || config.names.values.contains(where: isNormalized)
    if stages == nil, !trims.isEmpty, hasNormalized { stages = try StageDefinition(root) }
    if config.isBERT { takeCasing(config) }
    takeFirstLowercase(config)
    take(config)
  }

  private mutating func readModel(_ model: JSONField, _ document: TokenizerDocument) throws(ClozeError) {
    let untyped =
      switch document.form {
      case .array: "Unigram"
      default: document.merges == nil ? "WordPiece" : "BPE"
      }
    let type = try model.present("type")?.string() ?? untyped
    switch type {
    case "WordPiece":
      unknownToken = try model.present("unk_token")?.text() ?? unknownToken
      continuingPrefix = try model.present("continuing_subword_prefix")?.text() ?? continuingPrefix
      if let field = try model.present("max_input_chars_per_word") { longestWord = Int(try field.id()) }
      try document.check(isArray: false, model)
      vocabulary = document.vocabulary
      let splitter = try document.root.required("pre_tokenizer")
      normalizer = .none
      do throws(ClozeError) {
        if let field = try document.root.present("normalizer") { normalizer = try readNormalizer(field) }
        try checkSplitter(splitter)
      } catch {
        guard error.cause == .unsupportedTokenizer else { throw error }
        normalizer = .none
        stages = try StageDefinition(document.root)
      }
    case "Unigram":
      stages = try StageDefinition(document.root)
      stages?.model = .unigram(try UnigramModel(json: model, document))
      if case .unigram(let unigram)? = stages?.model, let id = unigram.unknownID,
        let bytes = unigram.table.bytes(of: id)
      {
        unknownToken = Array(bytes)
      }
    case "BPE":
      stages = try StageDefinition(document.root)
      let bpe = try BPEModel(json: model, document)
      stages?.model = .bpe(bpe)
      if let token = bpe.options.unknownToken { unknownToken = token }
    default:
      throw ClozeError(
        .unsupportedTokenizer,
        "\(model.path) is a \(type) model, only WordPiece, Unigram and BPE are supported")
    }
  }

  /// Reads a post-processor, or the parts of a sequence of them.
  private mutating func readProcessor(_ field: JSONField, depth: Int = 0) throws(ClozeError) {
    let type = try field.required("type").string()
    func id(_ name: String) throws(ClozeError) -> Int32 {
      let pair = try field.required(name)
      let parts = try pair.elements()
      guard parts.count == 2 else { throw pair.mismatch("a token and its id") }
      return try parts[1].id()
    }
    func set(_ found: Template) throws(ClozeError) {
      guard template == nil else {
        throw ClozeError(.unsupportedTokenizer, "\(field.path) is a second one that adds special tokens")
      }
      template = found
    }
    switch type {
    case "BertProcessing": try set(.bert(cls: try id("cls"), sep: try id("sep")))
    case "RobertaProcessing":
      if try field.present("trim_offsets")?.bool() ?? true {
        trims.append(try field.present("add_prefix_space")?.bool() ?? true)
      }
      try set(.roberta(cls: try id("cls"), sep: try id("sep")))
    case "ByteLevel":
      if try field.present("trim_offsets")?.bool() ?? true {
        trims.append(try field.present("add_prefix_space")?.bool() ?? true)
      }
    case "Sequence":
      guard depth < 8 else {
        throw ClozeError(.unsupportedTokenizer, "\(field.path) is a Sequence inside eight others")
      }
      for part in try field.required("processors").elements() { try readProcessor(part, depth: depth + 1) }
    case "TemplateProcessing": try set(try readTemplate(field))
    default:
      throw ClozeError(.unsupportedTokenizer, "\(field.path) is a \(type), which is not supported")
    }
  }

  func readTemplate(_ field: JSONField) throws(ClozeError) -> Template {
    let specials = try field.required("special_tokens")
    let template = Template(
      single: try readPieces(field.required("single"), specials), pair: try readPieces(field.required("pair"), specials)
    )
    try check(template.single, first: 1, second: 0, path: "\(field.path).single")
    try check(template.pair, first: 1, second: 1, path: "\(field.path).pair")
    return template
  }

  private func readPieces(_ field: JSONField, _ specials: JSONField) throws(ClozeError) -> [Template.Piece] {
    var pieces: [Template.Piece] = []
    for element in try field.elements() {
      if let sequence = try element.present("Sequence") {
        let typeID = try sequence.required("type_id").id()
        switch try sequence.required("id").string() {
        case "A": pieces.append(.first(typeID: typeID))
        case "B": pieces.append(.second(typeID: typeID))
        case let other: throw ClozeError(.damaged, "\(sequence.path).id is \"\(other)\", not A or B")
        }
        continue
      }
      let special = try element.required("SpecialToken")
      let name = try special.required("id").string()
      guard let token = try specials.present(name) else {
        throw ClozeError(.damaged, "\(special.path).id is \"\(name)\", which \(specials.path) does not have")
      }
      var ids: [Int32] = []
      for id in try token.required("ids").elements() { ids.append(try id.id()) }
      pieces.append(.special(ids: ids, typeID: try special.required("type_id").id()))
    }
    return pieces
  }

  private func check(_ pieces: [Template.Piece], first: Int, second: Int, path: String) throws(ClozeError) {
    var counts = (first: 0, second: 0)
    for piece in pieces {
      switch piece {
      case .first: counts.first &+= 1
      case .second: counts.second &+= 1
      case .special: break
      }
    }
    guard counts.first == first, counts.second == second else {
      throw ClozeError(
        .unsupportedTokenizer,
        "\(path) has text A \(counts.first) and text B \(counts.second) times, " + "\(first) and \(second) was expected"
      )
    }
  }
}

/// The end of the bytes without trailing whitespace.
private func trimmedEnd(_ bytes: [UInt8], _ begin: Int, _ end: Int) -> Int {
  bytes.withUnsafeBufferPointer { buffer in
    guard let base = buffer.baseAddress else { return end }
    var end = end
    while end > begin {
      let start = UTF8Scan.start(before: end, base, begin)
      let scalar = UTF8Scan.decode(base, start).scalar
      if UnicodeTables.shared.entry(scalar) & ScalarFlags.whitespace == 0 { break }
      end = start
    }
    return end
  }
}
