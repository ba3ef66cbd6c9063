internal import Glibc

/// The folder of an untrusted model, which may name files only inside it: an absolute path, a `..`, or a link to
/// outside the folder is refused. Where the file that names them is itself a link, as all files in the cache of the
/// Hugging Face hub are, files beside its target are allowed too.
package struct ModelFolder {
  /// The folder's real path.
  private let root: String
  /// The real folder of the naming file's target, where that is a link.
  private let store: String?

  /// - Parameters:
  ///   - path: the folder; empty: the current one.
  ///   - file: the path of the file in it that names others.
  package init(_ path: String, namedBy file: String?) throws(ClozeError) {
    guard let root = resolvedPath(path.isEmpty ? "." : path) else { throw .system(path) }
    self.root = root
    store = file.flatMap { Self.store(of: $0) }
  }

  /// The real path of a file, relative to the folder.
  ///
  /// - Parameter prefix: what errors begin with; it says who names the file.
  /// - Throws: `.externalData`; `.notFound` where there is no such file.
  package func path(of name: String, prefix: String) throws(ClozeError) -> String {
    func refuse(_ reason: String) -> ClozeError { ClozeError(.externalData, "\(prefix)\"\(name)\" \(reason)") }
    if name.isEmpty { throw refuse("is not a file name") }
    if name.hasPrefix("/") { throw refuse("is an absolute path; it must stay in the model's folder") }
    if name.utf8.contains(0) { throw refuse("contains a zero byte") }
    // Files written on Windows separate folders by backslashes.
    for part in name.split(whereSeparator: { $0 == "/" || $0 == "\\" }) where part == ".." {
      throw refuse("contains \"..\"; it must stay in the model's folder")
    }
    let path = joined(root, name)
    guard let real = resolvedPath(path) else { throw ClozeError.system(path).prefixed(prefix) }
    guard real.hasPrefix(root == "/" ? "/" : root + "/") || parent(real) == store else {
      throw refuse("is a symbolic link to \(real), outside the model's folder; copy the file into the folder")
    }
    return real
  }

  private static func store(of file: String) -> String? {
    var status = stat()
    guard lstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFLNK else { return nil }
    return resolvedPath(file).map { parent($0) }
  }
}
