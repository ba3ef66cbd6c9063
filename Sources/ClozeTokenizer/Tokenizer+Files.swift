#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

extension Tokenizer {
  /// Makes a tokenizer from a folder, a vocab.txt or a tokenizer.json.
  ///
  /// In a folder tokenizer.json is taken, else vocab.txt. A file is a tokenizer.json if its name
  /// ends in ".json", else a vocab.txt. A tokenizer_config.json beside either is used.
  ///
  /// - Parameters:
  ///   - lowercase: Overrides what the files say; else BERT's default is true.
  ///   - stripAccents: Overrides what the files say; else it follows `lowercase`.
  public convenience init(
    path: String, lowercase: Bool? = nil, stripAccents: Bool? = nil
  ) throws(TokenizerError) {
    var folder = path
    var file: String?
    switch try FileKind(path) {
    case .missing: throw TokenizerError(.notFound, "\(path): no such file or folder")
    case .folder:
      for name in ["tokenizer.json", "vocab.txt"] where file == nil {
        let candidate = joined(folder, name)
        if try FileKind(candidate) == .file { file = candidate }
      }
    case .file:
      file = path
      folder = path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[...$0]) } ?? "."
    }
    guard let file else {
      throw TokenizerError(.notFound, "\(path): neither tokenizer.json nor vocab.txt is in it")
    }
    let configPath = joined(folder, "tokenizer_config.json")
    do throws(TokenizerError) {
      let config = try FileKind(configPath) == .file ? try contents(of: configPath) : nil
      let bytes = try contents(of: file)
      if file.hasSuffix(".json") {
        try self.init(json: bytes, config: config, lowercase: lowercase, stripAccents: stripAccents)
      } else {
        try self.init(
          vocabulary: bytes, config: config, lowercase: lowercase, stripAccents: stripAccents)
      }
    } catch {
      // Errors of reading name the file already.
      if error.kind == .io { throw error }
      throw TokenizerError(error.kind, "\(folder): \(error.message)")
    }
  }
}

private enum FileKind {
  case missing, file, folder

  init(_ path: String) throws(TokenizerError) {
    var status = stat()
    guard stat(path, &status) == 0 else {
      if errno == ENOENT || errno == ENOTDIR {
        self = .missing
        return
      }
      throw ioError(path)
    }
    switch status.st_mode & S_IFMT {
    case S_IFDIR: self = .folder
    case S_IFREG: self = .file
    default: throw TokenizerError(.io, "\(path): neither a file nor a folder")
    }
  }
}

private func ioError(_ path: String) -> TokenizerError {
  TokenizerError(.io, "\(path): \(String(cString: strerror(errno)))")
}

private func joined(_ folder: String, _ name: String) -> String {
  folder.hasSuffix("/") ? folder + name : folder + "/" + name
}

/// The bytes of a file, whose size need not be known before.
private func contents(of path: String) throws(TokenizerError) -> [UInt8] {
  let descriptor = open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { throw ioError(path) }
  defer { close(descriptor) }
  var bytes: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 1 << 18)
  while true {
    let count = chunk.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
    if count == 0 { return bytes }
    if count < 0 {
      if errno == EINTR { continue }
      throw ioError(path)
    }
    bytes.append(contentsOf: chunk[..<count])
    guard bytes.count < Int(Int32.max) else {
      throw TokenizerError(.invalidFile, "\(path): 2^31 bytes or more")
    }
  }
}
