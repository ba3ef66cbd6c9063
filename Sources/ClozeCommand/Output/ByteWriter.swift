import ClozeIO
import Glibc

/// The reader of standard output has closed it, as in `cloze embed ... | head -1`: the command ends silently.
struct ReaderGone: Error {}

/// Buffered writing to a file descriptor.
final class ByteWriter {
  private let descriptor: Int32
  /// The name in messages: a path, or "standard output".
  private let name: String
  private var buffer: [UInt8] = []
  private static let pieceSize = 1 << 16

  init(descriptor: Int32, name: String) {
    self.descriptor = descriptor
    self.name = name
    buffer.reserveCapacity(Self.pieceSize + 4096)
  }

  static func standardOutput() -> ByteWriter { ByteWriter(descriptor: STDOUT_FILENO, name: "standard output") }

  static var standardOutputIsTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

  func write(_ text: String) throws { try write(text.utf8) }

  func write(_ bytes: some Sequence<UInt8>) throws {
    buffer.append(contentsOf: bytes)
    if buffer.count >= Self.pieceSize { try flush() }
  }

  /// Writes the buffer.
  ///
  /// - Throws: `ClozeError` with the name and the reason; `ReaderGone` for a pipe whose reader has closed it.
  func flush() throws {
    let code = buffer.withUnsafeBytes { writeAll($0, to: descriptor) }
    buffer.removeAll(keepingCapacity: true)
    if code == EPIPE { throw ReaderGone() }
    if code != 0 { throw ClozeError.system("cannot write to \(name)", code) }
  }
}

/// Standard error, for everything but results.
enum StandardError {
  /// Writes a message as one line, prefixed with "cloze: "; control characters are written out.
  static func note(_ message: String) {
    let line = message.split(whereSeparator: \.isNewline).joined(separator: " ")
    write("cloze: \(line.printable)\n")
  }

  /// Writes text as it is. Errors are ignored.
  static func write(_ text: String) { _ = Array(text.utf8).withUnsafeBytes { writeAll($0, to: STDERR_FILENO) } }

  static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }
}
