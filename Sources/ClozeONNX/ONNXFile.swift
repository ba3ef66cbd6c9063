/// An ONNX model read into memory: its graph and its tensors.
public final class ONNXFile: @unchecked Sendable {
  /// Reads the file at `path`, and the files of external data beside it.
  public init(path: String) throws(ONNXError) {
    throw ONNXError(.unsupported, "reading ONNX files is not built yet")
  }

  /// Copies the bytes of a model.
  ///
  /// - Parameter folder: where files of external data are looked for; without it a model that has
  ///   them is an error.
  public init(bytes: UnsafeRawBufferPointer, folder: String? = nil) throws(ONNXError) {
    throw ONNXError(.unsupported, "reading ONNX files is not built yet")
  }

  /// Reads a model from the caller's bytes in place; they must live as long as this object and
  /// every tensor of it.
  public init(borrowing bytes: UnsafeRawBufferPointer, folder: String? = nil) throws(ONNXError) {
    throw ONNXError(.unsupported, "reading ONNX files is not built yet")
  }
}

/// Finds the BERT in a graph.
///
/// - Throws: `.unsupported` with the first node that did not fit, its place, and what was expected
///   there; `.shape` where weights contradict each other.
public func recognizeBERT(in file: ONNXFile) throws(ONNXError) -> BERTGraph {
  throw ONNXError(.unsupported, "recognising is not built yet")
}
