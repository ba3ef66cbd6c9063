public import ClozeIO

/// An ONNX model: its graph, read into memory, and its tensors, whose data is read as it is used.
///
/// Immutable, and may be used from several threads. Its bytes are freed when the file, and every
/// tensor that came from it, is gone.
public final class ONNXFile: @unchecked Sendable {
  let storage: ONNXStorage
  let graph: Graph

  /// Reads the graph of the file at `path`, and opens that file and those of external data in its
  /// folder for as long as tensors of them live.
  ///
  /// - Throws: `.notFound`, `.io`, `.damaged`, `.externalData`, `.outOfMemory`; `.unsupported` for
  ///   versions of the format that are not read.
  public convenience init(path: String) throws(ClozeError) {
    if path.utf8.contains(0) { throw ClozeError(.notFound, "the path holds a zero byte") }
    do throws(ClozeError) {
      try self.init(storage: ONNXStorage(LazyFile(path: path)), folder: parent(path), path: path)
    } catch {
      // Errors of the operating system name the path already.
      throw error.cause == .damaged || error.cause == .unsupported ? error.prefixed("\(path): ") : error
    }
  }

  /// Copies the bytes of a model.
  ///
  /// - Parameter folder: where files of external data are looked for; without it a model that has
  ///   them is an error.
  public convenience init(
    bytes: UnsafeRawBufferPointer, folder: String? = nil
  ) throws(ClozeError) {
    try self.init(storage: ONNXStorage(LazyFile(copying: bytes)), folder: folder)
  }

  /// Reads a model from the caller's bytes in place; they must live, unchanged, as long as this
  /// object and every tensor of it.
  public convenience init(
    borrowing bytes: UnsafeRawBufferPointer, folder: String? = nil
  ) throws(ClozeError) {
    try self.init(storage: ONNXStorage(LazyFile(borrowing: bytes)), folder: folder)
  }

  private init(
    storage: ONNXStorage, folder: String?, path: String? = nil
  ) throws(ClozeError) {
    self.storage = storage
    graph = try Graph(storage, folder: folder, path: path)
  }
}
