internal import ClozeONNX

/// The number format of the weights in an exported ONNX file.
public enum ExportFormat: String, Sendable, CaseIterable {
  /// 32-bit floats.
  case float32
  /// Matrices and tables as 16-bit floats, each followed by a Cast to float32: half the size, the same
  /// arithmetic.
  case float16
  /// Matrices as int8 with a scale per output; the graph quantizes activations with a scale per token, as this
  /// library computes.
  case int8

  var onnx: ONNXFormat {
    switch self {
    case .float32: .float32
    case .float16: .float16
    case .int8: .int8
    }
  }
}
