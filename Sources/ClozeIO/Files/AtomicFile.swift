internal import Glibc

/// Deletes unfinished files when the process is interrupted. The library itself handles no signals; a program may pass
/// a guard to `AtomicFile`.
package protocol TemporaryFileGuard: Sendable {
  /// Makes interruptions delete the file at `path`.
  func begin(_ path: String) throws(ClozeError)

  /// Ends the guard of the file at `path` together with `action`, which renames or deletes it: an interruption comes
  /// before or after both. Does nothing where the file is not guarded.
  func end(_ path: String, _ action: () throws(ClozeError) -> Void) throws(ClozeError)
}

/// A file that is written under a temporary name in the same folder, and renamed when it is complete.
///
/// Released before `commit`, it leaves nothing behind, and an existing file unchanged. Permissions of an existing file
/// are kept; of a symbolic link, the target is replaced. A character device, such as /dev/null, is written directly,
/// and not read back.
package final class AtomicFile {
  /// The path as given, for messages.
  private let path: String
  /// `path` with symbolic links followed.
  private let target: String
  /// nil for a device, and after `commit`.
  private var temporary: String?
  private var descriptor: Int32
  private let interruption: (any TemporaryFileGuard)?

  /// Creates the temporary file, so that a folder without write access is reported at once.
  ///
  /// - Parameter inputs: files that are read meanwhile, which are not replaced.
  /// - Throws: `.io`, "cannot write to PATH: REASON"; `.invalidArgument` where the file is one of the inputs.
  package init(path: String, inputs: [String] = [], interruption: (any TemporaryFileGuard)? = nil) throws(ClozeError) {
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw ClozeError(.invalidArgument, "the path to write to is empty or holds a zero byte")
    }
    try refuse(writing: path, over: inputs)
    self.path = path
    self.interruption = interruption
    var status = stat()
    let exists = stat(path, &status) == 0
    switch exists ? status.st_mode & S_IFMT : S_IFREG {
    case S_IFREG: break
    case S_IFCHR:
      target = path
      descriptor = open(path, O_WRONLY | O_CLOEXEC)
      guard descriptor >= 0 else { throw Self.failure(path, systemError(errno)) }
      return
    case S_IFDIR: throw Self.failure(path, "it is a folder")
    default: throw Self.failure(path, "it is no regular file")
    }
    // A file without write access is not replaced either.
    if exists, access(path, W_OK) != 0 { throw Self.failure(path, systemError(errno)) }
    target = resolvedPath(path) ?? path
    descriptor = -1
    for _ in 0..<100 where descriptor < 0 {
      let suffix = String(UInt64.random(in: .min ... .max), radix: 36)
      let name = joined(parent(target), ".cloze-\(suffix).partial")
      descriptor = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
      if descriptor >= 0 { temporary = name } else if errno != EEXIST { break }
    }
    guard let temporary else { throw Self.failure(path, systemError(errno)) }
    if exists { fchmod(descriptor, status.st_mode & 0o777) }
    do throws(ClozeError) { try interruption?.begin(temporary) } catch {
      unlink(temporary)
      self.temporary = nil
      throw error
    }
  }

  deinit { discard() }

  package func append(_ bytes: UnsafeRawBufferPointer) throws(ClozeError) { try write(bytes, at: nil) }

  package func append<Element: BitwiseCopyable>(_ values: [Element]) throws(ClozeError) {
    try values.withUnsafeBufferPointer { (values) throws(ClozeError) in try append(UnsafeRawBufferPointer(values)) }
  }

  /// Replaces bytes that were written.
  package func overwrite(_ bytes: [UInt8], at offset: Int) throws(ClozeError) {
    try bytes.withUnsafeBufferPointer { (bytes) throws(ClozeError) in
      try write(UnsafeRawBufferPointer(bytes), at: offset)
    }
  }

  /// Reads back what was written.
  package func read<Element: BitwiseCopyable>(_ type: Element.Type, count: Int, at offset: Int) throws(ClozeError)
    -> [Element]
  {
    guard temporary != nil else { throw Self.failure(path, "what was written to a device cannot be read back") }
    var code: Int32 = 0
    let elements = [Element](unsafeUninitializedCapacity: count) { elements, initialized in
      let bytes = UnsafeMutableRawBufferPointer(elements)
      var done = 0
      while done < count * MemoryLayout<Element>.stride, code == 0 {
        let got = pread(descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done, off_t(offset + done))
        if got > 0 { done += got } else if got == 0 || errno != EINTR { code = got == 0 ? EIO : errno }
      }
      initialized = code == 0 ? count : 0
    }
    if code != 0 { throw Self.failure(path, systemError(code)) }
    return elements
  }

  /// Cuts off what was written after `size` bytes.
  package func truncate(to size: Int) throws(ClozeError) {
    guard ftruncate(descriptor, off_t(size)) == 0 else { throw Self.failure(path, systemError(errno)) }
  }

  /// Synchronizes the file and gives it its name.
  package func commit() throws(ClozeError) {
    guard descriptor >= 0 else { return }
    // A full disk may be reported only now. Some file systems cannot synchronize.
    if temporary != nil, fsync(descriptor) != 0, errno != EINVAL, errno != EROFS {
      throw Self.failure(path, systemError(errno))
    }
    let code = close(descriptor) == 0 ? 0 : errno
    descriptor = -1
    guard code == 0 || code == EINTR else {
      discard()
      throw Self.failure(path, systemError(code))
    }
    guard let temporary else { return }
    self.temporary = nil
    let (path, target) = (path, target)
    try end(temporary) { () throws(ClozeError) in
      guard rename(temporary, target) == 0 else {
        let code = errno
        unlink(temporary)
        throw Self.failure(path, systemError(code))
      }
    }
  }

  /// Deletes what was written; does nothing after `commit`.
  private func discard() {
    if descriptor >= 0 { close(descriptor) }
    descriptor = -1
    guard let temporary else { return }
    self.temporary = nil
    try? end(temporary) { () throws(ClozeError) in _ = unlink(temporary) }
  }

  private func end(_ temporary: String, _ action: () throws(ClozeError) -> Void) throws(ClozeError) {
    if let interruption { try interruption.end(temporary, action) } else { try action() }
  }

  private func write(_ bytes: UnsafeRawBufferPointer, at offset: Int?) throws(ClozeError) {
    let code = writeAll(bytes, to: descriptor, at: offset)
    if code != 0 { throw Self.failure(path, systemError(code)) }
  }

  private static func failure(_ path: String, _ reason: String) -> ClozeError {
    ClozeError(.io, "cannot write to \(path): \(reason)")
  }
}
