internal import Glibc

/// A file mapped for reading, or an aligned copy of the caller's bytes.
///
/// The pages of a mapped file are those of the page cache: processes that have it loaded share them,
/// and the system drops them when memory is short. What a mapping costs is that a file which is cut
/// short in place, while it is loaded, ends the process with SIGBUS; replacing it by renaming another
/// over it, as `AtomicFile` does, is safe.
package final class MappedFile: @unchecked Sendable {
  package let bytes: UnsafeRawBufferPointer
  /// nil where the bytes are mapped.
  private let copy: AlignedMemory?

  package init(mapping path: String) throws(ClozeError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw .system(path) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .system(path) }
    let size = Int(status.st_size)
    guard status.st_mode & S_IFMT == S_IFREG, size > 0 else {
      throw ClozeError(.io, "\(path) is not a regular file, or is empty")
    }
    guard let base = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), base != MAP_FAILED else {
      throw .system(path)
    }
    bytes = UnsafeRawBufferPointer(start: base, count: size)
    copy = nil
  }

  package init(copying source: UnsafeRawBufferPointer) throws(ClozeError) {
    let memory = try AlignedMemory(bytes: source.count)
    if let base = source.baseAddress { memory.base.copyMemory(from: base, byteCount: source.count) }
    bytes = UnsafeRawBufferPointer(start: memory.base, count: source.count)
    copy = memory
  }

  deinit { if copy == nil { munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count) } }

}
