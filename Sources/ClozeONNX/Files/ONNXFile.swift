public import ClozeIO

/// An ONNX model: its graph, in memory, and its tensors, whose data is read when it is used.
///
/// Immutable; may be used by several threads. Its bytes are freed with the file and the last of its tensors.
public final class ONNXFile: @unchecked Sendable {
  let storage: ONNXStorage
  let graph: Graph

  /// Reads the graph of the file at `path`, and opens it and its external data, which its tensors keep open.
  ///
  /// - Throws: `.notFound`, `.io`, `.damaged`, `.externalData`, `.outOfMemory`; `.unsupported` for an
  ///   unsupported IR version or operator set.
  public convenience init(path: String) throws(ClozeError) {
    if path.utf8.contains(0) { throw ClozeError(.notFound, "the path contains a zero byte") }
    do throws(ClozeError) {
      try self.init(storage: ONNXStorage(LazyFile(path: path)), folder: parent(path), path: path)
    } catch {
      // Errors of the operating system already name the path.
      throw error.cause == .damaged || error.cause == .unsupported ? error.prefixed("\(path): ") : error
    }
  }

  /// Copies the bytes of a model.
  ///
  /// - Parameter folder: the folder of external data; nil: a model with external data is an error.
  public convenience init(bytes: UnsafeRawBufferPointer, folder: String? = nil) throws(ClozeError) {
    try self.init(storage: ONNXStorage(LazyFile(copying: bytes)), folder: folder)
  }

  /// Reads a model from the caller's bytes in place; they must outlive this object and its tensors, unchanged.
  public convenience init(borrowing bytes: UnsafeRawBufferPointer, folder: String? = nil) throws(ClozeError) {
    try self.init(storage: ONNXStorage(LazyFile(borrowing: bytes)), folder: folder)
  }

  private init(storage: ONNXStorage, folder: String?, path: String? = nil) throws(ClozeError) {
    self.storage = storage
    graph = try Graph(storage, folder: folder, path: path)
  }
}
