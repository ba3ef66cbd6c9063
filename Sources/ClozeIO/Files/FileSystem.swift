internal import Glibc

/// The kind of file at a path.
package enum FileKind {
  case missing, file, folder

  package init(_ path: String) throws(ClozeError) {
    var status = stat()
    guard stat(path, &status) == 0 else {
      let error = ClozeError.system(path)
      guard error.status == .notFound else { throw error }
      self = .missing
      return
    }
    switch status.st_mode & S_IFMT {
    case S_IFDIR: self = .folder
    case S_IFREG: self = .file
    default: throw ClozeError(.io, "\(path): neither a file nor a folder")
    }
  }
}

/// What two paths have in common that lead to one regular file: its device and inode, with links followed.
package struct FileIdentity: Hashable {
  private let device: UInt64
  private let inode: UInt64

  /// nil where there is no regular file.
  package init?(_ path: String) {
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    (device, inode) = (UInt64(status.st_dev), UInt64(status.st_ino))
  }
}

/// Refuses to write to a path that leads to a file which is read, by whatever name or link.
///
/// - Throws: `.invalidArgument` with both paths.
package func refuse(writing target: String, over inputs: [String]) throws(ClozeError) {
  guard let identity = FileIdentity(target) else { return }
  for input in inputs where FileIdentity(input) == identity {
    throw ClozeError(
      .invalidArgument,
      input == target
        ? "\(target) is read, and would be replaced: write to another file"
        : "\(target) is the same file as \(input), which is read, and would be replaced: write to another file")
  }
}

/// The path of `name` in `folder`.
package func joined(_ folder: String, _ name: String) -> String {
  folder.hasSuffix("/") ? folder + name : folder + "/" + name
}

/// The folder that a path lies in; "." where the path names none.
package func parent(_ path: String) -> String {
  guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
  return slash == path.startIndex ? "/" : String(path[..<slash])
}

/// What a path names, without the folders that lead there; "/" for the root.
package func lastComponent(_ path: String) -> String {
  path.split(separator: "/").last.map { String($0) } ?? path
}

/// The absolute path with symbolic links resolved; nil where nothing exists there, with `errno` set.
package func resolvedPath(_ path: String) -> String? {
  guard let resolved = realpath(path, nil) else { return nil }
  defer { free(resolved) }
  return String(cString: resolved)
}

/// Whether the file at a path begins with `magic`; false where it cannot be read.
package func fileBegins(_ path: String, with magic: [UInt8]) -> Bool { begin(ofFile: path, magic.count) == magic }

/// The first bytes of a file, at most `count`; none where it cannot be read.
package func begin(ofFile path: String, _ count: Int) -> [UInt8] {
  let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
  guard descriptor >= 0 else { return [] }
  defer { close(descriptor) }
  var begin = [UInt8](repeating: 0, count: count)
  let size = pread(descriptor, &begin, count, 0)
  return Array(begin.prefix(max(0, size)))
}

/// The names of the files in a folder, sorted by their bytes; links to files count, folders do not. At most 4,096 names
/// are looked at.
package func fileNames(in folder: String) throws(ClozeError) -> [String] {
  guard let directory = opendir(folder) else { throw .system(folder) }
  defer { closedir(directory) }
  var names: [String] = []
  for _ in 0..<4096 {
    guard let entry = readdir(directory) else { break }
    let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
      String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
    if (try? FileKind(joined(folder, name))) == .file { names.append(name) }
  }
  return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
}

/// Makes a folder where there is none; the one above it must exist.
///
/// - Throws: `.io` or `.notFound`, "cannot create the folder PATH: REASON".
package func makeFolder(_ path: String) throws(ClozeError) {
  guard mkdir(path, 0o777) == 0 || errno == EEXIST else { throw .system("cannot create the folder \(path)") }
}

/// All bytes of a file, whose size need not be known before; at most `limit`, by default fewer than 2^31.
package func contents(of path: String, limit: Int = Int(Int32.max) - 1) throws(ClozeError) -> [UInt8] {
  let descriptor = open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { throw .system(path) }
  defer { close(descriptor) }
  var bytes: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 1 << 18)
  while true {
    let count = chunk.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
    if count == 0 {
      if isLFSPointer(bytes) { throw lfsPointer(path) }
      return bytes
    }
    if count < 0 {
      if errno == EINTR { continue }
      throw .system(path)
    }
    bytes.append(contentsOf: chunk[..<count])
    guard bytes.count <= limit else {
      throw ClozeError(
        .damaged, "\(path): \(limit == Int(Int32.max) - 1 ? "2^31 bytes or more" : "more than \(limit) bytes")")
    }
  }
}

/// Writes all bytes to an open file, at its position or at `offset`, continuing after interruptions and short writes.
///
/// - Returns: 0, or the error number of the call that failed.
package func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, at offset: Int? = nil) -> Int32 {
  var done = 0
  while done < bytes.count {
    let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
    let count =
      offset.map { pwrite(descriptor, rest.baseAddress, rest.count, off_t($0 + done)) }
      ?? write(descriptor, rest.baseAddress, rest.count)
    if count > 0 { done += count } else if count == 0 || errno != EINTR { return count == 0 ? EIO : errno }
  }
  return 0
}
