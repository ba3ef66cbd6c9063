import Glibc

/// A file that appears under its name only when it is complete.
///
/// It is written under a temporary name in the same folder, then renamed. An error, Ctrl-C or
/// dropping the object leaves nothing behind, and what was there before stays. A device, such as
/// /dev/null, is written directly.
final class AtomicFile {
  /// The path as given, for messages.
  let path: String

  /// Where the file ends up: `path` with symbolic links followed.
  private let target: String
  /// nil for a device.
  private let temporary: String?
  private var descriptor: Int32

  /// Begins the file, so that a folder that can't be written to is noticed before the work.
  init(path: String) throws(WorkFailure) {
    self.path = path
    var status = stat()
    let exists = stat(path, &status) == 0
    let kind = status.st_mode & S_IFMT
    if exists, kind == S_IFCHR {
      target = path
      temporary = nil
      descriptor = open(path, O_WRONLY | O_CLOEXEC)
      guard descriptor >= 0 else { throw WorkFailure("cannot write to \(path)", errno: errno) }
      return
    }
    guard !exists || kind == S_IFREG else {
      let reason = kind == S_IFDIR ? "is a folder" : "is no regular file"
      throw WorkFailure("cannot write to \(path): it \(reason)")
    }
    // A file that may not be written to is not replaced either.
    if exists, access(path, W_OK) != 0 {
      throw WorkFailure("cannot write to \(path)", errno: errno)
    }
    let resolved = exists ? Self.resolved(path) : path
    target = resolved
    (descriptor, temporary) = try Self.create(beside: resolved, path: path)
    if exists { fchmod(descriptor, status.st_mode & 0o777) }
    if let temporary {
      do throws(WorkFailure) {
        try Interruption.guardFile(at: temporary)
      } catch {
        unlink(temporary)
        close(descriptor)
        descriptor = -1
        throw error
      }
    }
  }

  deinit { discard() }

  /// Appends `bytes`.
  func write(_ bytes: UnsafeRawBufferPointer) throws(WorkFailure) {
    try write(bytes) { Glibc.write($0, $1.baseAddress, $1.count) }
  }

  /// Replaces the bytes at the start of the file.
  func overwriteStart(with bytes: UnsafeRawBufferPointer) throws(WorkFailure) {
    var offset = 0
    try write(bytes) {
      let count = pwrite($0, $1.baseAddress, $1.count, off_t(offset))
      if count > 0 { offset += count }
      return count
    }
  }

  /// Gives the file its name, after the system has taken every byte.
  func commit() throws(WorkFailure) {
    guard descriptor >= 0 else { return }
    // What a full disk refuses may show only now. Devices can't be synchronised.
    if temporary != nil, fsync(descriptor) != 0, errno != EINVAL, errno != EROFS {
      throw WorkFailure("cannot write to \(path)", errno: errno)
    }
    let closed = close(descriptor)
    descriptor = -1
    if closed != 0, errno != EINTR {
      let code = errno
      discard()
      throw WorkFailure("cannot write to \(path)", errno: code)
    }
    guard let temporary else { return }
    let (target, path) = (target, path)
    try Interruption.release(temporary) { () throws(WorkFailure) in
      guard rename(temporary, target) == 0 else {
        let code = errno
        unlink(temporary)
        throw WorkFailure("cannot write to \(path)", errno: code)
      }
    }
  }

  /// Deletes what was written. Does nothing after `commit`.
  private func discard() {
    if descriptor >= 0 { close(descriptor) }
    descriptor = -1
    guard let temporary else { return }
    try? Interruption.release(temporary) { () throws(WorkFailure) in _ = unlink(temporary) }
  }

  private func write(
    _ bytes: UnsafeRawBufferPointer, with call: (Int32, UnsafeRawBufferPointer) -> Int
  ) throws(WorkFailure) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = call(descriptor, UnsafeRawBufferPointer(rebasing: rest))
      if count > 0 {
        rest = rest.dropFirst(count)
      } else if count == 0 || errno != EINTR {
        throw WorkFailure("cannot write to \(path)", errno: count == 0 ? EIO : errno)
      }
    }
  }

  private static func resolved(_ path: String) -> String {
    guard let resolved = realpath(path, nil) else { return path }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  /// Makes a new, empty file with a name of its own in the folder of `target`.
  private static func create(
    beside target: String, path: String
  ) throws(WorkFailure) -> (descriptor: Int32, name: String) {
    let slash = target.utf8.lastIndex(of: UInt8(ascii: "/"))
    let folder = slash.map { String(target[...$0]) } ?? ""
    for _ in 0..<100 {
      let suffix = String(UInt64.random(in: .min ... .max), radix: 36)
      let name = "\(folder).cloze-\(suffix).partial"
      let descriptor = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
      if descriptor >= 0 { return (descriptor, name) }
      if errno != EEXIST { throw WorkFailure("cannot write to \(path)", errno: errno) }
    }
    throw WorkFailure("cannot write to \(path)", errno: EEXIST)
  }
}
