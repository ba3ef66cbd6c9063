public import ClozeIO

/// Reading tokenizers from files.
extension Tokenizer {
  /// The files of a folder that may hold a tokenizer, in the order in which they are looked for.
  package static let fileNames = ["tokenizer.json", "vocab.txt", "vocab.json", "sentencepiece.bpe.model"]

  /// Makes a tokenizer from a folder, or a file.
  ///
  /// Of a folder, the first of `fileNames` is read. A file is a vocab.json, with a merges.txt beside it, if its name
  /// ends so; a sentencepiece model if it ends in ".model"; a tokenizer.json if it ends in ".json"; else a vocab.txt.
  /// Beside it, tokenizer_config.json, special_tokens_map.json, added_tokens.json,
  /// `do_lower_case` of sentence_bert_config.json and `tokenizer_class` of config.json are used.
  ///
  /// - Parameter options: Override what the files say.
  public convenience init(path: String, options: TokenizerOptions = TokenizerOptions()) throws(ClozeError) {
    try self.init(path: path, options: options, lowercasesFirst: nil)
  }

  /// The same with a setting that may stand elsewhere.
  ///
  /// - Parameter lowercasesFirst: whether text is lower-cased before all else; nil: as sentence_bert_config.json beside
  ///   the vocabulary says.
  package convenience init(path: String, options: TokenizerOptions, lowercasesFirst: Bool?) throws(ClozeError) {
    var folder = path
    var file: String?
    switch try FileKind(path) {
    case .missing: throw nothing(at: path)
    case .folder:
      for name in Self.fileNames where file == nil {
        let candidate = joined(folder, name)
        if try FileKind(candidate) == .file { file = candidate }
      }
    case .file:
      file = path
      folder = path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[...$0]) } ?? "."
    }
    guard let file else {
      throw ClozeError(.notFound, "\(path): none of \(Self.fileNames.joined(separator: ", ")) is in it")
    }
    // Errors of reading name the file already.
    let files = try SideFiles(in: folder)
    let bytes = try contents(of: file)
    do throws(ClozeError) {
      var config = try TokenizerConfig(files)
      if let lowercasesFirst { config.lowercasesFirst = lowercasesFirst }
      try self.init(Tokenizer.definition(file, bytes, config, folder), options)
    } catch { throw error.prefixed("\(folder): ") }
  }

  private static func definition(_ file: String, _ bytes: [UInt8], _ config: TokenizerConfig, _ folder: String)
    throws(ClozeError) -> TokenizerDefinition
  {
    if file.hasSuffix("vocab.json") {
      let merges = joined(folder, "merges.txt")
      guard try FileKind(merges) == .file else {
        throw ClozeError(.notFound, "vocab.json has no merges.txt beside it")
      }
      return try TokenizerDefinition(vocabularyJSON: bytes, merges: contents(of: merges), config: config)
    }
    if file.hasSuffix(".model") { return try TokenizerDefinition(sentencePiece: bytes, config: config) }
    return
      try file.hasSuffix(".json")
      ? TokenizerDefinition(json: bytes, config: config) : TokenizerDefinition(vocabulary: bytes, config: config)
  }
}
