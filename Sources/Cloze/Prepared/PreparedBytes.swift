#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// The bytes of a prepared model: a file, mapped for reading, or a copy of the caller's.
///
/// The pages of a mapped file are those of the page cache: processes that have it loaded share them,
/// and the system drops them when memory is short. What a mapping costs is that a file which is cut
/// short in place, while it is loaded, ends the process with SIGBUS; replacing it by renaming another
/// over it, as `Model.convert` does, is safe.
final class PreparedBytes: @unchecked Sendable {
  let bytes: UnsafeRawBufferPointer
  /// nil where the bytes are mapped.
  private let copy: AlignedMemory?

  init(mapping path: String) throws(ClozeError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw Self.failure(path) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw Self.failure(path) }
    let size = Int(status.st_size)
    guard status.st_mode & S_IFMT == S_IFREG, size > 0 else {
      throw ClozeError(.io, "\(path) is not a regular file, or is empty")
    }
    guard let base = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), base != MAP_FAILED
    else { throw Self.failure(path) }
    bytes = UnsafeRawBufferPointer(start: base, count: size)
    copy = nil
  }

  init(copying source: UnsafeRawBufferPointer) throws(ClozeError) {
    let memory = try AlignedMemory(bytes: source.count)
    if let base = source.baseAddress { memory.base.copyMemory(from: base, byteCount: source.count) }
    bytes = UnsafeRawBufferPointer(start: memory.base, count: source.count)
    copy = memory
  }

  deinit {
    if copy == nil { munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count) }
  }

  private static func failure(_ path: String) -> ClozeError {
    let error = errno
    return ClozeError(
      error == ENOENT || error == ENOTDIR ? .notFound : .io, "\(path): \(systemError(error))")
  }

  /// Whether the file at a path begins as a prepared model does; what cannot be read does not.
  static func isPrepared(_ path: String) -> Bool {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    return withUnsafeTemporaryAllocation(
      byteCount: PreparedFormat.magic.count, alignment: 1
    ) { buffer in
      let count = pread(descriptor, buffer.baseAddress, buffer.count, 0)
      return count == buffer.count && PreparedFormat.isPrepared(UnsafeRawBufferPointer(buffer))
    }
  }
}
