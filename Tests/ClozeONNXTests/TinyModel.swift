/// Writes the wire format of a small ModelProto, valid or not.
struct TinyModel {
  var ir = 8
  var opset = 14
  var tensors: [[UInt8]] = []
  var nodes: [[UInt8]] = []
  var outputs: [String] = []

  var bytes: [UInt8] {
    var graph: [UInt8] = []
    for node in nodes { graph += Self.field(1, node) }
    for tensor in tensors { graph += Self.field(5, tensor) }
    for output in outputs { graph += Self.field(12, Self.field(1, Array(output.utf8))) }
    return Self.field(1, number: ir) + Self.field(8, Self.field(2, number: opset)) + Self.field(7, graph)
  }

  static func varint(_ value: Int) -> [UInt8] {
    var rest = UInt64(bitPattern: Int64(value))
    var result: [UInt8] = []
    repeat {
      let byte = UInt8(rest & 0x7f)
      rest >>= 7
      result.append(rest == 0 ? byte : byte | 0x80)
    } while rest != 0
    return result
  }

  static func field(_ field: Int, number: Int) -> [UInt8] { varint(field << 3) + varint(number) }

  static func field(_ field: Int, _ bytes: [UInt8]) -> [UInt8] { varint(field << 3 | 2) + varint(bytes.count) + bytes }

  /// A TensorProto of float32 with raw data.
  static func tensor(_ name: String, _ dims: [Int], raw: [UInt8]) -> [UInt8] {
    dims.flatMap { field(1, number: $0) } + field(2, number: 1) + field(8, Array(name.utf8)) + field(9, raw)
  }

  /// A TensorProto of float32 with external data.
  static func external(_ name: String, _ dims: [Int], location: String?, offset: String? = nil, length: String? = nil)
    -> [UInt8]
  {
    func entry(_ key: String, _ value: String?) -> [UInt8] {
      guard let value else { return [] }
      return field(13, field(1, Array(key.utf8)) + field(2, Array(value.utf8)))
    }
    return dims.flatMap { field(1, number: $0) } + field(2, number: 1) + field(8, Array(name.utf8))
      + entry("location", location) + entry("offset", offset) + entry("length", length) + field(14, number: 1)
  }

  static func node(_ op: String, _ inputs: [String], _ outputs: [String]) -> [UInt8] {
    inputs.flatMap { field(1, Array($0.utf8)) } + outputs.flatMap { field(2, Array($0.utf8)) }
      + field(4, Array(op.utf8))
  }
}
