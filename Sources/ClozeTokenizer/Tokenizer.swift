public import ClozeIO

/// A BERT WordPiece tokenizer, equal to Hugging Face's `tokenizers` token for token.
///
/// Immutable; threads may share one, each with its own `EncodingBuffer`. Made from a vocab.txt, or from a
/// tokenizer.json, whose sections `truncation` and `padding` are ignored. Models other than WordPiece, and
/// normalisers and pre-tokenizers other than BERT's, are unsupported.
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
  let vocabulary: Vocabulary
  let added: AddedTokens
  let normalizer: NormalizerTables
  let template: Template
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

  init(_ definition: TokenizerDefinition, _ options: TokenizerOptions) throws(ClozeError) {
    var definition = definition
    definition.normalizer.lowercase = options.lowercase ?? definition.normalizer.lowercase
    definition.normalizer.stripAccents = options.stripAccents ?? definition.normalizer.stripAccents
    definition.splitSpecialTokens = options.splitSpecialTokens ?? definition.splitSpecialTokens
    let normalizer = NormalizerTables(definition.normalizer)

    // A word of `longestWord` scalars has at most four times as many bytes.
    let longestPiece = min(definition.longestWord, Int(Int32.max)) &* 4
    let vocabulary = Vocabulary(
      definition.vocabulary, continuingPrefix: definition.continuingPrefix, longestPiece: longestPiece)

    // As in transformers, the named tokens are special, and so not normalised. transformers also adds those
    // that the vocabulary lacks; they are left out here, as a model has no row for them.
    var listed = definition.added
    var contents = definition.named.isEmpty ? [] : Set(listed.map(\.content))
    for name in definition.named where vocabulary.id(of: name) != nil && contents.insert(name).inserted {
      listed.append(AddedToken(content: name, special: true))
    }
    let added = try AddedTokens(
      try Tokenizer.giveIDs(listed, vocabulary), splitSpecialTokens: definition.splitSpecialTokens,
      normalize: normalizer.normalized)
    func id(_ name: [UInt8]) -> Int32? { added.id(of: name) ?? vocabulary.id(of: name) }

    unknownToken = String(decoding: definition.unknownToken, as: UTF8.self)
    // As in WordPiece, [UNK] is looked up in the model's vocabulary only.
    unknownID = vocabulary.id(of: definition.unknownToken)
    clsID = id(definition.names.cls)
    sepID = id(definition.names.sep)
    maskID = id(definition.names.mask)
    padID = id(definition.names.pad)

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
        cls: try required(clsID, definition.names.cls), sep: try required(sepID, definition.names.sep))
    }
    addedToSingle = Template.added(template.single)
    addedToPair = Template.added(template.pair)

    var kept = definition
    kept.vocabulary = Vocabulary.Builder()
    self.definition = kept
    self.vocabulary = vocabulary
    self.added = added
    self.normalizer = normalizer
    self.lowercase = normalizer.options.lowercase
    self.stripAccents = normalizer.stripAccents
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
  private static func giveIDs(_ listed: [AddedToken], _ vocabulary: Vocabulary) throws(ClozeError) -> [(
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

  /// The token with an id.
  public func token(for id: Int32) -> String? { bytes(of: id).map { String(decoding: $0, as: UTF8.self) } }

  /// The token with an id, as UTF-8 terminated by a NUL; a token may itself contain a NUL.
  ///
  /// Valid as long as the tokenizer.
  public func tokenPointer(for id: Int32) -> UnsafePointer<CChar>? {
    guard let base = bytes(of: id)?.baseAddress else { return nil }
    return UnsafeRawPointer(base).assumingMemoryBound(to: CChar.self)
  }

  private func bytes(of id: Int32) -> UnsafeBufferPointer<UInt8>? { added.bytes(of: id) ?? vocabulary.bytes(of: id) }

  /// The id of a token, spelled as in the vocabulary.
  public func id(of token: String) -> Int32? {
    let bytes = Array(token.utf8)
    return added.id(of: bytes) ?? vocabulary.id(of: bytes)
  }
}
