public import CCloze
internal import CClozeSupport
internal import Cloze
internal import ClozeIO

// 1. Version, status, errors

/// A static string is followed by a NUL.
private func pointer(_ text: StaticString) -> UnsafePointer<CChar> {
  UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
}

@c @implementation public func cloze_version() -> UnsafePointer<CChar> { pointer(libraryVersion) }

@c @implementation public func cloze_status_name(_ status: cloze_status) -> UnsafePointer<CChar> {
  status == CLOZE_OK ? pointer("ok") : pointer(ClozeError.Status(rawValue: status)?.name ?? "unknown")
}

@c @implementation public func cloze_last_error() -> UnsafePointer<CChar> { cloze_error_text() }

/// Runs the body of a call: its error becomes this thread's message and the status returned.
func call(_ body: () throws(ClozeError) -> Void) -> cloze_status {
  do throws(ClozeError) {
    try body()
    return CLOZE_OK
  } catch {
    var message = error.message
    message.withUTF8 { text in
      text.withMemoryRebound(to: CChar.self) { text in
        if let base = text.baseAddress { cloze_error_set(base, text.count) } else { cloze_error_set("", 0) }
      }
    }
    return error.status.rawValue
  }
}

/// The argument, or an error with its name, which is evaluated only then.
func required<T>(_ argument: T?, _ name: @autoclosure () -> String) throws(ClozeError) -> T {
  guard let argument else { throw ClozeError(.invalidArgument, "\(name()) is NULL") }
  return argument
}

/// Whether a buffer is large enough. A capacity is a size_t: one beyond `Int.max` arrives as negative.
func fits(_ needed: Int, _ capacity: Int) -> Bool { UInt(bitPattern: capacity) >= UInt(bitPattern: needed) }

func tooSmall(_ name: String, _ capacity: Int, _ needed: Int) -> ClozeError {
  ClozeError(.bufferTooSmall, "\(name) has room for \(UInt(bitPattern: capacity)) elements, \(needed) are needed")
}
