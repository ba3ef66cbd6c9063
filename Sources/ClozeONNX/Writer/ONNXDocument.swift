internal import CClozeONNX
internal import ClozeIO

/// An ONNX file to be written: a graph, built node by node, and tensors, whose elements are made when they are
/// written, so that one of them is in memory at a time.
final class ONNXDocument {
  /// Makes the elements of a tensor.
  typealias Content = () throws(ClozeError) -> Tensor

  private let writer: OpaquePointer
  private var contents: [(bytes: Int, content: Content)] = []
  /// The next piece: 0 the graph, then alternately a tensor's header and its elements.
  private var position = 0
  /// Owns the elements returned last.
  private var current: Tensor?
  /// The size of the file, in bytes; 0 before `finish`.
  private(set) var size = 0

  init(irVersion: Int, opset: Int, producer: String, version: String) throws(ClozeError) {
    guard let writer = cloze_onnx_writer_create(Int64(irVersion), Int64(opset), producer, version) else {
      throw ClozeError(.outOfMemory, "no memory for the graph")
    }
    self.writer = writer
  }

  deinit { cloze_onnx_writer_free(writer) }

  enum Attribute {
    case int(Int)
    case float(Float)
    case ints([Int])
  }

  func node(_ op: String, name: String, inputs: [String], outputs: [String], attributes: [(String, Attribute)] = []) {
    cloze_onnx_writer_node(writer, op, name)
    for input in inputs { cloze_onnx_writer_node_input(writer, input) }
    for output in outputs { cloze_onnx_writer_node_output(writer, output) }
    for (name, attribute) in attributes {
      switch attribute {
      case .int(let value): cloze_onnx_writer_node_int(writer, name, Int64(value))
      case .float(let value): cloze_onnx_writer_node_float(writer, name, value)
      case .ints(let values):
        let wide = values.map { Int64($0) }
        wide.withUnsafeBufferPointer { buffer in
          guard let base = buffer.baseAddress else { return }
          cloze_onnx_writer_node_ints(writer, name, base, buffer.count)
        }
      }
    }
  }

  enum Dimension {
    case free(String)
    case fixed(Int)
  }

  func input(_ name: String, _ type: Tensor.ElementType, _ shape: [Dimension]) {
    value(name, type, shape, isOutput: false)
  }

  func output(_ name: String, _ type: Tensor.ElementType, _ shape: [Dimension]) {
    value(name, type, shape, isOutput: true)
  }

  private func value(_ name: String, _ type: Tensor.ElementType, _ shape: [Dimension], isOutput: Bool) {
    cloze_onnx_writer_value(writer, isOutput ? 1 : 0, name, type.rawValue)
    for dimension in shape {
      switch dimension {
      case .free(let name): cloze_onnx_writer_dimension(writer, name, 0)
      case .fixed(let size): cloze_onnx_writer_dimension(writer, nil, Int64(size))
      }
    }
  }

  func metadata(_ key: String, _ value: String) { cloze_onnx_writer_metadata(writer, key, value) }

  /// Adds an initializer; `content` makes a tensor of this type and number of elements.
  func tensor(_ name: String, _ type: Tensor.ElementType, _ shape: [Int], _ content: @escaping Content)
    throws(ClozeError)
  {
    var bytes = type.size
    for dimension in shape {
      let (product, overflow) = bytes.multipliedReportingOverflow(by: dimension)
      guard dimension >= 0, !overflow else {
        throw ClozeError(.shape, "tensor \"\(name)\" has an impossible shape \(shape)")
      }
      bytes = product
    }
    let dims = shape.map { Int64($0) }
    dims.withUnsafeBufferPointer { dims in
      cloze_onnx_writer_tensor(writer, name, type.rawValue, dims.baseAddress, dims.count, UInt64(bytes))
    }
    contents.append((bytes, content))
  }

  /// Ends the graph.
  ///
  /// - Throws: `.unsupported` for a file larger than protobuf's limit, `.outOfMemory`.
  func finish() throws(ClozeError) {
    var total: UInt64 = 0
    let capacity = 256
    let (status, message) = withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity) {
      buffer -> (cloze_onnx_status, String) in
      guard let start = buffer.baseAddress else { return (CLOZE_ONNX_OUT_OF_MEMORY, "") }
      start.initialize(repeating: 0, count: capacity)
      let status = cloze_onnx_writer_finish(writer, &total, start, capacity)
      return (status, status == CLOZE_ONNX_OK ? "" : String(cString: start))
    }
    switch status {
    case CLOZE_ONNX_OK: size = Int(clamping: total)
    case CLOZE_ONNX_UNSUPPORTED: throw ClozeError(.unsupported, message)
    default: throw ClozeError(.outOfMemory, message)
    }
  }

  /// The next bytes of the file, valid until the next call; nil at its end.
  func next() throws(ClozeError) -> UnsafeRawBufferPointer? {
    let index = (position - 1) / 2
    defer { position += 1 }
    if position % 2 == 1 || position == 0 {
      current = nil
      guard position == 0 || index < contents.count else { return nil }
      let piece = cloze_onnx_writer_piece(writer, position == 0 ? 0 : index + 1)
      return UnsafeRawBufferPointer(start: piece.bytes, count: piece.count)
    }
    guard index < contents.count else { return nil }
    let tensor = try contents[index].content()
    guard tensor.place.count == contents[index].bytes else {
      throw ClozeError(.shape, "\(tensor.label) has \(tensor.place.count) bytes, expected \(contents[index].bytes)")
    }
    current = tensor
    return try tensor.bytes()
  }
}
