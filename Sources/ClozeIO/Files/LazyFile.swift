internal import Glibc

/// Bytes of a file, read as they are asked for, or bytes of the caller.
///
/// Memory for the whole file is reserved at once, so that everything in it has its address, and is
/// filled block by block: what nobody asks for takes no memory, and weights may be read past it,
/// straight to where they are packed. Nothing is mapped: a file that another program cuts short
/// gives an error, where a mapped one would end the process with SIGBUS.
package final class LazyFile: @unchecked Sendable {
  /// Where the bytes are once they were filled.
  package let place: UnsafeRawBufferPointer
  /// What is to be unmapped; nil for bytes of the caller.
  private let reserved: UnsafeMutableRawBufferPointer?
  private let source: Source?

  /// The open file that blocks are filled from.
  private final class Source {
    let path: String
    let descriptor: Int32
    /// Where in the file the bytes begin.
    let start: Int
    var filled: [Bool]
    let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

    init(_ path: String, _ descriptor: Int32, start: Int, count: Int) {
      self.path = path
      self.descriptor = descriptor
      self.start = start
      filled = Array(repeating: false, count: (count + LazyFile.block - 1) / LazyFile.block)
      pthread_mutex_init(lock, nil)
    }

    deinit {
      close(descriptor)
      pthread_mutex_destroy(lock)
      lock.deallocate()
    }

    /// Reads `count` bytes at `offset`, counted from `start`.
    func read(_ offset: Int, _ count: Int, into target: UnsafeMutableRawPointer) throws(ClozeError) {
      var done = 0
      while done < count {
        let n = pread(descriptor, target + done, count - done, off_t(start + offset + done))
        if n < 0 {
          if errno == EINTR { continue }
          throw .system(path)
        }
        if n == 0 {
          throw ClozeError(
            .io, "\(path) became shorter while it was read: nothing is left at byte \(start + offset + done)")
        }
        done += n
      }
    }
  }

  /// Small beside a model, and a few headers of tensors or a hundred nodes long.
  private static let block = 1 << 15

  package init(borrowing bytes: UnsafeRawBufferPointer) {
    place = bytes
    reserved = nil
    source = nil
  }

  package init(copying bytes: UnsafeRawBufferPointer) throws(ClozeError) {
    let memory = try LazyFile.reserve(bytes.count, named: "a model")
    memory.copyMemory(from: bytes)
    reserved = memory
    place = UnsafeRawBufferPointer(rebasing: memory[..<bytes.count])
    source = nil
  }

  /// Bytes `range` of a regular file; all of it for nil.
  package init(path: String, range: Range<Int>? = nil, followLinks: Bool = true) throws(ClozeError) {
    var flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK
    if !followLinks { flags |= O_NOFOLLOW }
    let descriptor = open(path, flags)
    guard descriptor >= 0 else { throw .system(path) }
    var status = stat()
    let size: Int
    do throws(ClozeError) {
      guard fstat(descriptor, &status) == 0 else { throw .system(path) }
      guard status.st_mode & S_IFMT == S_IFREG else { throw ClozeError(.io, "\(path) is not a regular file") }
      size = Int(status.st_size)
      if size < longestLFSPointer {
        var content = [UInt8](repeating: 0, count: size)
        if pread(descriptor, &content, size, 0) == size, isLFSPointer(content) { throw lfsPointer(path) }
      }
      let wanted = range ?? 0..<size
      guard wanted.lowerBound >= 0, wanted.upperBound <= size else {
        throw ClozeError(.externalData, "\(path) has \(size) bytes, bytes \(wanted) of it are asked for")
      }
      let memory = try LazyFile.reserve(wanted.count, named: path)
      reserved = memory
      place = UnsafeRawBufferPointer(rebasing: memory[..<wanted.count])
      source = Source(path, descriptor, start: wanted.lowerBound, count: wanted.count)
    } catch {
      close(descriptor)
      throw error
    }
  }

  deinit { if let reserved { munmap(reserved.baseAddress, reserved.count) } }

  /// Makes sure that `part` of `place` holds the file's bytes; of bytes elsewhere it does.
  package func fill(_ part: UnsafeRawBufferPointer) throws(ClozeError) {
    guard let source, let target = reserved?.baseAddress, let offset = offset(of: part) else { return }
    pthread_mutex_lock(source.lock)
    defer { pthread_mutex_unlock(source.lock) }
    let end = (offset + part.count + LazyFile.block - 1) / LazyFile.block
    var next = offset / LazyFile.block
    while next < end {
      let first = next
      while next < end, source.filled[next] == source.filled[first] { next += 1 }
      if source.filled[first] { continue }
      let start = first * LazyFile.block
      try source.read(start, min(next * LazyFile.block, place.count) - start, into: target + start)
      for block in first..<next { source.filled[block] = true }
    }
  }

  /// Copies `part` of `place` to memory elsewhere, straight from the file; may be called by several
  /// threads at once.
  package func read(_ part: UnsafeRawBufferPointer, to target: UnsafeMutableRawPointer) throws(ClozeError) {
    if let source, let offset = offset(of: part) {
      try source.read(offset, part.count, into: target)
    } else if let start = part.baseAddress {
      target.copyMemory(from: start, byteCount: part.count)
    }
  }

  /// Where in `place` bytes lie; nil where they are none of it.
  private func offset(of part: UnsafeRawBufferPointer) -> Int? {
    guard let base = place.baseAddress, let start = part.baseAddress, start >= base, !part.isEmpty,
      start + part.count <= base + place.count
    else { return nil }
    return start - base
  }

  /// At least one byte, so that an empty file has an address too.
  private static func reserve(_ count: Int, named name: String) throws(ClozeError) -> UnsafeMutableRawBufferPointer {
    let count = Swift.max(count, 1)
    let memory = mmap(nil, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let memory, memory != MAP_FAILED else {
      throw ClozeError(.outOfMemory, "\(name): no memory for \(count) bytes: \(systemError(errno))")
    }
    return UnsafeMutableRawBufferPointer(start: memory, count: count)
  }
}
