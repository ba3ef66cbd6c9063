internal import CClozeSupport
internal import Cloze

internal import ClozeIO
internal import Glibc

/// The encoder's vectors of a set of examples, computed once: in memory, or where there are many in
/// a file that is mapped and has no name, so that nothing of it is left behind.
final class FeatureStore: @unchecked Sendable {
  let base: UnsafeMutablePointer<Float>
  let rows: Int
  let width: Int
  /// Bytes of the file; 0: in memory.
  let mapped: Int

  init(rows: Int, width: Int, memoryLimit: Int, folder: String?) throws(ClozeError) {
    self.rows = rows
    self.width = width
    let size = try bytes(rows, width, MemoryLayout<Float>.size)
    guard size > memoryLimit else {
      guard let memory = cloze_memory_allocate(max(size, 1)) else {
        throw ClozeError(.outOfMemory, "no memory for \(size) bytes of features")
      }
      base = memory.assumingMemoryBound(to: Float.self)
      mapped = 0
      return
    }
    let folder = folder ?? "/tmp"
    var path = Array("\(folder)/.cloze-features-XXXXXX".utf8CString)
    let descriptor = mkstemp(&path)
    guard descriptor >= 0 else {
      throw ClozeError(.io, "cannot make a file for features in \(folder): \(text(errno))")
    }
    defer { close(descriptor) }
    unlink(path)
    // Writing to a mapping that the disk has no room for would end the process.
    let code = posix_fallocate(descriptor, 0, off_t(size))
    guard code == 0 else {
      throw ClozeError(
        .io,
        "\(size >> 20) MB of features do not fit into \(folder): \(text(code)); "
          + "raise the memory limit, or use fewer examples")
    }
    let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
    guard let memory, memory != MAP_FAILED else {
      throw ClozeError(
        .outOfMemory, "\(size >> 20) MB of features cannot be mapped: \(text(errno))")
    }
    base = memory.assumingMemoryBound(to: Float.self)
    mapped = size
  }

  deinit {
    if mapped > 0 {
      munmap(base, mapped)
    } else {
      cloze_memory_free(base, max(rows * width * MemoryLayout<Float>.size, 1))
    }
  }
}

private func text(_ code: Int32) -> String {
  strerror(code).map { String(cString: $0) } ?? "error \(code)"
}
