#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// What stands at a path.
package enum FileKind {
  case missing, file, folder

  package init(_ path: String) throws(TokenizerError) {
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

/// The path of `name` in `folder`.
package func joined(_ folder: String, _ name: String) -> String {
  folder.hasSuffix("/") ? folder + name : folder + "/" + name
}

/// The bytes of a file, whose size need not be known before.
package func contents(of path: String) throws(TokenizerError) -> [UInt8] {
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
