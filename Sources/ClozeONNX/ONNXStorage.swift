import CClozeONNX

#if canImport(Glibc)
  import Glibc
#endif

/// Bytes in memory that belong to a file, or to the caller.
///
/// A file is read into anonymous memory instead of being mapped: a mapped file that another program
/// cuts short ends the process with SIGBUS at the next read of its pages, and a library can't catch
/// that for its host. The price is that the pages are the process's own until they are released,
/// where a mapping's would belong to the page cache; peak while loading is the file plus what is
/// made of it. Only this type would change if mapping were wanted.
final class FileBytes: @unchecked Sendable {
  let bytes: UnsafeRawBufferPointer
  private let owned: UnsafeMutableRawPointer?
  private let ownedCount: Int

  init(borrowing bytes: UnsafeRawBufferPointer) {
    self.bytes = bytes
    owned = nil
    ownedCount = 0
  }

  init(copying bytes: UnsafeRawBufferPointer) throws(ONNXError) {
    let memory = try FileBytes.allocate(bytes.count)
    if let source = bytes.baseAddress { memory.copyMemory(from: source, byteCount: bytes.count) }
    owned = memory
    ownedCount = bytes.count
    self.bytes = UnsafeRawBufferPointer(start: memory, count: bytes.count)
  }

  /// Reads bytes `range` of a regular file; all of it for nil.
  init(path: String, range: Range<Int>? = nil, followLinks: Bool = true) throws(ONNXError) {
    var flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK
    if !followLinks { flags |= O_NOFOLLOW }
    let descriptor = open(path, flags)
    guard descriptor >= 0 else { throw FileBytes.failure(path, errno) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw FileBytes.failure(path, errno) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw ONNXError(.io, "\(path) is not a regular file")
    }
    let size = Int(status.st_size)
    let wanted = range ?? 0..<size
    guard wanted.lowerBound >= 0, wanted.upperBound <= size else {
      throw ONNXError(
        .externalData, "\(path) has \(size) bytes, bytes \(wanted) of it are asked for")
    }
    let memory = try FileBytes.allocate(wanted.count)
    var done = 0
    while done < wanted.count {
      let n = pread(
        descriptor, memory + done, Swift.min(wanted.count - done, 1 << 30),
        wanted.lowerBound + done)
      if n < 0 && errno == EINTR { continue }
      guard n > 0 else {
        let error = errno
        FileBytes.free(memory, wanted.count)
        if n < 0 { throw FileBytes.failure(path, error) }
        throw ONNXError(
          .io, "\(path) became shorter while it was read: \(done) of \(wanted.count) bytes are left"
        )
      }
      done += n
    }
    owned = memory
    ownedCount = wanted.count
    bytes = UnsafeRawBufferPointer(start: memory, count: wanted.count)
  }

  deinit {
    if let owned { FileBytes.free(owned, ownedCount) }
  }

  /// Gives the whole pages inside `part` back to the system; they read as zero afterwards. Bytes of
  /// the caller are left alone.
  func discard(_ part: UnsafeRawBufferPointer) {
    guard let owned, let start = part.baseAddress else { return }
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    guard page > 0 else { return }
    let first = start - UnsafeRawPointer(owned)
    guard first >= 0, first + part.count <= ownedCount else { return }
    let lower = (first + page - 1) / page * page
    // The last page of the buffer is ours to its end.
    let end = first + part.count
    let upper = end == ownedCount ? end : end / page * page
    if upper > lower { _ = madvise(owned + lower, upper - lower, MADV_DONTNEED) }
  }

  // Page-aligned anonymous memory. One byte at least, so that an empty file has an address too.
  private static func allocate(_ count: Int) throws(ONNXError) -> UnsafeMutableRawPointer {
    let memory = mmap(
      nil, Swift.max(count, 1), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let memory, memory != MAP_FAILED else {
      throw ONNXError(.outOfMemory, "no memory for \(count) bytes of a model")
    }
    return memory
  }

  private static func free(_ memory: UnsafeMutableRawPointer, _ count: Int) {
    munmap(memory, Swift.max(count, 1))
  }

  private static func failure(_ path: String, _ error: Int32) -> ONNXError {
    let reason = String(cString: strerror(error))
    return ONNXError(
      error == ENOENT || error == ENOTDIR ? .notFound : .io, "\(path): \(reason)")
  }
}

/// What tensors keep alive: the file's bytes, those of external data, and the tables of the walk
/// (which hold the few tensors that had to be converted).
final class ONNXStorage: @unchecked Sendable {
  let main: FileBytes
  let model: OpaquePointer
  var external: [FileBytes] = []

  init(_ main: FileBytes) throws(ONNXError) {
    var model: OpaquePointer?
    let capacity = 512
    let (status, message) = withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity) {
      buffer -> (cloze_onnx_status, String) in
      guard let start = buffer.baseAddress else { return (CLOZE_ONNX_OUT_OF_MEMORY, "") }
      start.initialize(repeating: 0, count: capacity)
      let status = cloze_onnx_open(
        main.bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), main.bytes.count, &model,
        start, capacity)
      return (status, status == CLOZE_ONNX_OK ? "" : String(cString: start))
    }
    guard status == CLOZE_ONNX_OK, let model else {
      switch status {
      case CLOZE_ONNX_UNSUPPORTED: throw ONNXError(.unsupported, message)
      case CLOZE_ONNX_OUT_OF_MEMORY: throw ONNXError(.outOfMemory, message)
      default: throw ONNXError(.damaged, "this is no ONNX model: " + message)
      }
    }
    self.main = main
    self.model = model
  }

  deinit { cloze_onnx_close(model) }
}

extension String {
  /// Invalid UTF-8 becomes U+FFFD: names in a file are for messages and for equality only.
  init(_ text: cloze_onnx_text) {
    let raw = UnsafeRawBufferPointer(start: text.bytes, count: text.bytes == nil ? 0 : text.count)
    self = String(decoding: raw, as: UTF8.self)
  }
}
