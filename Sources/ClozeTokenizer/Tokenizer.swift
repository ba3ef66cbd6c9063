public import ClozeIO

/// A tokenizer, equal to Hugging Face's `tokenizers` token for token: BERT's WordPiece, or the stages of a
/// tokenizer.json with WordPiece, Unigram or BPE.
///
/// Immutable; threads may share one, each with its own `EncodingBuffer`. The sections `truncation` and `padding` of a
/// tokenizer.json are ignored. What is not read is refused by name.
public final class Tokenizer: Sendable {
  /// The largest id plus one, which is the number of tokens unless ids have gaps.
  public let vocabularySize: Int
  /// The largest type id of a token; 0 where all are of one type.
  package var largestTypeID: Int { Int(template.largestTypeID) }
  /// The ids of the special tokens; nil where the vocabulary lacks one.
  public let clsID: Int32?
  public let sepID: Int32?
  public let maskID: Int32?
  public let padID: Int32?
  public let unknownID: Int32?
  /// Whether text is lowercased.
  public let lowercase: Bool
  /// Whether accents are removed.
  public let stripAccents: Bool
  /// Whether special tokens in a text are text like any other.
  public let splitSpecialTokens: Bool
  /// `model_max_length` of tokenizer_config.json, if any. Not applied here.
  public let modelMaxLength: Int?

  /// Its definition, without the vocabulary.
  let definition: TokenizerDefinition
  /// The tokens of WordPiece; empty for other models.
  let vocabulary: Vocabulary
  /// nil: BERT's own normalizer, pre-tokenizer and WordPiece, in one pass.
  let pipeline: Pipeline?
  let added: AddedTokens
  let normalizer: NormalizerTables
  let template: Template
  /// As in `TokenizerDefinition`.
  let trims: [Bool]
  let truncatesLeft: Bool
  /// The numbers of special tokens in `template.single` and `template.pair`.
  let addedToSingle: Int
  let addedToPair: Int
  let longestWord: Int
  let unknownToken: String

  /// Makes a tokenizer from a vocab.txt.
  ///
  /// - Parameters:
  ///   - vocabulary: One token a line; UTF-8.
  ///   - config: A tokenizer_config.json, for casing and the names of special tokens.
  ///   - options: Override what `config` says.
  public convenience init(vocabulary: [UInt8], config: [UInt8]? = nil, options: TokenizerOptions = TokenizerOptions())
    throws(ClozeError)
  {
    let definition = try TokenizerDefinition(
      vocabulary: vocabulary, config: TokenizerConfig(SideFiles(config: config)))
    try self.init(definition, options)
  }

  /// Makes a tokenizer from a tokenizer.json.
  ///
  /// - Parameters:
  ///   - json: The file's content.
  ///   - config: A tokenizer_config.json, for added and special tokens, casing and the model's length.
  ///   - options: Override what the files say.
  public convenience init(json: [UInt8], config: [UInt8]? = nil, options: TokenizerOptions = TokenizerOptions())
    throws(ClozeError)
  {
    let definition = try TokenizerDefinition(json: json, config: TokenizerConfig(SideFiles(config: config)))
    try self.init(definition, options)
  }

  /// Makes a tokenizer from a sentencepiece model, XLM-R's or CamemBERT's.
  ///
  /// - Parameters:
  ///   - file: The content of a sentencepiece.bpe.model.
  ///   - config: A tokenizer_config.json, for the class and special tokens; else it is XLM-R's.
  ///   - options: Override what `config` says.
  public convenience init(
    sentencePiece file: [UInt8], config: [UInt8]? = nil, options: TokenizerOptions = TokenizerOptions()
  )
    throws(ClozeError)
  {
    let definition = try TokenizerDefinition(sentencePiece: file, config: TokenizerConfig(SideFiles(config: config)))
    try self.init(definition, options)
  }

  /// Whether bytes begin as a serialized sentencepiece `ModelProto`: its first field holds a piece, whose first field
  /// is a string; and they hold a zero byte, as no text does.
  package static func isSentencePiece(_ file: [UInt8]) -> Bool {
    file.count > 16 && file[0] == 0x0A && file[2] == 0x0A && file.prefix(4096).contains(0)
  }

  init(_ definition: TokenizerDefinition, _ options: TokenizerOptions) throws(ClozeError) {
    var definition = definition
    definition.override(options)
    let normalizer = NormalizerTables(definition.normalizer)

    // A word of `longestWord` scalars has at most four times as many bytes.
    let longestPiece = min(definition.longestWord, Int(Int32.max)) &* 4
    let words = Vocabulary(
      definition.vocabulary, continuingPrefix: definition.continuingPrefix, longestPiece: longestPiece)
    let pipeline = definition.stages.map {
      Pipeline(normalizers: $0.normalizers, splitters: $0.splitters, model: $0.model)
    }
    let vocabulary = TokenNames(words: words, table: pipeline?.table)

    // As in transformers, the named tokens are special, and so not normalised. transformers also adds those
    // that the vocabulary lacks; they are left out here, as a model has no row for them.
    var listed = definition.added
    var contents = definition.named.isEmpty ? [] : Set(listed.map(\.content))
    for name in definition.named where vocabulary.id(of: name) != nil && contents.insert(name).inserted {
      listed.append(AddedToken(content: name, special: true))
    }
    let steps = pipeline?.normalizers
    let added = try AddedTokens(
      try Tokenizer.giveIDs(listed, vocabulary), splitSpecialTokens: definition.splitSpecialTokens
    ) { token in
      steps.map { Pipeline.normalized(token, $0) } ?? normalizer.normalized(token)
    }
    func id(_ name: [UInt8]) -> Int32? { added.id(of: name) ?? vocabulary.id(of: name) }

    unknownToken = String(decoding: definition.unknownToken, as: UTF8.self)
    // As in WordPiece, [UNK] is looked up in the model's vocabulary only.
    switch pipeline?.model {
    case .unigram(let model): unknownID = model.unknownID
    case .bpe(let model): unknownID = model.unknownID
    default: unknownID = vocabulary.id(of: definition.unknownToken)
    }
    clsID = id(definition.names.cls) ?? id(Array("<s>".utf8))
    sepID = id(definition.names.sep) ?? id(Array("</s>".utf8))
    maskID = id(definition.names.mask) ?? id(Array("<mask>".utf8))
    padID = id(definition.names.pad) ?? id(Array("<pad>".utf8))

    func required(_ id: Int32?, _ name: [UInt8]) throws(ClozeError) -> Int32 {
      if let id { return id }
      throw ClozeError(.missingToken, "\(definition.source) has no \(String(decoding: name, as: UTF8.self))")
    }
    if definition.source == "vocab.txt" { _ = try required(unknownID, definition.unknownToken) }
    if let template = definition.template {
      self.template = template
    } else {
      // `tokenizers` adds no special tokens where tokenizer.json has no post_processor, but a BERT needs them.
      self.template = .bert(
        cls: try required(id(definition.names.cls), definition.names.cls),
        sep: try required(id(definition.names.sep), definition.names.sep))
    }
    trims = definition.trims
    truncatesLeft = definition.truncatesLeft
    addedToSingle = Template.added(template.single)
    addedToPair = Template.added(template.pair)

    var kept = definition
    kept.vocabulary = Vocabulary.Builder()
    self.definition = kept
    self.vocabulary = words
    self.pipeline = pipeline
    self.added = added
    self.normalizer = normalizer
    self.lowercase = pipeline?.isLowercase ?? normalizer.options.lowercase
    self.stripAccents = pipeline == nil && normalizer.stripAccents
    splitSpecialTokens = definition.splitSpecialTokens
    longestWord = definition.longestWord
    modelMaxLength = definition.modelMaxLength
    let largestAdded = added.tokens.reduce(-1) { max($0, $1.id) }
    vocabularySize = max(vocabulary.bound, Int(largestAdded) &+ 1, Int(template.largestID) &+ 1)
  }

  /// Assigns ids to added tokens, as `tokenizers` does when it reads them.
  ///
  /// Quirk: the ids in the file are ignored. A token of the vocabulary has its id there; the others are numbered
  /// from the number of tokens in the vocabulary, even if ids have gaps. A content listed again replaces the
  /// earlier token.
  private static func giveIDs(_ listed: [AddedToken], _ vocabulary: TokenNames) throws(ClozeError) -> [(
    token: AddedToken, id: Int32
  )] {
    var given: [(token: AddedToken, id: Int32)] = []
    var places: [[UInt8]: Int] = [:]
    var next = vocabulary.count
    for token in listed where !token.content.isEmpty {
      if let place = places[token.content] {
        given[place].token = token
        continue
      }
      var id = vocabulary.id(of: token.content)
      if id == nil {
        guard next < Int(Int32.max) else { throw ClozeError(.damaged, "more than 2^31 tokens") }
        id = Int32(truncatingIfNeeded: next)
        next &+= 1
      }
      places[token.content] = given.count
      given.append((token, id ?? 0))
    }
    // Of tokens with the same id the last listed replaces the others.
    var last: [Int32: Int] = [:]
    for (i, item) in given.enumerated() { last[item.id] = i }
    return given.indices.filter { last[given[$0].id] == $0 }.map { given[$0] }
  }

  /// The name of its model: WordPiece, Unigram or BPE.
  public var modelType: String {
    switch pipeline?.model {
    case .unigram: "Unigram"
    case .bpe: "BPE"
    default: "WordPiece"
    }
  }

  /// The pieces by id, and whether accents are removed where that does not follow from lower-casing; nil where a
  /// vocab.txt and these do not make the same tokenizer.
  package var plainWordPiece: (pieces: [String], stripAccents: Bool?)? {
    let options = definition.normalizer
    let names: [String?] = ["[CLS]", "[SEP]", "[MASK]", "[PAD]", "[UNK]"]
    guard pipeline == nil, options.cleanText, options.handleChineseChars, !truncatesLeft, longestWord == 100,
      vocabulary.count == vocabularySize,
      [clsID, sepID, maskID, padID, unknownID].map({ id -> String? in id.flatMap { token(for: $0) } }) == names
    else { return nil }
    let pieces = (0..<Int32(clamping: vocabularySize)).compactMap { token(for: $0) }
    return pieces.count == vocabularySize ? (pieces, options.stripAccents) : nil
  }

  /// The token with an id.
  public func token(for id: Int32) -> String? { bytes(of: id).map { String(decoding: $0, as: UTF8.self) } }

  /// The token with an id, as UTF-8 terminated by a NUL; a token may itself contain a NUL.
  ///
  /// Valid as long as the tokenizer.
  public func tokenPointer(for id: Int32) -> UnsafePointer<CChar>? {
    guard let base = bytes(of: id)?.baseAddress else { return nil }
    return UnsafeRawPointer(base).assumingMemoryBound(to: CChar.self)
  }

  func bytes(of id: Int32) -> UnsafeBufferPointer<UInt8>? { added.bytes(of: id) ?? tokenNames.bytes(of: id) }

  /// The model's tokens, without added ones.
  var tokenNames: TokenNames { TokenNames(words: vocabulary, table: pipeline?.table) }

  /// The id of a token, spelled as in the vocabulary.
  public func id(of token: String) -> Int32? {
    let bytes = Array(token.utf8)
    return added.id(of: bytes) ?? tokenNames.id(of: bytes)
  }
}

/// The tokens of a model: of WordPiece in a vocabulary, of others in a table.
struct TokenNames {
  let words: Vocabulary
  let table: PieceTable?

  var count: Int { table?.count ?? words.count }
  var bound: Int { table?.bound ?? words.bound }

  func id(of token: [UInt8]) -> Int32? { table.map { $0.id(of: token) } ?? words.id(of: token) }

  func bytes(of id: Int32) -> UnsafeBufferPointer<UInt8>? { table.map { $0.bytes(of: id) } ?? words.bytes(of: id) }
}
