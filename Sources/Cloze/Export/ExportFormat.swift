internal import ClozeONNX

/// How an ONNX file that is written holds its weights.
public enum ExportFormat: String, Sendable, CaseIterable {
  /// As 32-bit floats.
  case float32
  /// Matrices and tables as 16-bit floats, with a Cast to float32 behind each: half the size, the
  /// same arithmetic.
  case float16
  /// Matrices as int8 with a scale for each output, and activations quantized in the graph, with a
  /// scale for each token, as this library computes.
  case int8

  var onnx: ONNXFormat {
    switch self {
    case .float32: .float32
    case .float16: .float16
    case .int8: .int8
    }
  }
}
