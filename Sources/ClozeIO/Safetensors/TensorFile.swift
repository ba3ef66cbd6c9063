/// Named float32 and float64 arrays and texts in memory, read from and written to a safetensors file.
package struct TensorFile {
  package enum Values: Sendable {
    case float32([Float])
    case float64([Double])
  }

  package struct Tensor: Sendable {
    package var name: String
    package var shape: [Int]
    package var values: Values
  }

  package var metadata: [(key: String, value: String)] = []
  package private(set) var tensors: [Tensor] = []

  package init() {}

  /// Reads a whole file.
  ///
  /// - Throws: `.damaged`, also for tensors of other types; `.io`.
  package init(path: String) throws(ClozeError) {
    let source = try Safetensors(path: path)
    metadata = source.metadata
    for tensor in source.tensors {
      let values: Values
      switch tensor.dtype {
      case "F32": values = .float32(try source.elements(of: tensor, as: Float.self))
      case "F64": values = .float64(try source.elements(of: tensor, as: Double.self))
      default: throw ClozeError(.damaged, "\(path): tensor \"\(tensor.name)\" is \(tensor.dtype), not F32 or F64")
      }
      tensors.append(Tensor(name: tensor.name, shape: tensor.shape, values: values))
    }
  }

  package mutating func add(_ name: String, _ shape: [Int], _ values: [Float]) {
    tensors.append(Tensor(name: name, shape: shape, values: .float32(values)))
  }

  package mutating func add(_ name: String, _ values: [Double]) {
    tensors.append(Tensor(name: name, shape: [values.count], values: .float64(values)))
  }

  package func text(_ key: String) -> String? { metadata.first { $0.key == key }?.value }

  package func floats(_ name: String) -> (shape: [Int], values: [Float])? {
    for tensor in tensors where tensor.name == name {
      if case .float32(let values) = tensor.values { return (tensor.shape, values) }
    }
    return nil
  }

  /// All float32 arrays by their names.
  package var allFloats: [String: [Float]] {
    tensors.reduce(into: [:]) { if case .float32(let values) = $1.values { $0[$1.name] = values } }
  }

  package func doubles(_ name: String) -> [Double]? {
    for tensor in tensors where tensor.name == name { if case .float64(let values) = tensor.values { return values } }
    return nil
  }

  /// Writes the file, complete or not at all.
  package func write(to path: String) throws(ClozeError) {
    var header = self.header
    while header.count % 8 != 0 { header.append(0x20) }
    let file = try AtomicFile(path: path)
    try file.append([UInt64(header.count).littleEndian])
    try file.append(header)
    for tensor in tensors {
      switch tensor.values {
      case .float32(let values): try file.append(values)
      case .float64(let values): try file.append(values)
      }
    }
    try file.commit()
  }

  private var header: [UInt8] {
    var writer = JSONWriter()
    var offset = 0
    writer.object { writer in
      if !metadata.isEmpty {
        writer.object("__metadata__") { writer in for (key, value) in metadata { writer.value(key, value) } }
      }
      for tensor in tensors {
        let (type, size) =
          switch tensor.values {
          case .float32(let values): ("F32", 4 * values.count)
          case .float64(let values): ("F64", 8 * values.count)
          }
        writer.object(tensor.name) { writer in
          writer.value("dtype", type)
          writer.array("shape", tensor.shape)
          writer.array("data_offsets", [offset, offset + size])
        }
        offset += size
      }
    }
    return writer.bytes
  }
}
