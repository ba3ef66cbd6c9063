public import ClozeIO

/// Reading tokenizers from files.
extension Tokenizer {
  /// Makes a tokenizer from a folder, a vocab.txt or a tokenizer.json.
  ///
  /// Of a folder, tokenizer.json is read, else vocab.txt. A file is a tokenizer.json if its name ends in
  /// ".json", else a vocab.txt. Beside either, tokenizer_config.json, special_tokens_map.json, added_tokens.json,
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
      for name in ["tokenizer.json", "vocab.txt"] where file == nil {
        let candidate = joined(folder, name)
        if try FileKind(candidate) == .file { file = candidate }
      }
    case .file:
      file = path
      folder = path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[...$0]) } ?? "."
    }
    guard let file else { throw ClozeError(.notFound, "\(path): neither tokenizer.json nor vocab.txt is in it") }
    // Errors of reading name the file already.
    let files = try SideFiles(in: folder)
    let bytes = try contents(of: file)
    do throws(ClozeError) {
      var config = try TokenizerConfig(files)
      if let lowercasesFirst { config.lowercasesFirst = lowercasesFirst }
      let definition =
        try file.hasSuffix(".json")
        ? TokenizerDefinition(json: bytes, config: config) : TokenizerDefinition(vocabulary: bytes, config: config)
      try self.init(definition, options)
    } catch { throw error.prefixed("\(folder): ") }
  }
}
