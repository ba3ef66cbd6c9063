internal import ClozeIO
internal import Glibc

/// Numbers that are written one after another to a temporary file and then mapped, so that memory need not hold them.
/// The file is unlinked at once: nothing of it is left behind.
final class SpilledArray<Element: BitwiseCopyable>: @unchecked Sendable {
  private let descriptor: Int32
  private let folder: String
  private var pending: [Element] = []
  private var mapping: UnsafeMutableRawPointer?
  private(set) var count = 0

  /// - Parameter folder: where the file is made.
  init(folder: String) throws(ClozeError) {
    var path = Array(joined(folder, ".cloze-XXXXXX").utf8CString)
    descriptor = mkstemp(&path)
    guard descriptor >= 0 else {
      throw ClozeError(.io, "cannot create a temporary file in \(folder): \(systemError(errno))")
    }
    unlink(path)
    self.folder = folder
  }

  deinit {
    if let mapping { munmap(mapping, count * MemoryLayout<Element>.stride) }
    if descriptor >= 0 { close(descriptor) }
  }

  func append(_ values: some Collection<Element>) throws(ClozeError) {
    pending.append(contentsOf: values)
    count += values.count
    if pending.count >= 1 << 16 { try flush() }
  }

  private func flush() throws(ClozeError) {
    let code = pending.withUnsafeBytes { writeAll($0, to: descriptor) }
    guard code == 0 else { throw ClozeError(.io, "cannot write to a file in \(folder): \(systemError(code))") }
    pending.removeAll(keepingCapacity: true)
  }

  /// Maps what was written; nothing can be added any more.
  func finish() throws(ClozeError) -> UnsafeBufferPointer<Element> {
    try flush()
    pending = []
    guard count > 0 else { return UnsafeBufferPointer(start: nil, count: 0) }
    let memory = mmap(nil, count * MemoryLayout<Element>.stride, PROT_READ, MAP_SHARED, descriptor, 0)
    guard let memory, memory != MAP_FAILED else {
      throw ClozeError(.outOfMemory, "a file in \(folder) cannot be mapped: \(systemError(errno))")
    }
    mapping = memory
    return UnsafeBufferPointer(start: memory.assumingMemoryBound(to: Element.self), count: count)
  }
}
