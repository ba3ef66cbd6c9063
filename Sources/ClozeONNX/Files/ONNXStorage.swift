internal import CClozeONNX
internal import ClozeIO

/// The file's bytes and the parsed model, which owns the few tensors that had to be converted. Kept alive by
/// tensors.
final class ONNXStorage: @unchecked Sendable {
  let main: LazyFile
  let model: OpaquePointer

  init(_ main: LazyFile) throws(ClozeError) {
    var model: OpaquePointer?
    let capacity = 512
    let filler = Filler(main)
    let fill: cloze_onnx_fill = { context, bytes, count in
      guard let context else { return 0 }
      return Unmanaged<Filler>.fromOpaque(context).takeUnretainedValue().fill(bytes, count) ? 1 : 0
    }
    let (status, message) = withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity) {
      buffer -> (cloze_onnx_status, String) in
      guard let start = buffer.baseAddress else { return (CLOZE_ONNX_OUT_OF_MEMORY, "") }
      start.initialize(repeating: 0, count: capacity)
      let status = cloze_onnx_open(
        main.place.baseAddress?.assumingMemoryBound(to: UInt8.self), main.place.count, fill,
        Unmanaged.passUnretained(filler).toOpaque(), &model, start, capacity)
      return (status, status == CLOZE_ONNX_OK ? "" : String(cString: start))
    }
    if let failure = filler.failure { throw failure }
    guard status == CLOZE_ONNX_OK, let model else {
      switch status {
      case CLOZE_ONNX_UNSUPPORTED: throw ClozeError(.unsupported, message)
      case CLOZE_ONNX_OUT_OF_MEMORY: throw ClozeError(.outOfMemory, message)
      default: throw ClozeError(.damaged, "not an ONNX model: " + message)
      }
    }
    self.main = main
    self.model = model
  }

  deinit { cloze_onnx_close(model) }

  /// Fills bytes for the parser, and keeps the first error.
  private final class Filler {
    let file: LazyFile
    var failure: ClozeError?

    init(_ file: LazyFile) { self.file = file }

    func fill(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Bool {
      do throws(ClozeError) {
        try file.fill(UnsafeRawBufferPointer(start: bytes, count: count))
        return true
      } catch {
        failure = error
        return false
      }
    }
  }
}

/// Names in a file.
extension String {
  /// Invalid UTF-8 becomes U+FFFD: names serve only messages and comparison.
  init(_ text: cloze_onnx_text) {
    let raw = UnsafeRawBufferPointer(start: text.bytes, count: text.bytes == nil ? 0 : text.count)
    self = String(decoding: raw, as: UTF8.self)
  }
}
