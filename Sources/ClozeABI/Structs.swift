public import CCloze
internal import Cloze
internal import ClozeIO

/// A struct that begins with `struct_size`, as callers of older, equal and newer headers pass it.
protocol SizedStruct {
  init()
  static var name: String { get }
}

extension SizedStruct {
  /// The caller's struct; what an older header lacks is zero, the default.
  static func read(_ pointer: UnsafePointer<Self>?) throws(ClozeError) -> Self {
    guard let pointer else { return Self() }
    let size = try size(at: pointer)
    var value = Self()
    withUnsafeMutableBytes(of: &value) {
      $0.copyMemory(from: UnsafeRawBufferPointer(start: pointer, count: min(size, $0.count)))
    }
    return value
  }

  /// Copies results to the caller's struct, except struct_size and fields that its header lacks.
  func write(to pointer: UnsafeMutablePointer<Self>, size: Int) {
    withUnsafeBytes(of: self) { bytes in
      let known = UnsafeRawBufferPointer(
        rebasing: bytes.prefix(min(size, bytes.count)).dropFirst(MemoryLayout<Int>.size))
      (UnsafeMutableRawPointer(pointer) + MemoryLayout<Int>.size).copyMemory(
        from: known.baseAddress ?? UnsafeRawPointer(pointer), byteCount: known.count)
    }
  }

  /// struct_size, after checking that no field is set that this library does not know.
  static func size(at pointer: UnsafePointer<Self>) throws(ClozeError) -> Int {
    let raw = UnsafeRawPointer(pointer)
    let size = raw.loadUnaligned(as: Int.self)
    guard size >= MemoryLayout<Int>.size, size <= 1 << 16 else {
      throw ClozeError(.invalidArgument, "\(name).struct_size is \(UInt(bitPattern: size)); set it to sizeof(\(name))")
    }
    for offset in stride(from: MemoryLayout<Self>.size, to: size, by: 1)
    where raw.load(fromByteOffset: offset, as: UInt8.self) != 0 {
      throw ClozeError(
        .invalidArgument,
        "\(name) is from a newer header: \(size) bytes, of which this library knows "
          + "\(MemoryLayout<Self>.size), and byte \(offset) is set")
    }
    return size
  }
}

extension cloze_tokenizer_options: SizedStruct { static var name: String { "cloze_tokenizer_options" } }
extension cloze_texts: SizedStruct { static var name: String { "cloze_texts" } }
extension cloze_tokenize_options: SizedStruct { static var name: String { "cloze_tokenize_options" } }
extension cloze_encoding: SizedStruct { static var name: String { "cloze_encoding" } }
extension cloze_vocabulary_options: SizedStruct {
  static var name: String { "cloze_vocabulary_options" }
}
extension cloze_load_options: SizedStruct { static var name: String { "cloze_load_options" } }
extension cloze_convert_options: SizedStruct { static var name: String { "cloze_convert_options" } }
extension cloze_export_options: SizedStruct { static var name: String { "cloze_export_options" } }
extension cloze_info: SizedStruct { static var name: String { "cloze_info" } }
extension cloze_session_options: SizedStruct { static var name: String { "cloze_session_options" } }
extension cloze_batch: SizedStruct { static var name: String { "cloze_batch" } }
extension cloze_padded_batch: SizedStruct { static var name: String { "cloze_padded_batch" } }
extension cloze_output: SizedStruct { static var name: String { "cloze_output" } }
extension cloze_embed_options: SizedStruct { static var name: String { "cloze_embed_options" } }
extension cloze_encode_options: SizedStruct { static var name: String { "cloze_encode_options" } }
extension cloze_fill_mask_options: SizedStruct { static var name: String { "cloze_fill_mask_options" } }

/// 0: the default; 1: yes; 2: no.
func choice(_ value: Int32, _ name: String) throws(ClozeError) -> Bool? {
  switch value {
  case 0: return nil
  case 1: return true
  case 2: return false
  default: throw ClozeError(.invalidArgument, "\(name) = \(value), expected 0, 1 or 2")
  }
}

/// 0: the default; else a positive number.
func positive(_ value: Int32, _ name: String) throws(ClozeError) -> Int? {
  guard value >= 0 else { throw ClozeError(.invalidArgument, "\(name) = \(value) is negative") }
  return value == 0 ? nil : Int(value)
}

/// 0: the default; else a number of threads.
func threadChoice(_ value: Int32) throws(ClozeError) -> Int? {
  guard (0...Team.maxThreads).contains(Int(value)) else {
    throw ClozeError(.invalidArgument, "threads = \(value), expected 1 to \(Team.maxThreads), or 0")
  }
  return value == 0 ? nil : Int(value)
}

func precisionChoice(_ value: cloze_precision) throws(ClozeError) -> Precision? {
  if value == CLOZE_PRECISION_DEFAULT { return nil }
  guard let precision = Precision(rawValue: value) else {
    throw ClozeError(.invalidArgument, "precision = \(value) is none of the CLOZE_PRECISION_ values")
  }
  return precision
}

func poolingChoice(_ value: cloze_pooling) throws(ClozeError) -> Pooling? {
  if value == CLOZE_POOLING_DEFAULT { return nil }
  guard let pooling = Pooling(rawValue: value) else {
    throw ClozeError(.invalidArgument, "pooling = \(value) is none of the CLOZE_POOLING_ values")
  }
  return pooling
}

/// The array of a field `NAMEs` with its length in `NAME_count`; nil where it is NULL, the default.
func list<T>(_ start: UnsafePointer<T>?, _ count: Int, _ name: String, atMost most: Int) throws(ClozeError)
  -> UnsafeBufferPointer<T>?
{
  guard let start else {
    guard count == 0 else {
      throw ClozeError(.invalidArgument, "\(name)s is NULL, and \(name)_count \(UInt(bitPattern: count))")
    }
    return nil
  }
  guard count > 0, count <= most else {
    throw ClozeError(.invalidArgument, "\(name)_count = \(UInt(bitPattern: count)), expected 1 to \(most)")
  }
  return UnsafeBufferPointer(start: start, count: count)
}
