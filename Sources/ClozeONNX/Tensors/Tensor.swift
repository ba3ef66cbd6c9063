public import ClozeIO

/// An initializer of the graph: its type, shape and bytes, in place in the file.
///
/// A tensor keeps the bytes of its file alive.
public struct Tensor: @unchecked Sendable {
  public enum ElementType: Int32, Sendable, Equatable, CustomStringConvertible {
    // Numbers of TensorProto.DataType in onnx.proto.
    case float32 = 1
    case uint8 = 2
    case int8 = 3
    case uint16 = 4
    case int16 = 5
    case int32 = 6
    case int64 = 7
    case bool = 9
    case float16 = 10
    case float64 = 11
    case uint32 = 12
    case uint64 = 13
    case bfloat16 = 16

    /// The size of an element, in bytes.
    public var size: Int {
      switch self {
      case .uint8, .int8, .bool: return 1
      case .uint16, .int16, .float16, .bfloat16: return 2
      case .float32, .int32, .uint32: return 4
      case .int64, .uint64, .float64: return 8
      }
    }

    public var isFloat: Bool {
      switch self {
      case .float32, .float16, .bfloat16, .float64: return true
      default: return false
      }
    }

    public var description: String {
      switch self {
      case .float32: return "float32"
      case .uint8: return "uint8"
      case .int8: return "int8"
      case .uint16: return "uint16"
      case .int16: return "int16"
      case .int32: return "int32"
      case .int64: return "int64"
      case .bool: return "bool"
      case .float16: return "float16"
      case .float64: return "float64"
      case .uint32: return "uint32"
      case .uint64: return "uint64"
      case .bfloat16: return "bfloat16"
      }
    }
  }

  /// The name in the file, for messages.
  public let name: String
  public let elementType: ElementType
  public let shape: [Int]
  /// The place of its `count * elementType.size` bytes, little-endian, not necessarily aligned; readable only
  /// after `bytes()`.
  let place: UnsafeRawBufferPointer
  /// The quantization of integers; nil where elements represent themselves.
  public let quantization: Quantization?
  /// The file that `place` is filled from; nil for bytes in memory.
  let file: LazyFile?
  /// Keeps `place` alive.
  let owner: AnyObject?

  init(
    name: String, elementType: ElementType, shape: [Int], place: UnsafeRawBufferPointer,
    quantization: Quantization? = nil, file: LazyFile? = nil, owner: AnyObject?
  ) {
    self.name = name
    self.elementType = elementType
    self.shape = shape
    self.place = place
    self.quantization = quantization
    self.file = file
    self.owner = owner
  }

  /// Whether the elements are real numbers: floating-point, or quantized.
  public var isReal: Bool { elementType.isFloat || quantization != nil }

  /// The number of elements: the product of `shape`.
  public var count: Int { place.count / elementType.size }

  /// Its bytes, read from the file at the first call.
  ///
  /// - Throws: `.io`.
  public func bytes() throws(ClozeError) -> UnsafeRawBufferPointer {
    try file?.fill(place)
    return place
  }

  /// Copies elements `range` from the file without conversion; may be called by several threads at once.
  ///
  /// - Parameter target: memory for `range.count * elementType.size` bytes.
  /// - Throws: `.io`; `.shape` where `range` is out of bounds.
  public func read(_ range: Range<Int>, to target: UnsafeMutableRawPointer) throws(ClozeError) {
    guard range.lowerBound >= 0, range.upperBound <= count else {
      throw ClozeError(.shape, "\(label) has no elements \(range)")
    }
    let size = elementType.size
    let part = UnsafeRawBufferPointer(rebasing: place[(range.lowerBound * size)..<(range.upperBound * size)])
    if let file {
      try file.read(part, to: target)
    } else if let start = part.baseAddress {
      target.copyMemory(from: start, byteCount: part.count)
    }
  }

  /// "name" float32 [384, 1536]
  public var label: String { "\"\(name)\" \(elementType) \(shape)" }

  /// The same bytes with another shape; nil where the number of elements differs, or where the axis of scales
  /// would be lost.
  func reshaped(_ shape: [Int]) -> Tensor? {
    var elements = 1
    for dimension in shape {
      let (product, overflow) = elements.multipliedReportingOverflow(by: dimension)
      if overflow { return nil }
      elements = product
    }
    guard elements == count else { return nil }
    var quantization = quantization
    if let known = quantization, !known.isUniform {
      guard let axis = known.axis, self.shape.dropFirst(axis).elementsEqual(shape.suffix(self.shape.count - axis)),
        let moved = known.moved(to: shape.count - (self.shape.count - axis))
      else { return nil }
      quantization = moved
    }
    if quantization?.factors != nil, shape != self.shape { return nil }
    return Tensor(
      name: name, elementType: elementType, shape: shape, place: place, quantization: quantization, file: file,
      owner: owner)
  }

  /// Rows `range` of a matrix; nil for other tensors and for rows out of bounds.
  func rows(_ range: Range<Int>) -> Tensor? {
    guard shape.count == 2, range.lowerBound >= 0, range.upperBound <= shape[0], shape[0] > 0 else { return nil }
    let stride = place.count / shape[0]
    let part = UnsafeRawBufferPointer(rebasing: place[(range.lowerBound * stride)..<(range.upperBound * stride)])
    return Tensor(
      name: name, elementType: elementType, shape: [range.count, shape[1]], place: part,
      quantization: quantization?.part(range, axis: 0), file: file, owner: owner)
  }
}
