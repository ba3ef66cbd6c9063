import ClozeIO
import Glibc

/// Nobody reads standard output any more, as in `cloze embed ... | head -1`: the command ends
/// without a word.
struct ReaderGone: Error {}

/// Collects bytes and writes them to a file descriptor in large pieces.
final class ByteWriter {
  private let descriptor: Int32
  /// How messages call it: a path, or "standard output".
  private let name: String
  private var buffer: [UInt8] = []
  private static let pieceSize = 1 << 16

  init(descriptor: Int32, name: String) {
    self.descriptor = descriptor
    self.name = name
    buffer.reserveCapacity(Self.pieceSize + 4096)
  }

  static func standardOutput() -> ByteWriter {
    ByteWriter(descriptor: STDOUT_FILENO, name: "standard output")
  }

  static var standardOutputIsTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

  func write(_ text: String) throws { try write(text.utf8) }

  func write(_ bytes: some Sequence<UInt8>) throws {
    buffer.append(contentsOf: bytes)
    if buffer.count >= Self.pieceSize { try flush() }
  }

  /// Hands everything to the system.
  ///
  /// - Throws: `ClozeError` that names the file and the reason; `ReaderGone` where the other end of a pipe was closed.
  func flush() throws {
    let code = buffer.withUnsafeBytes { writeAll($0, to: descriptor) }
    buffer.removeAll(keepingCapacity: true)
    if code == EPIPE { throw ReaderGone() }
    if code != 0 { throw ClozeError.system("cannot write to \(name)", code) }
  }
}

/// Standard error, for everything that is not a result.
enum StandardError {
  /// Writes "cloze: " and one line.
  static func note(_ message: String) {
    let line = message.split(whereSeparator: \.isNewline).joined(separator: " ")
    write("cloze: \(line)\n")
  }

  /// Writes text as it is. That nobody can read it is no reason to fail.
  static func write(_ text: String) {
    _ = Array(text.utf8).withUnsafeBytes { writeAll($0, to: STDERR_FILENO) }
  }

  static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }
}
