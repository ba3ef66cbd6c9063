/// Named arrays and texts in one file, in the safetensors format
/// (https://github.com/huggingface/safetensors): the length of a JSON header in 8 bytes, the header,
/// then the arrays. Arrays are float32 or float64.
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

  package func doubles(_ name: String) -> [Double]? {
    for tensor in tensors where tensor.name == name {
      if case .float64(let values) = tensor.values { return values }
    }
    return nil
  }

  /// Writes the file under its name at once: it is complete, or it is not there.
  package func write(to path: String) throws(ClozeError) {
    var writer = JSONWriter()
    var at = 0
    writer.object { writer in
      if !metadata.isEmpty {
        writer.object("__metadata__") { writer in
          for (key, value) in metadata { writer.value(key, value) }
        }
      }
      for tensor in tensors {
        let (type, size) =
          switch tensor.values {
          case .float32(let values): ("F32", 4 * values.count)
          case .float64(let values): ("F64", 8 * values.count)
          }
        writer.object(tensor.name) { writer in
          writer.value("dtype", type)
          writer.array("shape") { writer in for size in tensor.shape { writer.value(nil, size) } }
          writer.array("data_offsets") { writer in
            writer.value(nil, at)
            writer.value(nil, at + size)
          }
        }
        at += size
      }
    }
    var header = Array(writer.text.utf8)
    while header.count % 8 != 0 { header.append(0x20) }
    let length = UInt64(header.count)
    let file = try AtomicFile(path: path)
    try file.append([length.littleEndian])
    try file.append(header)
    for tensor in tensors {
      switch tensor.values {
      case .float32(let values): try file.append(values)
      case .float64(let values): try file.append(values)
      }
    }
    try file.commit()
  }

  /// Reads a file.
  package init(path: String) throws(ClozeError) {
    let content: [UInt8]
    content = try contents(of: path)
    func damaged(_ reason: String) -> ClozeError {
      ClozeError(.invalidModel, "\(path): \(reason)")
    }
    guard content.count >= 8 else { throw damaged("no safetensors file: \(content.count) bytes") }
    let length = content[0..<8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard length <= UInt64(content.count - 8) else {
      throw damaged("the header would be \(length) bytes long")
    }
    let base = 8 + Int(length)
    let root = try JSONField(parsing: Array(content[8..<base]), name: path)
    for (name, field) in try root.members() {
      if name == "__metadata__" {
        for (key, value) in try field.members() { metadata.append((key, try value.string())) }
        continue
      }
      var shape: [Int] = []
      var count = 1
      for element in try field.required("shape").elements() {
        let size = Int(try element.id())
        shape.append(size)
        let (product, overflow) = count.multipliedReportingOverflow(by: size)
        count = overflow ? -1 : product
        if overflow { break }
      }
      let offsets = try field.required("data_offsets").elements()
      let type = try field.required("dtype").string()
      let size = type == "F32" ? 4 : 8
      guard type == "F32" || type == "F64" else {
        throw ClozeError(.unsupportedTokenizer, "\(path): \(name) is \(type), not F32 or F64")
      }
      guard offsets.count == 2, count >= 0, count <= content.count else {
        throw ClozeError(.damaged, "\(path): \(name) has impossible sizes")
      }
      let first = Int(try offsets[0].id())
      let last = Int(try offsets[1].id())
      guard last - first == count * size, first >= 0, last <= content.count - base else {
        throw ClozeError(.damaged, "\(path): \(name) does not lie within the file")
      }
      let part = content[(base + first)..<(base + last)]
      part.withUnsafeBytes { bytes in
        if size == 4 {
          add(
            name, shape,
            (0..<count).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) })
        } else {
          add(
            name, (0..<count).map { bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Double.self) }
          )
        }
      }
    }
  }
}
