/// A file of named tensors in the safetensors format (https://github.com/huggingface/safetensors): the length of a
/// header in 8 bytes, the header (JSON: name -> dtype, shape, data_offsets), and the data.
///
/// Only the header is read and checked on opening; data is read on demand.
package struct Safetensors {
  package struct Tensor {
    package let name: String
    /// As the format spells it: "F32".
    package let dtype: String
    package let shape: [Int]
    /// Its bytes in `LazyFile.place`, little-endian and not necessarily aligned; valid after `LazyFile.fill`.
    package let place: UnsafeRawBufferPointer

    /// Number of elements: the product of `shape`.
    package var count: Int { shape.reduce(1, *) }
  }

  /// Keeps `place` of the tensors alive.
  package let file: LazyFile
  /// In the header's order.
  package private(set) var tensors: [Tensor] = []
  package private(set) var metadata: [(key: String, value: String)] = []
  private var indices: [String: Int] = [:]
  private let name: String

  /// The bound that the format's own package sets.
  static let largestHeader = 100_000_000
  /// More tensors than any BERT has.
  private static let maximumTensors = 1 << 16
  private static let maximumRank = 16
  /// Bytes of an element. Tensors of other types are listed, with only their range checked.
  private static let sizes = [
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2,
    "U8": 1, "BOOL": 1,
  ]

  package init(path: String) throws(ClozeError) { try self.init(LazyFile(path: path), name: path) }

  /// - Parameter name: the file's name in messages.
  /// - Throws: `.damaged`, with the name of the tensor at fault; `.io`.
  package init(_ file: LazyFile, name: String) throws(ClozeError) {
    self.file = file
    self.name = name
    let bytes = file.place
    guard bytes.count >= 8 else { throw ClozeError(.damaged, "\(name): not a safetensors file: \(bytes.count) bytes") }
    try file.fill(UnsafeRawBufferPointer(rebasing: bytes[..<8]))
    let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
    guard length <= UInt64(Self.largestHeader), Int(length) <= bytes.count - 8 else {
      throw ClozeError(.damaged, "\(name): not a safetensors file: its header would have \(length) bytes")
    }
    let header = UnsafeRawBufferPointer(rebasing: bytes[8..<(8 + Int(length))])
    try file.fill(header)
    try readHeader(Array(header), data: UnsafeRawBufferPointer(rebasing: bytes[(8 + Int(length))...]))
  }

  package func tensor(_ name: String) -> Tensor? { indices[name].map { tensors[$0] } }

  package func text(_ key: String) -> String? { metadata.first { $0.key == key }?.value }

  /// Reads the elements of a tensor.
  ///
  /// - Throws: `.damaged` if `type` has another size than the tensor's elements; `.io`.
  package func elements<Element: BitwiseCopyable>(of tensor: Tensor, as type: Element.Type) throws(ClozeError)
    -> [Element]
  {
    try [Element](unsafeUninitializedCapacity: tensor.count) { (target, count) throws(ClozeError) in
      guard let base = target.baseAddress, tensor.place.count == tensor.count * MemoryLayout<Element>.size else {
        throw refusal(tensor.name, "is \(tensor.dtype), not \(type)")
      }
      try file.read(tensor.place, to: base)
      count = tensor.count
    }
  }

  // MARK: - The header

  private func refusal(_ tensor: String, _ reason: String) -> ClozeError {
    ClozeError(.damaged, "\(name): tensor \"\(tensor)\" \(reason)")
  }

  private mutating func readHeader(_ header: [UInt8], data: UnsafeRawBufferPointer) throws(ClozeError) {
    var parser = try JSONParser(header, name: "\(name): the header")
    var hasMetadata = false
    try parser.object { (key, parser) throws(ClozeError) in
      let key = key.string
      if key == "__metadata__", !hasMetadata {
        hasMetadata = true
        try parser.object { (key, parser) throws(ClozeError) in
          metadata.append((key.string, try parser.string().string))
        }
        return
      }
      guard tensors.count < Self.maximumTensors else {
        throw ClozeError(.unsupported, "\(name): more than \(Self.maximumTensors) tensors")
      }
      guard indices.updateValue(tensors.count, forKey: key) == nil else { throw refusal(key, "is there twice") }
      tensors.append(try tensor(key, &parser, data))
    }
    try parser.end()
  }

  private func tensor(_ name: String, _ parser: inout JSONParser, _ data: UnsafeRawBufferPointer) throws(ClozeError)
    -> Tensor
  {
    var (dtype, shape, offsets): (String?, [Int]?, [Int]?)
    try parser.object { (key, parser) throws(ClozeError) in
      switch key.string {
      case "dtype" where dtype == nil: dtype = try parser.string().string
      case "shape" where shape == nil: shape = try integers(name, "shape", Self.maximumRank, &parser)
      case "data_offsets" where offsets == nil: offsets = try integers(name, "data_offsets", 2, &parser)
      case "dtype", "shape", "data_offsets": throw refusal(name, "has \(key.string) twice")
      default: throw refusal(name, "has \"\(key.string)\", which is unknown")
      }
    }
    guard let dtype, let shape, let offsets, offsets.count == 2 else {
      throw refusal(name, "has not all of dtype, shape and two data_offsets")
    }
    // The product without empty axes, so that no stride overflows either.
    var count = 1
    for size in shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: max(size, 1))
      guard !overflow, product <= 1 << 48 else { throw refusal(name, "has the shape \(shape)") }
      count = product
    }
    if shape.contains(0) { count = 0 }
    guard offsets[0] <= offsets[1], offsets[1] <= data.count else {
      throw refusal(name, "lies at \(offsets[0]) to \(offsets[1]) of \(data.count) bytes")
    }
    if let size = Self.sizes[dtype], offsets[1] - offsets[0] != count * size {
      throw refusal(name, "has \(offsets[1] - offsets[0]) bytes, its shape \(shape) calls for \(count * size)")
    }
    return Tensor(
      name: name, dtype: dtype, shape: shape, place: UnsafeRawBufferPointer(rebasing: data[offsets[0]..<offsets[1]]))
  }

  /// A list of at most `limit` integers from 0 to 2^56 - 1.
  private func integers(_ tensor: String, _ key: String, _ limit: Int, _ parser: inout JSONParser) throws(ClozeError)
    -> [Int]
  {
    var numbers: [Int] = []
    try parser.array { (parser) throws(ClozeError) in
      let number = try parser.number()
      guard numbers.count < limit, let integer = number.integer, integer >= 0, integer < 1 << 56 else {
        throw refusal(tensor, "has \(number.string) in its \(key), at most \(limit) integers below 2^56 are expected")
      }
      numbers.append(integer)
    }
    return numbers
  }
}
