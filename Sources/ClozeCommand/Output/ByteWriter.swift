import Glibc

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

  func write(_ text: String) throws {
    buffer.append(contentsOf: text.utf8)
    if buffer.count >= Self.pieceSize { try flush() }
  }

  func write(_ bytes: some Sequence<UInt8>) throws {
    buffer.append(contentsOf: bytes)
    if buffer.count >= Self.pieceSize { try flush() }
  }

  /// Hands everything to the system.
  ///
  /// - Throws: `WorkFailure` that names the file and the cause; `ReaderGone` where a pipe's other
  ///   end was closed.
  func flush() throws {
    defer { buffer.removeAll(keepingCapacity: true) }
    try buffer.withUnsafeBytes { bytes in
      var rest = bytes[...]
      while !rest.isEmpty {
        let piece = UnsafeRawBufferPointer(rebasing: rest)
        let count = Glibc.write(descriptor, piece.baseAddress, piece.count)
        if count > 0 {
          rest = rest.dropFirst(count)
        } else if count < 0, errno == EPIPE {
          throw ReaderGone()
        } else if count == 0 || errno != EINTR {
          throw WorkFailure("cannot write to \(name)", errno: count == 0 ? EIO : errno)
        }
      }
    }
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
    var text = text
    text.withUTF8 { bytes in
      var rest = bytes[...]
      while !rest.isEmpty {
        let piece = UnsafeBufferPointer(rebasing: rest)
        let count = Glibc.write(STDERR_FILENO, piece.baseAddress, piece.count)
        if count > 0 {
          rest = rest.dropFirst(count)
        } else if errno != EINTR {
          return
        }
      }
    }
  }

  static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }
}
