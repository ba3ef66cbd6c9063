import CClozeONNX

#if canImport(Glibc)
  import Glibc
#endif

/// Bytes of a file, mapped for reading, or of the caller.
///
/// Mapped, because a model of hundreds of megabytes is then never copied: its tensors are read where
/// they lie in the page cache. The price is that a file which another program cuts short while it is
/// being loaded ends the process with SIGBUS; once a model is loaded its file is not needed any more.
final class FileBytes: @unchecked Sendable {
  let bytes: UnsafeRawBufferPointer
  /// What is to be unmapped: whole pages, with `bytes` inside.
  private let mapped: UnsafeMutableRawBufferPointer?

  init(borrowing bytes: UnsafeRawBufferPointer) {
    self.bytes = bytes
    mapped = nil
  }

  init(copying bytes: UnsafeRawBufferPointer) throws(ONNXError) {
    let memory = try FileBytes.map(bytes.count, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, named: "a model")
    if let source = bytes.baseAddress {
      memory.baseAddress?.copyMemory(from: source, byteCount: bytes.count)
    }
    mapped = memory
    self.bytes = UnsafeRawBufferPointer(rebasing: memory[..<bytes.count])
  }

  /// Maps bytes `range` of a regular file; all of it for nil.
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
    // An empty file can't be mapped; a page of nothing stands for it.
    let page = max(Int(sysconf(Int32(_SC_PAGESIZE))), 1)
    let before = wanted.lowerBound % page
    let memory =
      wanted.isEmpty
      ? try FileBytes.map(0, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, named: path)
      : try FileBytes.map(
        wanted.count + before, MAP_PRIVATE, descriptor, wanted.lowerBound - before, named: path)
    mapped = memory
    let start = wanted.isEmpty ? 0 : before
    bytes = UnsafeRawBufferPointer(rebasing: memory[start..<(start + wanted.count)])
  }

  deinit {
    if let mapped { munmap(mapped.baseAddress, mapped.count) }
  }

  /// At least one byte, so that an empty file has an address too.
  private static func map(
    _ count: Int, _ flags: Int32, _ descriptor: Int32, _ offset: Int, named name: String
  ) throws(ONNXError) -> UnsafeMutableRawBufferPointer {
    let count = Swift.max(count, 1)
    let access = descriptor < 0 ? PROT_READ | PROT_WRITE : PROT_READ
    let memory = mmap(nil, count, access, flags, descriptor, offset)
    guard let memory, memory != MAP_FAILED else {
      let reason = String(cString: strerror(errno))
      throw ONNXError(
        errno == ENOMEM ? .outOfMemory : .io, "\(name): \(count) bytes cannot be mapped: \(reason)")
    }
    return UnsafeMutableRawBufferPointer(start: memory, count: count)
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
