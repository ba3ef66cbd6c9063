internal import CClozeSupport
internal import Cloze
internal import ClozeIO
internal import Glibc

/// The encoder's vectors of a data set, [rows, width]: in memory or, beyond a limit, in a mapped temporary file, which
/// is unlinked at once so that nothing of it is left behind.
final class FeatureStore: @unchecked Sendable {
  let base: UnsafeMutablePointer<Float>
  let rows: Int
  let width: Int
  /// 0: in memory.
  private let mappedBytes: Int

  init(rows: Int, width: Int, memoryLimit: Int, folder: String?) throws(ClozeError) {
    self.rows = rows
    self.width = width
    let size = try bytes(rows, width, MemoryLayout<Float>.size)
    guard size > memoryLimit else {
      guard let memory = cloze_memory_allocate(max(size, 1)) else {
        throw ClozeError(.outOfMemory, "no memory for \(size) bytes of features")
      }
      base = memory.assumingMemoryBound(to: Float.self)
      mappedBytes = 0
      return
    }
    let folder = folder ?? "/tmp"
    var path = Array("\(folder)/.cloze-features-XXXXXX".utf8CString)
    let descriptor = mkstemp(&path)
    guard descriptor >= 0 else {
      throw ClozeError(.io, "cannot create a file for features in \(folder): \(systemError(errno))")
    }
    defer { close(descriptor) }
    unlink(path)
    // A write to a mapping that the disk has no room for raises SIGBUS.
    let code = posix_fallocate(descriptor, 0, off_t(size))
    guard code == 0 else {
      throw ClozeError(
        .io,
        "\(size >> 20) MB of features do not fit into \(folder): \(systemError(code)); "
          + "raise the memory limit, or use fewer examples")
    }
    let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
    guard let memory, memory != MAP_FAILED else {
      throw ClozeError(.outOfMemory, "\(size >> 20) MB of features cannot be mapped: \(systemError(errno))")
    }
    base = memory.assumingMemoryBound(to: Float.self)
    mappedBytes = size
  }

  deinit {
    if mappedBytes > 0 {
      munmap(base, mappedBytes)
    } else {
      cloze_memory_free(base, max(rows * width * MemoryLayout<Float>.size, 1))
    }
  }
}
