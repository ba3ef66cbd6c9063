internal import ClozeIO

/// The tensors of safetensors files as this module has them.
extension Safetensors {
  /// The tensors of one file, or, for an index (`.index.json`), those that it names; by name.
  static func tensors(at path: String) throws(ClozeError) -> [String: ClozeONNX.Tensor] {
    if path.hasSuffix(".json") { return byName(try SafetensorsIndex(path: path).open()) }
    return try Safetensors(path: path).byName
  }

  /// By name; those of types that no BERT has for its weights are left out.
  var byName: [String: ClozeONNX.Tensor] { Self.byName(tensors.map { ($0, file) }) }

  private static func byName(_ tensors: [(tensor: Tensor, file: LazyFile)]) -> [String: ClozeONNX.Tensor] {
    var result: [String: ClozeONNX.Tensor] = [:]
    for (tensor, file) in tensors {
      guard let type = types[tensor.dtype] else { continue }
      result[tensor.name] = ClozeONNX.Tensor(
        name: tensor.name, elementType: type, shape: tensor.shape, place: tensor.place, file: file, owner: file)
    }
    return result
  }

  private static let types: [String: ClozeONNX.Tensor.ElementType] = [
    "F64": .float64, "F32": .float32, "F16": .float16, "BF16": .bfloat16, "I64": .int64, "I32": .int32, "U8": .uint8,
    "I8": .int8, "BOOL": .bool,
  ]
}
