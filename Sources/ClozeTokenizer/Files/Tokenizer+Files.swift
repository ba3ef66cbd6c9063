public import ClozeIO

/// Reading tokenizers from files.
extension Tokenizer {
  /// Makes a tokenizer from a folder, a vocab.txt or a tokenizer.json.
  ///
  /// Of a folder, tokenizer.json is read, else vocab.txt. A file is a tokenizer.json if its name ends in
  /// ".json", else a vocab.txt. A tokenizer_config.json beside either is used.
  ///
  /// - Parameters:
  ///   - lowercase: Overrides what the files say; else BERT's default is true.
  ///   - stripAccents: Overrides what the files say; else it follows `lowercase`.
  public convenience init(path: String, lowercase: Bool? = nil, stripAccents: Bool? = nil) throws(ClozeError) {
    var folder = path
    var file: String?
    switch try FileKind(path) {
    case .missing: throw ClozeError(.notFound, "\(path): no such file or folder")
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
    let configPath = joined(folder, "tokenizer_config.json")
    do throws(ClozeError) {
      let config = try FileKind(configPath) == .file ? try contents(of: configPath) : nil
      let bytes = try contents(of: file)
      if file.hasSuffix(".json") {
        try self.init(json: bytes, config: config, lowercase: lowercase, stripAccents: stripAccents)
      } else {
        try self.init(vocabulary: bytes, config: config, lowercase: lowercase, stripAccents: stripAccents)
      }
    } catch {
      // Errors of reading name the file already.
      if error.status == .io { throw error }
      throw error.prefixed("\(folder): ")
    }
  }
}
