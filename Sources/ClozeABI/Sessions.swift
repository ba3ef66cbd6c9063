public import CCloze
internal import Cloze
internal import ClozeIO

// 4. Sessions

/// A session, and the memory for converting a caller's integers to those of the runtime.
final class SessionHandle {
  let session: Session
  var ids: [Int32] = []
  var typeIDs: [Int32] = []
  var offsets: [Int] = []
  /// Of a padded batch: where each real token lies in [B, S].
  var places: [Int] = []
  var positions: [Int64] = []
  var outputs: [Output] = []

  init(_ session: Session) { self.session = session }
}

@c @implementation public func cloze_session_create(
  _ model: OpaquePointer?, _ options: UnsafePointer<cloze_session_options>?,
  _ session: UnsafeMutablePointer<OpaquePointer?>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let target = try required(session, "session")
    target.pointee = nil
    let model = try required(object(model, Model.self), "model")
    let threads = try threadChoice(cloze_session_options.read(options).threads)
    target.pointee = handle(SessionHandle(try Session(model: model, threads: threads)))
  }
}

@c @implementation public func cloze_session_free(_ session: OpaquePointer?) { release(session, SessionHandle.self) }

@c @implementation public func cloze_session_threads(_ session: OpaquePointer?) -> Int32 {
  object(session, SessionHandle.self).map { Int32(clamping: $0.session.threads) } ?? 0
}

@c @implementation public func cloze_cancel(_ session: OpaquePointer?) {
  object(session, SessionHandle.self)?.session.cancel()
}

@c @implementation public func cloze_session_progress(
  _ session: OpaquePointer?, _ done: UnsafeMutablePointer<Int64>?, _ total: UnsafeMutablePointer<Int64>?
) {
  let progress = object(session, SessionHandle.self)?.session.progress ?? (done: 0, total: 0)
  done?.pointee = Int64(progress.done)
  total?.pointee = Int64(progress.total)
}
