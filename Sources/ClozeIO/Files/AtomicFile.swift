internal import Glibc

/// A file that gets its name when it is complete: written under a temporary name in the same folder,
/// then renamed. Dropped before that, it leaves nothing behind, and what had the name stays.
package final class AtomicFile {
  private let path: String
  private let temporary: String
  private var descriptor: Int32

  package init(path: String) throws(ClozeError) {
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw ClozeError(.invalidArgument, "the path to write to is empty or holds a zero byte")
    }
    // What a link leads to is replaced, not the link.
    var target = path
    if let resolved = resolvedPath(path) { target = resolved }
    var status = stat()
    if stat(target, &status) == 0 {
      guard status.st_mode & S_IFMT == S_IFREG else {
        throw ClozeError(.io, "cannot write to \(path): it is a folder or a device")
      }
      guard access(target, W_OK) == 0 else { throw Self.failure(path) }
    }
    self.path = target
    for _ in 0..<100 {
      let suffix = String(UInt64.random(in: .min ... .max), radix: 36)
      let name = "\(joined(parent(target), ".cloze-\(suffix).partial"))"
      let descriptor = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
      if descriptor >= 0 {
        temporary = name
        self.descriptor = descriptor
        return
      }
      if errno != EEXIST { break }
    }
    throw Self.failure(path)
  }

  deinit {
    if descriptor >= 0 {
      close(descriptor)
      unlink(temporary)
    }
  }

  package func append(_ bytes: UnsafeRawBufferPointer) throws(ClozeError) {
    var done = 0
    while done < bytes.count {
      let count = write(
        descriptor, bytes.baseAddress.map { $0 + done }, min(bytes.count - done, 1 << 30))
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw Self.failure(path) }
      done += count
    }
  }

  package func append<Element: BitwiseCopyable>(_ values: [Element]) throws(ClozeError) {
    let failure = values.withUnsafeBytes { bytes -> ClozeError? in
      do throws(ClozeError) {
        try append(bytes)
        return nil
      } catch { return error }
    }
    if let failure { throw failure }
  }

  /// Gives the file its name, after the system has taken every byte.
  package func commit() throws(ClozeError) {
    guard fsync(descriptor) == 0 || errno == EINVAL || errno == EROFS else {
      throw Self.failure(path)
    }
    guard rename(temporary, path) == 0 else { throw Self.failure(path) }
    close(descriptor)
    descriptor = -1
  }

  private static func failure(_ path: String) -> ClozeError {
    ClozeError(.io, "cannot write to \(path): \(systemError(errno))")
  }
}
