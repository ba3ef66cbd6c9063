internal import Glibc

/// A file, or standard input, read sequentially.
package final class SequentialFile {
  /// The name in messages: the path as given, or "standard input".
  package let name: String
  /// Bytes to read in total; nil if unknown, as of a pipe.
  package let size: Int?
  /// Bytes read so far.
  package private(set) var bytesRead = 0
  package private(set) var isAtEnd = false

  private let descriptor: Int32
  private let closesDescriptor: Bool

  /// Opens the file at `path`; "-" is standard input.
  package convenience init(path: String) throws(ClozeError) {
    if path == "-" {
      self.init(descriptor: STDIN_FILENO, name: "standard input", closesDescriptor: false)
      return
    }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .system("cannot open \(path)") }
    self.init(descriptor: descriptor, name: path, closesDescriptor: true)
  }

  package init(descriptor: Int32, name: String, closesDescriptor: Bool) {
    self.descriptor = descriptor
    self.name = name
    self.closesDescriptor = closesDescriptor
    var status = stat()
    let isRegular = fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && status.st_size > 0
    // The parent process may have read a part of standard input.
    let start = isRegular ? lseek(descriptor, 0, SEEK_CUR) : 0
    size = isRegular ? max(0, Int(status.st_size) - max(0, Int(start))) : nil
  }

  deinit { if closesDescriptor { close(descriptor) } }

  /// Reads at least one byte into `buffer`, blocking if necessary, and returns the number of bytes; 0 at the end.
  package func read(into buffer: UnsafeMutableRawBufferPointer) throws(ClozeError) -> Int {
    guard !isAtEnd, buffer.count > 0 else { return 0 }
    while true {
      let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
      if count > 0 {
        bytesRead &+= count
        return count
      }
      if count == 0 {
        isAtEnd = true
        return 0
      }
      if errno != EINTR { throw .system("cannot read \(name)") }
    }
  }

  /// Whether `read` would return without blocking.
  package var isReady: Bool {
    if isAtEnd { return true }
    var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&request, 1, 0) != 0
  }

  /// Whether input is typed at a terminal.
  package var isTerminal: Bool { isatty(descriptor) == 1 }
}
